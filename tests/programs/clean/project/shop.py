import asyncio


class Shop:
    def __init__(self):
        self.sold = 0

    async def sell(self):
        await asyncio.sleep(0.005)
        self.sold += 1
        return self.sold
