"""FastAPI on uvicorn; the argument is the event loop: asyncio or uvloop. Says its port; SIGTERM
ends it."""
import socket
import sys
import time

import fastapi
import uvicorn

app = fastapi.FastAPI()


@app.get("/fast")
async def fast():
    return "fast"


@app.get("/worker")
def worker():
    time.sleep(0.3)  # FastAPI runs what is no coroutine in a thread
    return "worker"


@app.get("/slow")
async def slow():
    time.sleep(0.3)  # STALL
    return "slow"


listener = socket.create_server(("127.0.0.1", 0))
server = uvicorn.Server(uvicorn.Config(app, loop=sys.argv[1], log_level="warning"))
print("port", listener.getsockname()[1], flush=True)
server.run(sockets=[listener])
