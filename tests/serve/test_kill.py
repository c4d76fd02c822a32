"""A process that writes events, parts and films is killed at random moments.

`DMAD_KILLS=100 pytest tests/serve/test_kill.py` kills it more often.
"""

import os
import random
import subprocess
import sys
import time

import av

from dmad.serve.event_rows import EventFilter, EventRows
from dmad.serve.store import Store
from dmad.watch.event_films import EventFilms

KILLS = int(os.environ.get("DMAD_KILLS", "4"))
WRITER = """
import itertools, sys, time
import numpy as np
from pathlib import Path
from dmad.serve.event_rows import EventRows
from dmad.serve.part_rows import NewPart, PartRows
from dmad.serve.store import Store
from dmad.watch.event_films import EventFilms
from dmad.watch.messages import EventMessage

folder, run = Path(sys.argv[1]), sys.argv[2]
store = Store(folder)
events, parts = EventRows(store), PartRows(store)
films = EventFilms(folder / "clips", 10.0, 0.2, 0.2)
picture = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
print("ready", flush=True)
for index in itertools.count():
    name = f"{run}-{index}"
    for state in ("new", "update", "end"):
        message = EventMessage(
            source="gate", id=name, state=state, start=1.0 * index, peak=1.0 * index,
            end=index + 1.0 if state == "end" else None, score=5.0, threshold=4.0,
            term="deformation", box=(0.0, 0.0, 1.0, 1.0), clip=f"{name}.mp4",
        )
        events.add(message)
        print("event", name, flush=True)  # what a page has seen
        if state == "new":
            films.start_event(name)
        films.add_picture(picture, index)
    films.end_event(name, index)
    films.add_picture(picture, index + 1)
    parts.add(NewPart(name, "m", 1.0, None, "", 1.0, 1.0, 0.0, (0.0, 0.0, 1.0, 1.0)))
    print("part", name, flush=True)
"""


def test_nothing_that_a_page_has_seen_is_lost_or_doubled(tmp_path):
    rng = random.Random(3)
    seen: dict[str, set[str]] = {"event": set(), "part": set()}
    for run in range(KILLS):
        lines = killed_after(tmp_path, str(run), rng.uniform(0.0, 0.5))
        for line in lines:
            kind, _, name = line.partition(" ")
            if name:
                seen[kind].add(name)
        store = Store(tmp_path)  # checks the integrity of the file
        events = EventRows(store)
        EventFilms(tmp_path / "clips", 10.0, 0.2, 0.2)  # removes unfinished films
        assert events.count(EventFilter(mark="open")) == 0
        ids = [row["id"] for row in store.read("SELECT id FROM events")]
        names = [row["name"] for row in store.read("SELECT name FROM parts")]
        store.close()
        assert seen["event"] <= set(ids)
        assert seen["part"] <= set(names)
        assert (len(ids), len(names)) == (len(set(ids)), len(set(names)))
    assert len(seen["event"]) > KILLS
    films = list((tmp_path / "clips").iterdir())
    assert films
    for film in films:
        assert film.suffix == ".mp4"
        with av.open(str(film)) as container:
            assert sum(1 for _ in container.decode(video=0)) >= 3


def killed_after(folder, run: str, seconds: float) -> list[str]:
    """Start the writer, kill it some seconds after it is ready, and return its whole lines."""
    command = [sys.executable, "-c", WRITER, str(folder), run]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        time.sleep(seconds)
        process.kill()
        text = process.stdout.read()
    return text.splitlines() if text.endswith("\n") else text.splitlines()[:-1]
