"""A service whose import and whose start-up take their time, and nothing else does."""
import os
import time

from fastapi import FastAPI

time.sleep(0.2)
app = FastAPI()


@app.on_event("startup")
async def prepare():
    time.sleep(0.1)


@app.get("/ok")
async def ok():
    return os.getpid()


@app.get("/bad")
async def bad():
    time.sleep(0.15)  # STALL:bad
    return os.getpid()
