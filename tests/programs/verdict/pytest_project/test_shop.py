"""What projects have: asynchronous tests, synchronous ones, and fixtures of both kinds. Only what the
last test asks for blocks a loop."""
import asyncio
import os
import socket
import subprocess
import threading
import time
import unittest

import pytest

import shop


@pytest.fixture
def prepared():
    time.sleep(0.02)
    yield subprocess.run(["true"], check=True)
    time.sleep(0.02)


@pytest.mark.asyncio
async def test_async(prepared):
    await asyncio.sleep(0.01)


def test_sync(prepared):
    socket.getaddrinfo("localhost", 80)
    time.sleep(0.15)


def test_http():
    import http.server
    import urllib.request
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
    threading.Thread(target=server.handle_request, daemon=True).start()
    urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/").read()


def test_computes():
    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        pass


class TestCase(unittest.IsolatedAsyncioTestCase):
    def setUp(self):
        subprocess.run(["true"], check=True)

    async def asyncSetUp(self):
        await asyncio.sleep(0)

    def tearDown(self):
        time.sleep(0.15)

    async def test_waits(self):
        await asyncio.sleep(0.01)


@pytest.mark.asyncio
@pytest.mark.skipif("SHOP_ORDERS" not in os.environ, reason="nothing is ordered")
async def test_order():
    assert await shop.order(1) == 1
