import time


def price(i):
    time.sleep(0.002)  # STALL:price
    return i


async def order(i):
    return price(i)
