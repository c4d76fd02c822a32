"""A command is killed at a random time. After the next call nothing is left of the killed one."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from atexit import register
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from dmad.scan.scan import REQUEST

SMALL = """
    --data.size=32 --data.channels=1 --data.fps=10 --data.held_out=0.5 --model.widths=[4,8]
    --model.memory_items=5 --model.skip_channels=2 --model.reductions=[4,2]
    --model.estimator_width=4 --train.epochs=3 --train.warmup=2 --train.precision=fp32
"""


@dataclass(frozen=True)
class Prepared:
    """What the commands work on, made once.

    Args:
        folder: Contains `data` and a trained model, `run`.
        seconds: How long each command takes.
    """

    folder: Path
    seconds: dict[str, float]


def attack(rng: random.Random, folder: Path) -> str:
    """Kill a command, call it again, and look for what it left."""
    name = rng.choice(list(COMMANDS))
    base = prepared()
    process = subprocess.Popen(
        command(name, base.folder, folder),
        env=environment(folder),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        time.sleep(rng.random() * base.seconds[name])
    finally:
        os.killpg(process.pid, 9)
        process.wait()
    call(name, base.folder, folder)
    left = litter(folder)
    assert not left, left
    return f"killed command: {name}"


def command(name: str, base: Path, folder: Path) -> list[str]:
    words = [word.format(base=base, out=folder) for word in COMMANDS[name]]
    runs = sorted((folder / "runs").glob("video/*/config.yaml"))
    if name == "train" and runs:
        words = ["train", "--resume", str(runs[-1].parent)]
    if name == "scan" and (folder / "scanned" / REQUEST).exists():
        words = ["scan", "--resume", str(folder / "scanned")]
    return [os.environ.get("DMAD", str(Path(sys.executable).with_name("dmad"))), *words]


def call(name: str, base: Path, folder: Path) -> None:
    done = subprocess.run(
        command(name, base, folder),
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr


def environment(folder: Path) -> dict[str, str]:
    """Every folder that a command may write to is inside `folder`."""
    (folder / "tmp").mkdir(exist_ok=True)
    places = {"HOME": folder / "home", "DMAD_CACHE": folder / "cache", "TMPDIR": folder / "tmp"}
    return {**os.environ, "OMP_NUM_THREADS": "1"} | {key: str(at) for key, at in places.items()}


def litter(folder: Path) -> list[str]:
    """Temporary files, and unfinished files and folders. The caches of torch have fixed names."""
    temporary = (path for path in (folder / "tmp").iterdir() if "torchinductor" not in path.name)
    unfinished = [*folder.rglob("*.part*"), *folder.rglob("*.earlier")]
    return sorted(str(path.relative_to(folder)) for path in (*temporary, *unfinished))


@cache
def prepared() -> Prepared:
    """Make data and a model with a threshold, and measure each command."""
    folder = Path(tempfile.mkdtemp())
    register(shutil.rmtree, folder, ignore_errors=True)
    for clip in range(4):
        write_clip(folder / "data" / "train" / str(clip), clip)
    write_clip(folder / "clip", 9)
    seconds = {}
    for name in COMMANDS:
        out = folder / "first" / name
        out.mkdir(parents=True)
        start = time.monotonic()
        call(name, folder, out)
        seconds[name] = time.monotonic() - start
        if name == "train":
            (run,) = (out / "runs" / "video").iterdir()
            run.rename(folder / "run")
        assert not litter(out), litter(out)
    return Prepared(folder, seconds)


def write_clip(folder: Path, seed: int, count: int = 60) -> None:
    """Write frames of a square that crosses a grainy background."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    ground = rng.integers(60, 120, (32, 32), np.uint8)
    for index in range(count):
        frame = ground + rng.integers(0, 4, (32, 32), np.uint8)
        left = (3 * seed + 2 * index) % 26
        frame[10:16, left : left + 6] = 230
        Image.fromarray(frame).save(folder / f"{index:03}.png")


# Each takes its input from {base} and writes into {out}. The model is trained first.
COMMANDS: dict[str, Sequence[str]] = {
    "train": [
        "train",
        "video",
        "--data.root",
        "{base}/data",
        *SMALL.split(),
        "--out",
        "{out}/runs",
    ],
    "predict": ["predict", "{base}/run", "{base}/clip", "--out", "{out}/judged"],
    "export": ["export", "{base}/run", "--format", "onnx", "--out", "{out}/export"],
    "scan": ["scan", "{base}/run", "{base}/data", "--out", "{out}/scanned"],
    "watch": ["watch", "{base}/run", "{base}/clip", "--out", "{out}/found"],
}
