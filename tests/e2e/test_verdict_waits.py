"""What a wait is for: the address that is connected to, a socket among others, a child, a lock's holder."""
import re

import harness


def test_what_it_waited_for(run):
    program = harness.PROGRAMS / "verdict" / "waits.py"
    traced = run(harness.PYTHON, program, options=("--threshold", "100ms"))
    assert traced.exit == 0, traced
    said = dict(line.split() for line in traced.out.decode().splitlines())
    found = {(s["call"], s["class"], s.get("detail")) for s in traced.records("stall")
             if s["kind"] == "call"}
    server = f"tcp 127.0.0.1:{said['server']}"
    wanted = {
        ("poll", "net", f"tcp 127.0.0.1:{said['full']}"),
        ("select", "net", f"{server} and 2 more"),
        ("poll", "net", server),
        ("epoll_wait", "net", server),
        ("waitpid", "process", "pid N (sleep 0.2)"),
        ("poll", "wait", "pipe and 1 more, child pid N (sh -c sleep 0.2; echo)"),
        ("poll", "wait", "pidfd, child pid N (sleep 0.21)"),
    }
    plain = {(call, cls, re.sub(r"pid \d+", "pid N", detail or "")) for call, cls, detail in found}
    assert wanted <= plain, found
    kinds = {(f["call"], f["wait_kind"], f["class"]) for f in traced.findings if f["kind"] == "call"}
    assert {("poll", "socket", "net"), ("select", "socket", "net"), ("epoll_wait", "socket", "net"),
            ("waitpid", "child", "process"), ("poll", "child", "wait"), ("flock", "lock", "lock"),
            ("fcntl", "lock", "lock")} <= kinds, kinds
    for call, how in ("flock", "flock"), ("fcntl", "lockf"):
        holder = traced.find(call)["holder"]
        assert (holder["pid"], holder["tid"]) == (int(said[how]), None) and holder["name"].startswith("python3")
    for call, how in ("flock", "flock"), ("fcntl", "lockf"):
        held = [detail for c, _, detail in found if c == call]
        assert held and all(re.search(rf", held by pid {said[how]} \(python3", d) for d in held), found


def test_child_whose_output_is_read(run):
    """Without a timeout there is no poll to tell it by: the child that was started in this iteration."""
    traced = run("python3", "-c", "import asyncio, subprocess\n"
                 "async def main():\n"
                 "    await asyncio.sleep(0.05)\n"
                 "    subprocess.check_output(['sleep', '0.4'])\n"
                 "asyncio.run(main())\n", options=("--threshold", "100ms"))
    finding = traced.find("read")
    assert re.fullmatch(r"pipe, child pid \d+ \(sleep 0\.4\)", finding["detail"]), finding["detail"]
