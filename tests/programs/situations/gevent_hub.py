"""Greenlets on gevent's hub. The argument: blocks (time.sleep as it is, in a greenlet), patched
(the same, monkey-patched), server (gevent's WSGI server, one handler of which blocks; says its
port, SIGTERM ends it)."""
import signal
import sys

import gevent

if sys.argv[1] == "patched":
    from gevent import monkey

    monkey.patch_all()
import time  # after the patch, as gevent wants it


def work():
    time.sleep(0.3)  # STALL:greenlet


def pause():
    for _ in range(5):
        gevent.sleep(0.01)


def answer(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        time.sleep(0.3)  # STALL:handler
    else:
        gevent.sleep(0.01)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"\"done\""]


def serve():
    from gevent import pywsgi
    server = pywsgi.WSGIServer(("127.0.0.1", 0), answer, log=None)
    server.start()
    gevent.signal_handler(signal.SIGTERM, server.stop)
    print("port", server.server_port, flush=True)
    server.serve_forever()


if sys.argv[1] == "server":
    serve()
else:
    gevent.joinall([gevent.spawn(pause), gevent.spawn(work), gevent.spawn(work)])
