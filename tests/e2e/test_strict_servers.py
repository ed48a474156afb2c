"""Strict mode on real programs: those that never wait are clean, under load too, and of those that do
it is found, however fast it was."""
import asyncio
import subprocess
import threading

import pytest

from test_nginx import as_root, get, nginx  # noqa: F401, pylint: disable=unused-import
from test_redis import Client, redis  # noqa: F401, pylint: disable=unused-import
from test_servers import servers

# Nothing takes this long: whatever is found is found because it could have blocked.
STRICT = ("--strict", "--threshold", "10m", "--iteration-threshold", "10m")


def in_parallel(task, times=4):
    threads = [threading.Thread(target=task) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def found(traced):
    return {(f["call"], f["class"]) for f in traced.findings}


ECHO = """
import asyncio
async def serve(reader, writer):
    while line := await reader.readline():
        writer.write(line * 1000)
        await writer.drain()
    writer.close()
async def client(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(50):
        writer.write(b"hello\\n")
        for _ in range(1000):
            await reader.readline()
    writer.close()
async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    await asyncio.gather(*[client(port) for _ in range(10)])
    print("in the log, flushed", flush=True)
    server.close()
asyncio.run(main())
"""


def test_asyncio_echo(run, python_with):
    traced = run(python_with("asyncio"), "-c", ECHO, options=STRICT)
    assert traced.exit == 0, traced
    traced.assert_clean()


# The child has ended when its descriptor says so: waitpid finds it there, and cannot block.
CHILDREN = """
import asyncio, warnings
warnings.simplefilter("ignore")
async def main():
    for _ in range(3):
        await (await asyncio.create_subprocess_exec("true")).wait()
asyncio.set_child_watcher(asyncio.PidfdChildWatcher())
asyncio.run(main())
"""


@pytest.mark.skipif(not hasattr(asyncio, "PidfdChildWatcher"), reason="Python is too old")
def test_asyncio_children(run, python_with):
    traced = run(python_with("asyncio"), "-c", CHILDREN, options=STRICT)
    assert traced.exit == 0, traced
    traced.assert_clean()


@pytest.mark.parametrize("source, args, modules", servers())
def test_python_server(start, script, python_with, source, args, modules):
    traced = start(python_with(*modules), script(source), *args, options=STRICT)
    port = traced.port()
    in_parallel(lambda: [get(port, "/fast") for _ in range(25)])
    traced.stop()
    assert traced.exit == 0, traced
    traced.assert_clean()


NODE = """
const http = require('http'), fs = require('fs');
const server = http.createServer((request, response) => {
  if (request.url === '/file') fs.createReadStream(process.argv[1]).pipe(response);
  else response.end('hello');
});
server.listen(0, '127.0.0.1', () => console.log('port', server.address().port));
process.on('SIGTERM', () => { server.close(); server.closeAllConnections(); });
"""


def test_node_server(start, tool, tmp_path):
    source = tmp_path / "server.js"
    source.write_text(NODE)
    traced = start(tool("node"), source, options=STRICT)
    port = traced.port()
    in_parallel(lambda: [get(port, path) for _ in range(25) for path in ("/", "/file")])
    traced.stop()
    assert traced.exit == 0, traced
    traced.assert_clean()


def test_nginx(nginx):  # noqa: F811, pylint: disable=redefined-outer-name
    traced = nginx(user=as_root(), options=STRICT)
    in_parallel(lambda: [get(traced.port_number) for _ in range(50)])
    traced.stop()
    assert traced.exit == 0, traced
    traced.assert_clean()


def benchmark(tool, traced):
    subprocess.run([tool("redis-benchmark"), "-s", traced.path, "-n", "5000", "-c", "20", "-q",
                    "-t", "set,get,lpush"], check=True, stdout=subprocess.DEVNULL, timeout=60)


def test_redis(redis, tool):  # noqa: F811, pylint: disable=redefined-outer-name
    traced = redis(STRICT)
    benchmark(tool, traced)
    traced.stop()
    assert traced.exit == 0, traced
    traced.assert_clean()


def test_redis_that_waits_for_the_disk(redis, tool):  # noqa: F811, pylint: disable=redefined-outer-name
    """`appendfsync always`: each change is on the disk before its client is answered."""
    traced = redis(STRICT)
    client = Client(traced.path)
    assert client.ask("CONFIG", "SET", "appendfsync", "always") == b"+OK"
    assert client.ask("CONFIG", "SET", "appendonly", "yes") == b"+OK"
    benchmark(tool, traced)
    traced.stop()
    assert traced.exit == 0, traced
    assert found(traced) <= {("fdatasync", "sync"), ("fsync", "sync")}, traced.describe()
    assert traced.check() == 1
