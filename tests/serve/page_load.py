"""Measures how long page clients of a running console wait: python page_load.py ADDRESS."""

import argparse
import asyncio
import random
import time

import httpx
import numpy as np

PERIOD = 0.5  # seconds between two pictures of a tile, as on the page of all cameras


class Load:
    """Pages of all cameras, each with its live messages, which now and then change page."""

    def __init__(self, address: str, cameras: int, seconds: float) -> None:
        self.address, self.cameras, self.end = address, cameras, time.monotonic() + seconds
        self.waits: list[float] = []

    async def get(self, client: httpx.AsyncClient, path: str) -> float:
        """Wait for an answer. Return the seconds that it took."""
        start = time.monotonic()
        answer = await client.get(f"{self.address}{path}")
        answer.raise_for_status()
        self.waits.append(time.monotonic() - start)
        return self.waits[-1]

    async def tile(self, client: httpx.AsyncClient, number: int) -> None:
        await asyncio.sleep(random.uniform(0, PERIOD))
        while time.monotonic() < self.end:
            took = await self.get(client, f"/live/{number}.jpg?heat=1")
            await asyncio.sleep(max(PERIOD - took, 2 * took, 0.05))  # as common.js

    async def pages(self, client: httpx.AsyncClient) -> None:
        while time.monotonic() < self.end:
            await asyncio.sleep(random.uniform(3, 7))
            await self.get(client, random.choice(("/", "/events", "/cameras/1")))

    async def messages(self, client: httpx.AsyncClient) -> None:
        async with client.stream("GET", f"{self.address}/api/stream") as answer:
            async for _ in answer.aiter_bytes():
                if time.monotonic() > self.end:
                    return

    async def client(self) -> None:
        limits = httpx.Limits(max_connections=7)  # browsers open six, and one for live messages
        async with httpx.AsyncClient(timeout=30, limits=limits) as client:
            tiles = (self.tile(client, 1 + index) for index in range(self.cameras))
            await asyncio.gather(self.messages(client), self.pages(client), *tiles)

    async def run(self, clients: int) -> None:
        await asyncio.gather(*(self.client() for _ in range(clients)))


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("address")
    options.add_argument("--clients", type=int, default=20)
    options.add_argument("--cameras", type=int, default=8)
    options.add_argument("--seconds", type=float, default=60.0)
    given = options.parse_args()
    load = Load(given.address, given.cameras, given.seconds)
    asyncio.run(load.run(given.clients))
    middle, high = 1000 * np.quantile(load.waits, (0.5, 0.95))
    print(f"{len(load.waits)} answers: median {middle:.0f} ms, 95th percentile {high:.0f} ms")
