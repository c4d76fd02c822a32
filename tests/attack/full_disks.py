"""A disk becomes full at a random place. Nothing else than one line of error is raised.

The disk is imitated by a limit for the size of files: a larger file raises an `OSError`.
"""

from __future__ import annotations

import json
import random
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import numpy as np
import pytest

from dmad.drawing.video_writer import VideoWriter
from dmad.errors import DmadError
from dmad.files import temporary_array, write_atomically
from dmad.predict.output_folder import OutputFolder
from dmad.watch.outbox import Outbox, Retries
from dmad.watch.sinks import FileSink

FAST = Retries(first=0.01, longest=0.1, closing=100.0)


@contextmanager
def limit(size: int) -> Iterator[None]:
    """No file of this process can become larger than some bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def attack(rng: random.Random, folder: Path) -> str:
    """Use one of the writers while the disk is full."""
    name = rng.choice(list(WRITERS))
    WRITERS[name](rng, folder)
    return name


def write_file(rng: random.Random, folder: Path) -> None:
    """The earlier file stays, and the error names the folder."""
    path = folder / "file"
    write_atomically(path, "earlier")
    with pytest.raises(OSError, match=str(folder)), limit(rng.randrange(100)):
        write_atomically(path, "new" * 100)
    assert path.read_text() == "earlier"
    assert list(folder.iterdir()) == [path]


def make_array(rng: random.Random, _: Path) -> None:
    """A scratch array is refused before it is used."""
    size = rng.randrange(1, 10**6)
    with suppress(DmadError), limit(rng.randrange(10**6)):
        array = temporary_array((size,), np.uint8)
        array[:] = 1


def write_film(rng: random.Random, folder: Path) -> None:
    """A film is complete, or nothing is left."""
    import av

    film = VideoWriter(folder / "film.mp4", 10)
    with suppress(OSError, av.FFmpegError), limit(rng.randrange(30_000)), film:
        for _ in range(20):
            film.write(np.frombuffer(rng.randbytes(64 * 64), np.uint8).reshape(64, 64))
    for path in folder.iterdir():
        assert path.name == "film.mp4"
        with av.open(str(path)) as container:
            assert sum(1 for _ in container.decode(video=0)) == 20


def write_results(rng: random.Random, folder: Path) -> None:
    with suppress(OSError, DmadError), limit(rng.randrange(2000)), OutputFolder(folder) as output:
        for number in range(10):
            write_atomically(output.path(f"maps/{number}"), "x" * rng.randrange(1000))
            output.add(output.path(f"maps/{number}"))
        output.remove_earlier()
    with OutputFolder(folder) as output:
        output.remove_earlier()


def send_messages(rng: random.Random, folder: Path) -> None:
    """Each message arrives at the receiver and in the file once, in order."""
    received: list[str] = []
    count = rng.randrange(1, 200)
    first, last = sorted(rng.sample(range(count + 1), 2)) if count > 1 else (0, 1)
    lines = [json.dumps({"n": number, "text": "x" * rng.randrange(100)}) for number in range(count)]

    def deliver(line: str) -> None:
        if rng.random() < 0.1:
            raise OSError("refused")
        received.append(line)

    outbox = Outbox(folder / "spool.db", deliver, "the receiver", FAST)
    sink = FileSink(folder / "events.jsonl")
    size = rng.randrange(30_000)
    for part, full in ((lines[:first], False), (lines[first:last], True), (lines[last:], False)):
        with limit(size) if full else nullcontext():
            for line in part:
                outbox.send(line)
                with suppress(OSError):
                    sink.send(line)
    sink.close()
    outbox.close()
    assert received == lines
    assert (folder / "events.jsonl").read_text().splitlines() == lines


WRITERS: dict[str, Callable[[random.Random, Path], None]] = {
    "full disk: file": write_file,
    "full disk: array": make_array,
    "full disk: film": write_film,
    "full disk: results": write_results,
    "full disk: messages": send_messages,
}
