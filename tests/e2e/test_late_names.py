"""Code made at run time whose name comes into the perf map after its stack was written."""
import contextlib
import os

import pytest

import harness


class Late:
    """The program of late_map.c, and the map that it has not written."""

    def __init__(self, program):
        self.program = program
        self.code = int(program.line(r"code at ([0-9a-f]+)")[1], 16)
        self.path = f"/tmp/perf-{program.pid}.map"

    def say(self, words):
        for word in words:
            self.program.process.stdin.write(word.encode())
            self.program.process.stdin.flush()
            if word != "q":
                self.program.line(f"did {word}")

    def stall(self, word="s"):
        before = len(self.program.records("stall"))
        self.say(word)
        harness.until(lambda: len(self.program.records("stall")) > before)

    def map(self, *pieces, mode="w"):
        with open(self.path, mode) as file:
            file.write("".join(f"{self.code + at:x} {size:x} {name}\n" for at, size, name in pieces))

    def names(self):
        return [n["name"] for r in self.program.records("names") for n in r["names"]]

    def await_names(self, *names):
        harness.until(lambda: self.names() == list(names))

    def end(self):
        self.say("q")
        self.program.wait(30)
        assert self.program.exit == 0
        stacks = [s for f in self.program.findings for s in (f, *f.get("stacks", []))]
        return {x["function"] for s in stacks for x in s["frames"] if x["lang"] == "jit"}


@pytest.fixture
def late(start_preloaded):
    it = Late(start_preloaded(harness.BUILT_PROGRAMS / "verdict" / "late_map", stdin=-1))
    yield it
    with contextlib.suppress(OSError):
        os.unlink(it.path)


def test_the_map_appears(late):
    late.stall()
    late.map((0, 0x40, "shop_charge"))
    late.await_names("shop_charge")
    assert late.end() == {"shop_charge"}


def test_the_map_grows(late):
    late.map((0x9000, 0x40, "another"))
    late.stall()
    late.map((0, 0x40, "shop_charge"), mode="a")
    late.await_names("shop_charge")
    assert late.end() == {"shop_charge"}


def test_the_map_is_written_anew(late):
    late.map((0x9000, 0x40, "another"), (0xa000, 0x40, "a_third"))
    late.stall()
    late.map((0x8000, 0x40, "a_fourth"), (0, 0x40, "shop_charge"))
    late.await_names("shop_charge")
    assert late.end() == {"shop_charge"}


def test_the_map_comes_at_the_end(late):
    late.stall()
    late.map((0, 0x40, "shop_charge"))
    assert late.end() == {"shop_charge"}


def test_a_name_is_kept(late):
    late.stall()
    late.map((0, 0x40, "shop_charge"))
    late.await_names("shop_charge")
    late.map((0, 0x40, "something_else"))
    late.stall("t")
    late.map((0, 0x40, "something_else"), (0x1000, 0x40, "shop_refund"))
    late.await_names("shop_charge", "shop_refund")
    assert late.end() == {"shop_charge", "shop_refund"}


@pytest.mark.parametrize("how", ["replaced", "renamed"])
def test_other_code_is_not_named(late, how):
    late.stall()
    if how == "replaced":
        late.say("c")
        late.map((0, 0x40, "something_else"), (0x1000, 0x40, "shop_refund"))
    else:
        late.map((0, 0x40, "shop_charge"), (0, 0x40, "something_else"), (0x1000, 0x40, "shop_refund"))
    late.stall("t")
    assert late.end() == {None, "shop_refund"}
