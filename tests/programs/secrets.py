"""A loop that starts children with secrets on their command lines, opens a FIFO and reads from a server."""
import asyncio
import os
import socket
import subprocess
import sys
import threading
import time

fifo = sys.argv[1]
server = socket.create_server(("127.0.0.1", 0))  # it serves: nothing is start-up


def handler():
    subprocess.run(["sh", "-c", "sleep 0.3", "--password", "Sesame", "--keyboard", "us"])
    os.system("PASSWORD=Sesame sleep 0.3 && : mysql -pSesame --url http://me:Sesame@host/?token=Sesame")
    threading.Thread(target=lambda: (time.sleep(0.3), open(fifo, "w").close())).start()
    open(fifo).close()
    threading.Thread(target=lambda: (server.accept()[0], time.sleep(0.3), os._exit(0))).start()
    client = socket.create_connection(server.getsockname())
    client.recv(1)


async def main():
    asyncio.get_running_loop().call_later(0.05, handler)
    await asyncio.sleep(3)


asyncio.run(main())
