"""Builds a Python stack of a given kind, prints it, and blocks at its innermost frame.

    python3 python_stack.py SCENARIO          blocks in read(0)
    python3 python_stack.py SCENARIO LIBRARY  calls walk_own() of LIBRARY instead, and prints that

First line: the thread's pthread_t, tid and process. Then one line a frame, innermost first, as the
interpreter itself sees it: function, file, line, separated by tabs. Then "END".
"""
import asyncio
import contextlib
import functools
import os
import sys
import threading

LIBRARY = None


def clean(text):
    return "".join("\ufffd" if 0xD800 <= ord(c) < 0xE000 or c == "\0" else c for c in text)


def announce():
    """Called in the arguments of the blocking call, so that its caller's line is that call's."""
    lines = []
    frame = sys._getframe(1)
    while frame:
        code = frame.f_code
        name = getattr(code, "co_qualname", code.co_name)
        lines.append("%s\t%s\t%d\n" % (clean(name), clean(code.co_filename), frame.f_lineno or 0))
        frame = frame.f_back
    head = "%d\t%d\t%d\n" % (threading.get_ident(), threading.get_native_id(), os.getpid())
    text = head + "".join(lines) + "END\n"
    data = text.encode("utf-8")
    while data:
        data = data[os.write(1, data):]
    return 0


def block():
    if LIBRARY:
        LIBRARY.walk_own(announce())
    else:
        os.read(announce(), 1)


def plain():
    def inner(a, b=(lambda: 1)):
        def innermost():
            block()

        return innermost()

    inner(
        1,
        b=lambda: 2,
    )


class Widget:
    def method(self, then):
        return self.prop(then)

    @property
    def prop(self):
        return functools.partial(self.helper, 1)

    @staticmethod
    def helper(number, then):
        return [then() for _ in range(number)]

    @classmethod
    def make(cls):
        return cls().method(then=block)

    def __call__(self, *args):
        return Widget.make()

    def __lt__(self, other):
        block()
        return True


def callbacks():
    # Each goes through C: sorted, map, partial, reduce, __call__, a set comprehension.
    def key(x):
        return list(map(lambda y: functools.reduce(
            lambda a, b: Widget()(a,
                                  b),
            [1, y]), [x]))

    return {
        tuple(
            sorted([n],
                   key=key)
        )
        for n in (1,)
    }


def comparisons():
    # The comparison of an object, asked for by C in the middle of a sort.
    return sorted([Widget(),
                   Widget()])


def numbers(count):
    for i in range(count):
        yield i
    block()
    yield count


def delegating():
    yield from numbers(
        3
    )


def generators():
    # A generator run by for, by yield from, by C (sum), and by next.
    def once():
        yield sum(x for x in delegating())

    for _ in once():
        pass


def stepped():
    g = delegating()
    while True:
        try:
            next(
                g)
        except StopIteration:
            break


class Part:
    def __init__(self, last):
        self.last = last
        if last:
            block()


class Whole:
    def __init__(self, last):
        self.part = Part(
            last)


def constructors():
    # From 3.12 on, once it is warm, a class is called without leaving the evaluation loop.
    for i in range(1000):
        Whole(i == 999)


async def leaf(depth):
    if depth:
        return await leaf(
            depth - 1)
    await asyncio.sleep(0)
    block()


@contextlib.asynccontextmanager
async def managed():
    await asyncio.sleep(0)
    yield 1
    await leaf(2)


async def agen():
    async with managed():
        yield 1


async def serve():
    async for _ in agen():
        await asyncio.gather(leaf(0))


async def close_inside():
    async with managed() as x:
        assert x


def coroutine():
    asyncio.run(close_inside())


def task():
    asyncio.run(serve())


def named_task():
    # A type of its own, and a name that has to be cut.
    class OwnTask(asyncio.Task):
        pass

    class Server:
        async def handle(self):
            await leaf(1)

    async def main():
        loop = asyncio.get_running_loop()
        await OwnTask(Server().handle(), loop=loop, name="Zoë " * 40)

    asyncio.run(main())


def loop_callback():
    async def main():
        done = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(lambda: (block(), done.set_result(1)))
        await done

    asyncio.run(main())


def control():
    class Body:
        try:
            raise ValueError("x")
        except ValueError as error:
            with contextlib.suppress(KeyError):
                if not error or (
                    1 +
                    2 +
                    len(str(block()))
                ) > 100:
                    pass
        finally:
            pass

    return Body


def unicode_names():
    # Latin-1, BMP and astral letters, a surrogate from a broken
    # file name, names that are too long.
    text = "def {0}():\n\n  block()\n"
    calls = [("café", "/tmp/naïve.py"), ("λάμδα", "/tmp/日本語/ファイル.py"),
             ("𐐨𐐩", "/tmp/😀.py"), ("plain", "/tmp/\udcff.py"), ("ü" * 150, "/tmp/é" + "日" * 250)]
    target = block
    for name, file in calls:
        space = {"block": target}
        exec(compile(text.format(name), file, "exec"), space)
        target = next(v for k, v in space.items() if k not in ("block", "__builtins__"))
    target()


def long_code():
    # Thousands of lines and wide jumps between them: every form of delta in the line tables.
    lines = ["def far():", "  x = 1"] + ["  x += %d" % i for i in range(3000)]
    lines += [""] * 1000 + ["  if x < 0: return (", "    1,", "    ) + (block(),)" + "\n" * 300]
    lines += ["  return [", "  x,"] + ["\n"] * 400 + ["  block()]"]
    space = {"block": block}
    exec(compile("\n".join(lines), "<far>", "exec"), space)
    space["far"]()


def deep(left=1500):
    if left:
        deep(left - 1)
    else:
        block()


def thread():
    worker = threading.Thread(target=Widget.make)
    worker.start()
    worker.join()


def destructor():
    class Dying:
        def __del__(self):
            block()

    def kill():
        victim = Dying()
        del victim

    kill()


def subinterpreter():
    # The same thread has two thread states; the younger interpreter runs.
    try:
        import _xxsubinterpreters as interpreters
    except ImportError:
        import _interpreters as interpreters
    with open(__file__, encoding="utf-8") as file:
        source = file.read().replace("\nmain()", "\nWidget.make()")
    child = interpreters.create()
    run = getattr(interpreters, "run_string", None) or interpreters.exec
    run(child, source)


def bare_thread():
    # A thread that is run by C, not by threading: its outermost frame is a plain function.
    import _thread

    done = _thread.allocate_lock()
    done.acquire()

    def run(number):
        block()
        done.release()

    _thread.start_new_thread(run, (1,))
    done.acquire()


def traced():
    # Under a debugger or coverage: the instructions are replaced by instrumented ones.
    def trace(*args):
        return trace

    sys.settrace(trace)
    sys.setprofile(lambda *args: None)
    Widget.make()


def importing():
    # Blocks while a module is imported: frozen frames in between.
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        with open(folder + "/blocking_module.py", "w") as file:
            file.write("import __main__\n\n\n__main__.block(\n)\n")
        sys.path.insert(0, folder)
        import blocking_module

        assert blocking_module


def forked():
    # A child of fork keeps the thread state of the thread that forked.
    child = os.fork()
    if child == 0:
        Widget.make()
        os._exit(0)
    os.waitpid(child, 0)


def greenlets():
    # A greenlet (gevent, SQLAlchemy's asyncio): its own chain of frames on its own native stack.
    try:
        import greenlet
    except ImportError:
        return Widget.make()

    def first():
        other.switch()
        Widget.make()

    def second():
        top.switch()

    top = greenlet.greenlet(first)
    other = greenlet.greenlet(second)
    top.switch()


class Last:
    """Keeps the interpreter shutting down until the daemon thread has walked often enough."""

    def __init__(self, library):
        self.library = library

    def __del__(self):
        while self.library.late_walks() < 1000:
            pass


def finalizing():
    # Only with a library: a daemon thread walks while the interpreter shuts down.
    sys.last = Last(LIBRARY)
    announce()
    threading.Thread(target=LIBRARY.walk_late, args=(0,), daemon=True).start()
    while LIBRARY.late_walks() < 0:
        pass


def main():
    global LIBRARY
    sys.setrecursionlimit(5000)
    if len(sys.argv) > 2:
        import ctypes

        LIBRARY = ctypes.CDLL(sys.argv[2])
    globals()[sys.argv[1]]()


main()
