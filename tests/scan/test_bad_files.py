"""An archive in which 2 % of the files are unreadable, empty, foreign, or change all the time.

`DMAD_FILES=5000 pytest tests/scan/test_bad_files.py` makes a larger archive.
"""

import csv
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, cycle
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pyarrow.dataset as ds
import pytest
from PIL import Image

from dmad.scan.judge import CHANGED

FILES = int(os.environ.get("DMAD_FILES", "100"))
SHARE = 50  # one of so many files is bad
REASONS = {
    "empty": ("it is empty",),
    "foreign": ("it is not an image: its name ends with .pdf",),
    "unreadable": ("no image of a kind that can be read", "image file is truncated"),
    "changing": (CHANGED,),
}


@pytest.fixture
def archive(tmp_path) -> dict[str, list[Path]]:
    """The files of an archive by their kind: `good`, or one of `REASONS`."""
    folder = tmp_path / "archive"
    rng = np.random.default_rng(0)
    kinds = cycle(REASONS)
    made: dict[str, list[Path]] = {kind: [] for kind in ("good", *REASONS)}
    distance = min(SHARE, FILES // len(REASONS))  # of a small archive, more are bad
    for number in range(FILES):
        kind = next(kinds) if number % distance == 7 else "good"
        path = folder / f"line-{number % 3}" / f"{number}.{'pdf' if kind == 'foreign' else 'png'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (48, 48, 3), np.uint8)).save(path, "PNG")
        if kind == "empty":
            path.write_bytes(b"")
        if kind == "unreadable":
            content = path.read_bytes()
            path.write_bytes(content[: len(content) // 2] if number % 2 else b"no image")
        made[kind].append(path)
    return made


@contextmanager
def changing(files: Sequence[Path], beside: Path) -> Iterator[None]:
    """Replace files again and again in a `with` block."""
    stopped = Event()

    def change() -> None:
        contents = {path: path.read_bytes() for path in files}
        while not stopped.wait(0.002):
            for path, content in contents.items():
                beside.write_bytes(content)
                beside.replace(path)

    thread = Thread(target=change)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dmad.cli", "scan", *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=900)


def left_out(out: Path) -> list[tuple[Path, str]]:
    with (out / "left_out.csv").open(newline="") as file:
        return [(Path(row["path"]), row["reason"]) for row in csv.DictReader(file)]


@pytest.mark.parametrize("engine", [("--workers", 2), ("--ray", "local")], ids=lambda one: one[0])
def test_each_bad_file_is_told_once_with_its_reason_and_none_stops_the_scan(
    trained_images, archive, tmp_path, engine
):
    if "--ray" in engine:
        pytest.importorskip("ray", reason="Ray is not installed: pip install '.[ray]'")
    out = tmp_path / "out"
    start = ("--strongest", 0, "--out", out)
    with changing(archive["changing"], tmp_path / "new"):
        done = run(trained_images, tmp_path / "archive", *start, *engine)
    assert done.returncode == 1, done.stderr
    assert_left_out(out, {kind: archive[kind] for kind in REASONS})
    assert_judged(out, archive["good"])
    told = [line for line in done.stderr.splitlines() if "left out" in line]
    assert len(told) == len(set(told)) == min(10, len(left_out(out)))

    done = run("--resume", out, *engine)  # nothing changes any more
    assert done.returncode == 1, done.stderr
    assert_left_out(out, {kind: archive[kind] for kind in REASONS if kind != "changing"})
    assert_judged(out, archive["good"] + archive["changing"])


def assert_left_out(out: Path, expected: dict[str, list[Path]]) -> None:
    found = left_out(out)
    assert Counter(path for path, _ in found) == Counter(chain(*expected.values()))
    reasons = dict(found)
    for kind, paths in expected.items():
        assert paths
        for path in paths:
            assert any(part in reasons[path] for part in REASONS[kind]), (path, reasons[path])


def assert_judged(out: Path, expected: list[Path]) -> None:
    table = ds.dataset(out / "scores", partitioning="hive").to_table(["path", "score"])
    assert Counter(table.column("path").to_pylist()) == Counter(map(str, expected))
    assert table.column("score").null_count == 0
