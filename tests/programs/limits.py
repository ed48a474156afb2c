"""A loop that stalls, once the process has done to itself what the first argument says."""
import asyncio
import os
import resource
import sys
import time

HOW = sys.argv[1]


async def main():
    for _ in range(3):
        await asyncio.sleep(0.01)
        time.sleep(0.05)  # STALL


def limit(what, to):
    resource.setrlimit(what, (to, resource.getrlimit(what)[1]))


loop = asyncio.new_event_loop()
if HOW == "no-descriptors":
    limit(resource.RLIMIT_NOFILE, 0)
elif HOW == "descriptors-taken":
    limit(resource.RLIMIT_NOFILE, 32)
    try:
        while True:
            os.open("/dev/null", os.O_RDONLY)
    except OSError:
        pass
elif HOW == "no-threads":
    os.setgid(65534)
    os.setuid(65534)
    limit(resource.RLIMIT_NPROC, 0)
elif HOW.startswith("file-size="):
    limit(resource.RLIMIT_FSIZE, int(HOW.partition("=")[2]))
elif HOW == "stderr-closed":
    os.close(2)
elif HOW == "stderr-replaced":
    os.close(2)
    assert os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT, 0o600) == 2
elif HOW == "fork":
    if os.fork() == 0:
        loop = asyncio.new_event_loop()
        loop.run_until_complete(main())
        os._exit(0)
    os.wait()
loop.run_until_complete(main())
print("done")
