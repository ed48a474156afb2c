"""A faultless FastAPI service: what waits is awaited, and what computes has a thread."""
import asyncio
import hashlib

from fastapi import FastAPI

app = FastAPI()


@app.get("/")
async def root():
    await asyncio.sleep(0.001)
    return {"ok": True}


@app.get("/hash")
async def hashed():
    return {"hash": await asyncio.to_thread(lambda: hashlib.sha256(b"x" * 10000).hexdigest())}


@app.get("/sync")
def in_the_pool():
    return {"ok": True}
