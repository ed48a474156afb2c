import asyncio
import os

import pytest

if os.environ.get("SHOP_LOOP") == "session":
    @pytest.fixture(scope="session")
    def event_loop():
        loop = asyncio.new_event_loop()
        yield loop
        loop.close()
