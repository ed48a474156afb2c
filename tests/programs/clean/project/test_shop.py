import asyncio
import socket
import subprocess
import time
import unittest

import shop


def test_sync_first(database):
    time.sleep(0.03)
    assert database["a"] == 1


async def test_sell(open_shop):
    assert await open_shop.sell() == 1


def test_sync_between():
    time.sleep(0.03)
    socket.getaddrinfo("localhost", 80)
    assert subprocess.run(["true"], check=False).returncode == 0


async def test_with_database(database, open_shop):
    await open_shop.sell()
    assert database


def test_own_loop():
    assert asyncio.run(shop.Shop().sell()) == 1
    time.sleep(0.03)


async def test_in_a_thread():
    await asyncio.to_thread(time.sleep, 0.03)


class WithIsolatedLoop(unittest.IsolatedAsyncioTestCase):
    def setUp(self):
        time.sleep(0.03)

    async def asyncSetUp(self):
        self.shop = shop.Shop()

    async def test_sell(self):
        self.assertEqual(await self.shop.sell(), 1)

    def tearDown(self):
        time.sleep(0.03)
