"""Measures how long page clients of a running console wait: python page_load.py ADDRESS."""

import asyncio
import random
import sys
import time

import httpx
import numpy as np

CLIENTS, CAMERAS = 20, 8
SECONDS = 60.0
PERIOD = 0.5  # seconds between two pictures of a tile, as on the page of all cameras


class Load:
    """Twenty pages of all cameras, each with its live messages, which now and then change page."""

    def __init__(self, address: str) -> None:
        self.address, self.end = address, time.monotonic() + SECONDS
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
            tiles = (self.tile(client, 1 + index) for index in range(CAMERAS))
            await asyncio.gather(self.messages(client), self.pages(client), *tiles)

    async def run(self) -> None:
        await asyncio.gather(*(self.client() for _ in range(CLIENTS)))


if __name__ == "__main__":
    load = Load(sys.argv[1])
    asyncio.run(load.run())
    middle, high = 1000 * np.quantile(load.waits, (0.5, 0.95))
    print(f"{len(load.waits)} answers: median {middle:.0f} ms, 95th percentile {high:.0f} ms")
