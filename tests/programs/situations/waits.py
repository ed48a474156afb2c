"""What a coroutine waits for, on asyncio's loop. Arguments: the situation, and what it needs (a
port, a path). A line on stdin ends those waits that nobody else ends."""
import asyncio
import concurrent.futures
import ctypes
import fcntl
import logging
import os
import socket
import sqlite3
import subprocess
import sys
import threading

ARGUMENT = sys.argv[2] if len(sys.argv) > 2 else None


def told():
    """Waits for the line on stdin; for worker threads."""
    sys.stdin.readline()  # STALL:told


def connect():
    import psycopg2
    connection = psycopg2.connect(host="127.0.0.1", port=ARGUMENT, user="me", dbname="shop",
                                  sslmode="disable", gssencmode="disable")
    connection.autocommit = True
    return connection, psycopg2.OperationalError


async def database():
    connection, lost = connect()
    cursor = connection.cursor()
    print("connected", flush=True)
    try:
        cursor.execute("SELECT 42")  # STALL:database
    except lost:
        print("connection lost")


async def http():
    import requests
    try:
        requests.get(f"http://127.0.0.1:{ARGUMENT}/")  # STALL:http
    except requests.ConnectionError:
        print("connection lost")


async def dns():
    print(len(socket.getaddrinfo("localhost", 80)))  # STALL:dns


async def dns_thread():
    print(len(await asyncio.get_running_loop().getaddrinfo("localhost", 80)))


async def child():
    subprocess.run(["sleep", "0.4"], check=True)  # STALL:child


async def child_output():
    subprocess.run(["sleep", "0.4"], check=True, capture_output=True)  # STALL:child_output


async def sqlite():
    connection = sqlite3.connect(ARGUMENT, timeout=60)
    print("writing", flush=True)
    connection.execute("INSERT INTO sold VALUES (1)")  # STALL:sqlite
    connection.commit()


def log():
    reading, writing = os.pipe()
    flags = fcntl.fcntl(writing, fcntl.F_GETFL)
    fcntl.fcntl(writing, fcntl.F_SETFL, flags | os.O_NONBLOCK)
    try:
        while True:
            os.write(writing, b"x" * 4096)
    except BlockingIOError:
        fcntl.fcntl(writing, fcntl.F_SETFL, flags)

    def drain():
        told()
        while os.read(reading, 65536):
            pass

    async def warn():
        logging.warning("the pipe is full")  # STALL:log

    threading.Thread(target=drain, daemon=True).start()
    handler = logging.StreamHandler(os.fdopen(writing, "w"))
    logging.getLogger().addHandler(handler)
    return warn()


def lock():
    held = getattr(threading, ARGUMENT)()
    ready = threading.Event()

    def worker():
        with held:
            ready.set()
            told()

    async def wait():
        with held:  # STALL:lock
            print("mine")

    thread = threading.Thread(target=worker)
    thread.start()
    ready.wait()
    print("owner", thread.native_id, flush=True)
    return wait()


def result():
    """The lock behind a future's result is the waiting thread's own: nobody holds it."""
    async def wait():
        with concurrent.futures.ThreadPoolExecutor() as pool:
            pool.submit(told).result()  # STALL:result

    return wait()


def mutex():
    libc = ctypes.CDLL(None)
    held = ctypes.create_string_buffer(64)  # PTHREAD_MUTEX_INITIALIZER is all zeros
    ready = threading.Event()

    def worker():
        libc.prctl(15, b"cashier", 0, 0, 0)  # PR_SET_NAME
        libc.pthread_mutex_lock(held)
        ready.set()
        told()
        libc.pthread_mutex_unlock(held)

    async def wait():
        libc.pthread_mutex_lock(held)  # STALL:mutex
        libc.pthread_mutex_unlock(held)

    thread = threading.Thread(target=worker)
    thread.start()
    ready.wait()
    print("owner", thread.native_id, flush=True)
    return wait()


asyncio.run(globals()[sys.argv[1]]())
