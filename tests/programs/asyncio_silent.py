"""A coroutine that asks a database through a blocking client; the database has gone silent.
The argument is its port."""
import asyncio
import socket
import sys


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))

    def query(self, statement):
        self.socket.sendall(statement)
        return self.socket.recv(100)  # STALL


async def main():
    client = Client(int(sys.argv[1]))
    await asyncio.sleep(0.02)
    print("asking", flush=True)
    print("answer", client.query(b"select 1\n").decode(), flush=True)


asyncio.run(main())
