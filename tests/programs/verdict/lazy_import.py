"""An import in a handler: whatever file is read for it, and whichever module imports the next one."""
import asyncio


async def handler():
    import email.mime.text, http.server, sqlite3, tarfile, unittest, xml.sax, zipfile, decimal  # STALL


async def main():
    await asyncio.sleep(0.02)
    await handler()
    await asyncio.sleep(0.2)


asyncio.run(main())
