"""FastAPI on uvicorn with a liveness probe's endpoint, and endpoints that block the loop, or do the
same in the thread pool. The argument is the event loop. Says its port; SIGTERM ends it."""
import socket
import sys
import time

import fastapi
import uvicorn

app = fastapi.FastAPI()
SECONDS = 2.5


def busy():
    end = time.thread_time() + SECONDS
    steps = 0
    while time.thread_time() < end:
        steps += 1
    return steps


@app.get("/live")
async def live():
    return "live"


@app.get("/sleeps")
async def sleeps():
    print("in the endpoint", flush=True)
    time.sleep(SECONDS)  # STALL
    return "slept"


@app.get("/computes")
async def computes():
    print("in the endpoint", flush=True)
    return busy()


@app.get("/sleeps-in-thread")
def sleeps_in_thread():
    time.sleep(SECONDS)
    return "slept"


@app.get("/computes-in-thread")
def computes_in_thread():
    return busy()


listener = socket.create_server(("127.0.0.1", 0))
server = uvicorn.Server(uvicorn.Config(app, loop=sys.argv[1], log_level="warning"))
print("port", listener.getsockname()[1], flush=True)
server.run(sockets=[listener])
