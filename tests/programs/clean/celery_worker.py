"""celery_worker.py PORT: a worker of celery's takes tasks from a Redis, and stops. As a module of that name it is
the application."""
import os
import subprocess
import sys
import time

import celery

app = celery.Celery("celery_worker", broker=os.environ.get("BROKER"), backend=os.environ.get("BROKER"))
app.conf.worker_hijack_root_logger = False


@app.task(name="work")
def work():
    """Runs in a process of the pool: what it does there blocks no loop."""
    time.sleep(0.15)
    return 42


def main():
    redis = subprocess.Popen(["redis-server", "--port", sys.argv[1], "--bind", "127.0.0.1", "--save", ""],
                             stdout=subprocess.DEVNULL)
    os.environ["BROKER"] = app.conf.broker_url = app.conf.result_backend = f"redis://127.0.0.1:{sys.argv[1]}/0"
    worker = subprocess.Popen([sys.executable, "-m", "celery", "-A", "celery_worker", "worker", "-c", "2",
                               "-l", "WARNING"], cwd=os.path.dirname(os.path.abspath(__file__)))
    try:
        results = [work.delay() for _ in range(6)]
        assert [result.get(timeout=60) for result in results] == [42] * 6
        app.backend.result_consumer.stop()
        worker.terminate()
        assert worker.wait(60) == 0
    finally:
        worker.kill()
        redis.terminate()
        redis.wait()


if __name__ == "__main__":
    main()
