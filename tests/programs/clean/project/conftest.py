import asyncio
import time

import pytest

import shop


@pytest.fixture(scope="session")
def event_loop():
    """One loop for the session, as many projects have it."""
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture
def database():
    """A sync fixture: it may block, since no loop runs."""
    time.sleep(0.05)
    yield {"a": 1}
    time.sleep(0.05)


@pytest.fixture
async def open_shop():
    await asyncio.sleep(0.001)
    return shop.Shop()
