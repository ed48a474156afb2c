"""Python servers under load from a real client: one handler blocks, the others do not."""
import urllib.request

import pytest

from harness import CALM


def get(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as response:
        return response.read()


def servers():
    yield pytest.param("aiohttp_server.py", (), ("aiohttp",), id="aiohttp")
    yield pytest.param("uvicorn_server.py", ("asyncio",), ("uvicorn", "fastapi"), id="uvicorn")
    yield pytest.param("uvicorn_server.py", ("uvloop",), ("uvicorn", "fastapi", "uvloop"),
                       id="uvicorn-uvloop")


@pytest.mark.parametrize("source, args, modules", servers())
def test_blocking_handler_is_found(start, script, python_with, source, args, modules):
    traced = start(python_with(*modules), script(source), *args)
    port = traced.port()
    for _ in range(5):
        assert b"fast" in get(port, "/fast")
    for _ in range(2):
        assert b"slow" in get(port, "/slow")
    traced.stop()
    finding = traced.find_at("clock_nanosleep", source)
    assert finding["count"] == 2
    assert finding["class"] == "sleep"


@pytest.mark.parametrize("source, args, modules", servers())
def test_good_handlers_are_clean(start, script, python_with, source, args, modules):
    traced = start(python_with(*modules), script(source), *args, options=CALM)
    port = traced.port()
    for _ in range(50):
        assert b"fast" in get(port, "/fast")
    if source == "uvicorn_server.py":
        assert b"worker" in get(port, "/worker")  # sleeps, in a thread
    traced.stop()
    assert traced.exit == 0, traced
    traced.assert_clean()


def test_uvloop(run, script, python_with):
    traced = run(python_with("uvloop"), script("uvloop_loop.py"), "stall")
    assert traced.exit == 0, traced
    traced.only_at("clock_nanosleep", "uvloop_loop.py")


def test_uvloop_clean(run, script, python_with):
    traced = run(python_with("uvloop"), script("uvloop_loop.py"), "clean", options=CALM)
    assert traced.exit == 0, traced
    traced.assert_clean()
