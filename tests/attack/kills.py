"""A process is killed while it writes. Files stay whole, and the next process cleans up."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from dmad.export.export_folder import finish_export
from dmad.locks import locked
from dmad.predict.output_folder import MANIFEST, OutputFolder
from dmad.watch.outbox import Outbox, Retries
from dmad.watch.sinks import FileSink

FAST = Retries(first=0.01, longest=0.1, closing=100.0)

WRITE = """
import sys, itertools
from pathlib import Path
from dmad.files import write_atomically
from dmad.locks import locked
print("start", flush=True)
with locked(Path(sys.argv[1]) / "out"):
    for count in itertools.count(1):
        write_atomically(Path(sys.argv[1]) / "out" / "file", f"{count} " * 50_000)
"""

EXPORT = """
import sys, itertools
from pathlib import Path
from dmad.export.export_folder import replace_export
from dmad.files import unfinished_folder
from dmad.locks import locked
base = Path(sys.argv[1])
print("start", flush=True)
with locked(base, ".out.lock"):
    for count in itertools.count(1):
        with unfinished_folder(base) as folder:
            for name in ("model.onnx", "background.npy", "model.json"):
                (folder / name).write_text(f"{count} " * 20_000)
            replace_export(folder, base / "out")
            (base / "out" / "notes.txt").write_text("precious")
"""

PREDICT = """
import sys, itertools
from pathlib import Path
from dmad.files import write_atomically
from dmad.predict.output_folder import OutputFolder
out = Path(sys.argv[1]) / "out"
print("start", flush=True)
for count in itertools.count(1):
    with OutputFolder(out) as output:
        for number in range(5):
            path = output.path(f"maps/{count % 3}-{number}.png")
            write_atomically(path, f"{count} " * 10_000)
            output.add(path)
        output.remove_earlier()
"""

WATCH = """
import json, sys, itertools
from pathlib import Path
from dmad.watch.outbox import Outbox
from dmad.watch.sinks import FileSink
base = Path(sys.argv[1])
received = open(base / "received", "a")
def deliver(message):
    received.write(message + chr(10))
    received.flush()
sinks = [Outbox(base / "spool.db", deliver, "the receiver"), FileSink(base / "events.jsonl")]
print("start", flush=True)
for count in itertools.count(1):
    event = {"kind": "event", "id": f"e{count // 3}", "state": ("new", "update", "end")[count % 3]}
    for sink in sinks:
        sink.send(json.dumps({**event, "peak": 1.0, "n": count}))
"""


def attack(rng: random.Random, folder: Path) -> str:
    """Kill one of the writers at a random time, and check what it left."""
    name = rng.choice(list(WRITERS))
    code, check = WRITERS[name]
    process = subprocess.Popen([sys.executable, "-c", code, folder], stdout=subprocess.PIPE)
    assert process.stdout
    assert process.stdout.readline() == b"start\n"
    time.sleep(rng.random() * 0.3)
    process.kill()
    process.communicate()
    check(folder)
    return name


def is_whole(path: Path) -> bool:
    """True if a file consists of one number, repeated."""
    return len(set(path.read_text().split())) == 1


def check_written(folder: Path) -> None:
    with locked(folder / "out"):
        files = [path for path in (folder / "out").iterdir() if not path.name.endswith(".lock")]
    assert all(path.name == "file" and is_whole(path) for path in files), files


def check_export(folder: Path) -> None:
    with locked(folder, ".out.lock"):
        finish_export(folder / "out")
    left = {path.name for path in folder.iterdir()}
    assert left <= {"out", ".out.lock"}, left
    if (folder / "out").exists():
        parts = [path for path in (folder / "out").iterdir() if path.name != "notes.txt"]
        assert len(parts) == 3, parts
        assert len({path.read_text() for path in parts}) == 1, "parts of several exports"


def check_predictions(folder: Path) -> None:
    out = folder / "out"
    with OutputFolder(out) as output:
        output.remove_unfinished("maps")
        for path in (out / "maps").glob("*"):
            assert is_whole(path), path
        output.add(out / MANIFEST)  # so that something was written
        output.remove_earlier()
    assert len(list((out / "maps").glob("*"))) <= 1  # killed between a file and its entry


def check_messages(folder: Path) -> None:
    """Each message arrives, in order, at most one of them twice; and every event ends."""
    received: list[str] = []
    before = (folder / "received").read_text().splitlines()
    outbox = Outbox(folder / "spool.db", received.append, "the receiver", FAST)
    outbox.close()
    sink = FileSink(folder / "events.jsonl")
    sink.close()
    stored = (folder / "events.jsonl").read_text().splitlines()
    for lines, most_repeated in ((before + received, 1), (stored, 0)):
        events = [json.loads(line) for line in lines]
        state = {event["id"]: event["state"] for event in events}
        assert set(state.values()) <= {"end"}, "an event without end"
        numbers = [event["n"] for event in events if event.get("clip") is None]
        assert numbers == sorted(numbers), "wrong order"
        assert len(numbers) - len(set(numbers)) <= most_repeated, "a message came twice"
        assert sorted(set(numbers)) == list(range(1, len(set(numbers)) + 1)), "a message is lost"


WRITERS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "killed writer": (WRITE, check_written),
    "killed export": (EXPORT, check_export),
    "killed predict": (PREDICT, check_predictions),
    "killed watch": (WATCH, check_messages),
}
