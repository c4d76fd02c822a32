"""The console is killed at random moments while cameras, clients and inspections keep it busy.

`DMAD_KILLS=100 pytest -s tests/serve/test_kill.py` kills it more often.
"""

import json
import os
import random
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import av
import httpx
from console_process import ConsoleProcess
from PIL import Image
from waiting import until

KILLS = int(os.environ.get("DMAD_KILLS", "3"))
AT_START = 5  # every fifth kill comes while the console starts
LONGEST = 8.0 if KILLS > 3 else 3.0  # seconds of work until a kill; films need some of them


class Client:
    """Uses a console until it is killed, and remembers all answers of all consoles."""

    def __init__(self, image: bytes) -> None:
        self.image = image
        self.told: set[int] = set()  # numbers of events in live messages
        self.events: dict[int, str] = {}  # number to id
        self.parts: dict[int, str] = {}  # number to name
        self.sent: dict[int, str] = {}  # number of an event to the mark that was sent last
        self.marks: dict[int, str] = {}  # number of an event to the last mark that was answered
        self.threads: list[threading.Thread] = []

    def start(self, address: str, run: int) -> None:
        """Use a console. Parts get names that begin with the number of the run."""
        for task in (self.listen, self.read_and_mark, self.inspect):
            arguments = (task, address, run)
            self.threads.append(threading.Thread(target=self.work, args=arguments, daemon=True))
            self.threads[-1].start()

    def work(self, task, address: str, run: int) -> None:
        with httpx.Client(base_url=address, timeout=30) as http:
            try:
                task(http, run)
            except httpx.TransportError:
                return  # the console was killed

    def listen(self, http: httpx.Client, _: int) -> None:
        with http.stream("GET", "/api/stream", timeout=None) as live:
            kind = ""
            for line in live.iter_lines():
                name, _, content = line.partition(": ")
                if name == "event":
                    kind = content
                elif name == "data" and kind == "event":
                    self.told.add(json.loads(content)["number"])

    def read_and_mark(self, http: httpx.Client, _: int) -> None:
        while True:
            events = http.get("/api/events?limit=20").json()["events"]
            self.events |= {event["number"]: event["id"] for event in events}
            for event in events[:2]:
                number = event["number"]
                mark = self.sent[number] = "real" if event["mark"] == "seen" else "seen"
                http.post(f"/api/events/{number}/mark", json={"mark": mark}).raise_for_status()
                self.marks[number] = mark
            time.sleep(0.05)

    def inspect(self, http: httpx.Client, run: int) -> None:
        for index in range(10**6):
            query = f"name={run}-{index}&keep={int(index % 4 == 0)}"
            part = http.post(f"/api/inspect?{query}", content=self.image).json()
            self.parts[part["number"]] = part["name"]

    def wait(self) -> None:
        """Wait until all threads have seen that the console is gone."""
        for thread in self.threads:
            thread.join()
        self.threads.clear()


def test_nothing_that_a_client_has_seen_is_lost_or_doubled(
    exports, restless_cameras, spot, tmp_path
):
    rng, client = random.Random(3), Client(spot.read_bytes())
    data, cameras = tmp_path / "console", restless_cameras(4, 20, every=24, odd=6)
    arguments = *exports, "--cameras", cameras, "--data", data
    films: set[str] = set()
    for run in range(KILLS + 1):
        begun = time.time()
        with ConsoleProcess(*arguments, log=tmp_path / "log") as console:
            if run % AT_START == AT_START - 1 and run < KILLS:
                time.sleep(rng.uniform(0, 3))
                continue
            address = console.address
            check_rows(client, data, begun)
            films |= whole_films(data, films)
            if run < KILLS:
                client.start(address, run)
                if run == 0:  # on a slow machine too, there is something that must not be lost
                    until(lambda: client.told and client.marks and client.parts)
                time.sleep(rng.uniform(0, LONGEST))
        client.wait()
    seen = f"{len(client.told)} events, {len(client.marks)} marks and {len(client.parts)} parts"
    print(f"\n{KILLS} kills: {seen} were seen, and are there; {len(films)} films are whole")


def check_rows(client: Client, data: Path, begun: float) -> None:
    """All that the client has seen is in the database, once. Films of rows exist.

    Args:
        client: The client.
        data: The folder of the console.
        begun: When the present console was started. It may not have completed its films.
    """
    with closing(sqlite3.connect(f"file:{data}/console.db?mode=ro", uri=True)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        events = database.execute("SELECT number, id, mark FROM events").fetchall()
        films = database.execute("SELECT film FROM events WHERE raised < ?", [begun]).fetchall()
        parts = database.execute("SELECT number, name FROM parts").fetchall()
        pictures = database.execute("SELECT picture FROM parts WHERE picture != ''").fetchall()
    marks = {number: mark for number, _, mark in events}
    assert client.told <= set(marks)
    assert client.events.items() <= {(number, name) for number, name, _ in events}
    assert len({name for _, name, _ in events}) == len(events)
    for number, mark in client.marks.items():
        assert marks[number] in (mark, client.sent[number])
    assert client.parts.items() <= set(parts)
    assert len({name for _, name in parts}) == len(parts)
    for (film,) in films:
        assert not film or (data / "clips" / film).is_file()
    for (picture,) in pictures[-20:]:
        Image.open(data / "parts" / picture).load()


def whole_films(data: Path, checked: set[str]) -> set[str]:
    """Decode the films that were not checked yet, and return their names."""
    new = {path for path in (data / "clips").glob("[!.]*") if path.name not in checked}
    for path in new:
        assert path.suffix == ".mp4"
        with av.open(str(path)) as container:
            assert sum(1 for _ in container.decode(video=0)) >= 3
    return {path.name for path in new}
