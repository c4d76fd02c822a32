"""Measures a scan: `python tests/scan/measure.py memory ROWS`, or `speed MODEL CLIPS COPIES`.

`memory` scans rows of a stub model of one multiplication, and prints the peak memory.
`speed` copies clips, and compares `dmad scan` with 1 and 2 workers to `dmad predict`.
"""

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

ROWS_OF_A_SOURCE = 1000


def memory(rows: int) -> None:
    """Scan films whose frames are one pixel, with a stub instead of a model."""
    from dmad.inference.result import JudgedFrames
    from dmad.inference.windowing import WindowMaker
    from dmad.scan import judge as judging
    from dmad.scan import worker
    from dmad.scan.cutting import Cutter, outcome_of
    from dmad.scan.film import ReadFrame
    from dmad.scan.scan import ScanRequest, scan
    from dmad.scan.settings import ScanSettings, WorkerOptions

    class Stub:
        def __init__(self, judge: Any) -> None:
            self.config, self.calibration = judge.model.config, judge.model.calibration
            self.form, self.scenes = judge.model.form, judge.model.scenes

        def with_calibration(self, calibration: Any) -> Any:
            return self

        def window_maker(self, scene: str) -> WindowMaker:
            return WindowMaker(4)

        def inside(self, zone: Any, judged: JudgedFrames) -> JudgedFrames:
            return judged

        def judge_windows(self, windows: Any) -> JudgedFrames:
            index = np.array([window.index for window in windows])
            value = 2.0 * np.array([float(window.frames[-1].item()) for window in windows])
            none = np.zeros((len(index), 1, 1), np.float32)
            return JudgedFrames(index, none, value, value, 0 * value, {}, none, none, {})

    def frames(*_: Any) -> Any:
        for number in range(ROWS_OF_A_SOURCE):
            pixel = np.full((1, 1, 1), 9 * (number % 200 < 30), np.uint8)
            yield ReadFrame(pixel, 0.1 * number, False)

    judging.Judge._load = lambda self, load: Stub(self)
    judging.Judge._frames = frames
    Cutter.info = lambda self, task: None
    Cutter.outcome = lambda self, source: replace(outcome_of(source), fps=10.0)
    worker.judge_with.cache_clear()
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder, "archive")
        archive.mkdir()
        for number in range(max(1, rows // ROWS_OF_A_SOURCE)):
            (archive / f"{number}.mp4").write_text("film")
        settings = ScanSettings(Path(folder, "out"), strongest=0)
        request = ScanRequest.new("ped2", [str(archive)], settings)
        result = scan(request, WorkerOptions(workers=1))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{result.totals.frames} rows, {result.totals.events} events: {peak:.0f} MB")


def speed(model: str, clips: str, copies: int) -> None:
    """Compare `dmad scan` and `dmad predict` on copies of clips; scores only, one thread each."""
    found = sorted(path for path in Path(clips).iterdir() if path.is_dir())
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder, "archive")
        for number in range(copies):
            shutil.copytree(found[number % len(found)], archive / f"clip{number:03}")
        dmad = str(Path(sys.executable).with_name("dmad"))
        paths = [str(path) for path in sorted(archive.iterdir())]
        scan = [dmad, "scan", model, str(archive), "--strongest", "0"]
        predict = [dmad, "predict", model, "--video", "false", "--panels", "0"]
        one_by_one = [
            [*predict, path, "--out", f"{folder}/each"] for path in paths[: max(1, copies // 5)]
        ]
        frames = sum(len(list(Path(path).iterdir())) for path in paths)
        runs: dict[str, Callable[[], SimpleNamespace]] = {
            "predict, one process": lambda: timed([*predict, *paths, "--out", f"{folder}/all"]),
            "predict, a process a clip (of a fifth)": lambda: joined(one_by_one),
            "scan, 1 worker": lambda: timed([*scan, "--out", f"{folder}/1", "--workers", "1"]),
            "scan, 2 workers": lambda: timed([*scan, "--out", f"{folder}/2", "--workers", "2"]),
        }
        print(f"{copies} clips, {frames} frames, load {os.getloadavg()[0]:.1f}")
        for name, run in runs.items():
            got = run()
            print(
                f"{name}: {got.seconds:.1f} s, CPU {got.cpu:.1f} s, {got.peak:.0f} MB", flush=True
            )


def timed(command: list[str]) -> SimpleNamespace:
    """Run a command. Return seconds, CPU seconds, and the peak memory of its largest process."""
    start, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    seconds = time.monotonic() - start
    return SimpleNamespace(seconds=seconds, cpu=cpu, peak=after.ru_maxrss / 1024)


def joined(commands: list[list[str]]) -> SimpleNamespace:
    """Run commands one after another."""
    parts = [timed(command) for command in commands]
    return SimpleNamespace(
        seconds=sum(part.seconds for part in parts),
        cpu=sum(part.cpu for part in parts),
        peak=max(part.peak for part in parts),
    )


if __name__ == "__main__":
    if sys.argv[1] == "memory":
        memory(int(sys.argv[2]))
    else:
        speed(sys.argv[2], sys.argv[3], int(sys.argv[4]))
