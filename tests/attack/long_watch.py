"""Watch a generated camera for many frames, while its surroundings fail.

The camera drops its connection every minute, the receiver refuses half of all attempts, and the
disk is full for some time. Each message must reach the receiver once and in order, each event must
end, and the memory must stay the same. Not a part of the tests:

    .venv/bin/python tests/attack/long_watch.py --frames 100000
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import numpy as np
import torch

from dmad.calibration.alarms import AlarmRule
from dmad.calibration.budget import Budget
from dmad.calibration.calibration import Calibration
from dmad.calibration.standardisation import Scorer, Standardisation
from dmad.config import VideoConfig, VideoDataConfig, VideoModelConfig
from dmad.data.reading.source_frames import Source, SourceFrame
from dmad.forms import form_of
from dmad.inference.detector import Detector
from dmad.inference.torch_backend import TorchBackend
from dmad.model.pdm import PDM
from dmad.watch.cameras import Camera
from dmad.watch.outbox import Outbox, Retries
from dmad.watch.settings import WatchSettings
from dmad.watch.sinks import FileSink
from dmad.watch.watch import watch

SIZE, FPS = 32, 10.0
CONNECTION = 600  # frames until the connection is lost
EVENTS_EVERY = 500  # frames; the odd thing is seen in `ODD` of them
ODD = 20
MODEL = VideoModelConfig(
    widths=(4, 8), memory_items=5, skip_channels=2, reductions=(4, 2), estimator_width=4
)


class GeneratedCamera(Source):
    """Shows a square that crosses a still view, and at times a checkerboard. It loses frames."""

    def __init__(self, frames: int, full: range, *unused: object) -> None:
        super().__init__(unused[0])  # type: ignore[arg-type]
        self.source_fps = FPS
        self.frames, self.full, self.index = frames, full, 0
        self.memory: list[tuple[int, int]] = []
        self.ground = np.random.default_rng(3).integers(60, 120, (SIZE, SIZE, 1), np.uint8)
        self.limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def next_frame(self) -> SourceFrame | None:
        """Return the next frame. At some frames the disk becomes full, and is empty again."""
        index, self.index = self.index, self.index + 1
        if index >= self.frames:
            self.done = True
            return None
        if index in (self.full.start, self.full.stop):
            size = 0 if index == self.full.start else self.limits[0]
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, self.limits[1]))
        if index % (self.frames // 20) == 0:
            self.memory.append((index, resident_bytes()))
        dropped = index > 0 and index % CONNECTION == 0
        self.gaps += dropped
        lost = 5.0 * (index // CONNECTION)  # seconds, all connections together
        image = self.image(index)
        picture = np.repeat(image, 3, 2)
        return SourceFrame(image, picture, index / FPS + lost, gap=5.0 if dropped else 0.0)

    def image(self, index: int) -> np.ndarray:
        frame = self.ground.copy()
        left = 2 * index % (SIZE - 6)
        frame[10:16, left : left + 6] = 230
        if index % EVENTS_EVERY >= EVENTS_EVERY - ODD:
            frame[20:30, 20:30, 0] = 255 * (np.indices((10, 10)).sum(0) % 2)
        return frame


class Kept:
    """A sink that never fails."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def send(self, message: str) -> None:
        """Keep a message."""
        self.lines.append(message)

    def close(self) -> None:
        """Do nothing."""


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def make_detector(camera: GeneratedCamera) -> Detector:
    torch.manual_seed(0)
    config = VideoConfig("video", VideoDataConfig(size=SIZE, channels=1), MODEL)
    model = PDM(MODEL, SIZE, 1, 4)
    ground = torch.from_numpy(camera.ground).permute(2, 0, 1)
    model.background.data[0] = ground / 127.5 - 1
    for parameter in model.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    form = form_of(config)
    backend = TorchBackend(model.eval(), config, form, "cpu", bf16=False)
    detector = Detector(backend, config, form, ("",))
    usual = detector(np.stack([camera.image(index) for index in range(60)]))
    level = 1.3 * float(np.nanmax(usual.reconstruction + 0.5 * usual.deformation))
    unchanged = Standardisation(0.0, 1.0)
    calibration = Calibration(
        scorer=Scorer(unchanged, unchanged, weight=0.5, window=1),
        rule=AlarmRule(level, 0.8 * level, minimum=2, gap=3, cooldown=4),
        budget=Budget(1.0, "hour"),
        fps=FPS,
        interval=(level, level),
        margin=0.0,
        frames=60,
        clips=1,
        observed=0,
        warnings=(),
    )
    return detector.with_calibration(calibration)


def main() -> None:
    """Watch, and check what arrived."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--frames", type=int, default=100_000)
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args()
    rng = random.Random(given.seed)
    full = range(int(0.4 * given.frames), int(0.45 * given.frames))
    torch.set_num_threads(1)
    received: list[str] = []
    attempts: Counter[str] = Counter()

    def deliver(line: str) -> None:
        refused = rng.random() < 0.5
        attempts["refused" if refused else "taken"] += 1
        if refused:
            raise OSError("refused")
        received.append(line)

    with TemporaryDirectory() as folder:
        cameras: list[GeneratedCamera] = []

        def open_generated(_: str, frame_format: object, *__: object) -> GeneratedCamera:
            cameras.append(GeneratedCamera(given.frames, full, frame_format))
            return cameras[0]

        detector = make_detector(GeneratedCamera(1, full, None))
        kept, file = Kept(), Path(folder) / "events.jsonl"
        retries = Retries(first=0.001, longest=0.01, closing=120.0)
        outbox = Outbox(Path(folder) / "spool.db", deliver, "the receiver", retries)
        out = Path(folder) / "films"
        out.mkdir()
        with patch("dmad.watch.camera_worker.open_source", open_generated):
            watch(
                detector,
                [Camera("gate", "generated")],
                [kept, outbox, FileSink(file)],
                WatchSettings(out=out, every=1e9),
            )
        written = file.read_text().splitlines()
        spooled = Path(folder) / "spool.db"
        assert received == kept.lines, "messages are missing, doubled or in another order"
        assert written == kept.lines, "the file differs"
        left = spooled.stat().st_size if spooled.exists() else 0
    check(kept.lines, given.frames)
    memory = cameras[0].memory
    warm = memory[len(memory) // 5][1]  # buffers have their final size
    growth = max(size for _, size in memory[len(memory) // 5 :]) / warm - 1
    print(f"{given.frames} frames, {cameras[0].gaps} lost connections, {len(kept.lines)} messages")
    print(f"receiver: {dict(attempts)}; spool at the end: {left} bytes")
    print(f"memory: {warm / 1e6:.0f} MB after a fifth, then at most {100 * growth:+.1f} %")
    assert growth < 0.05, memory


def check(lines: list[str], frames: int) -> None:
    """Each event begins, ends, and comes at its time."""
    messages = [json.loads(line) for line in lines]
    events = [message for message in messages if message["kind"] == "event"]
    begun, ended = (
        [event["id"] for event in events if event["state"] == state] for state in ("new", "end")
    )
    assert begun == ended, "an event did not end"
    assert len(set(begun)) == len(begun) == frames // EVENTS_EVERY, f"{len(begun)} events"


if __name__ == "__main__":
    sys.exit(main())
