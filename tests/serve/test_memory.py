"""The memory of the console stays the same while it works.

`DMAD_FRAMES=100000 pytest -s tests/serve/test_memory.py` takes longer, and prints the memory.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import httpx
from console_process import ConsoleProcess

FRAMES = int(os.environ.get("DMAD_FRAMES", "1500"))
LONG = 50_000  # frames from which on the memory has its final size after a fifth of them
CAMERAS, RATE = 4, 100
EVERY = max(100, FRAMES // 200)  # frames of a camera from one event to the next
PAGES = 2
LOAD = Path(__file__).with_name("page_load.py")


def test_memory_stays_the_same_with_cameras_events_parts_and_pages(
    exports, restless_cameras, spot, tmp_path
):
    cameras = restless_cameras(CAMERAS, RATE, every=EVERY, odd=20)
    arguments = *exports, "--cameras", cameras, "--data", tmp_path / "console"
    counts = ["--clients", f"{PAGES}", "--cameras", "1", "--seconds", "1e6"]
    with ConsoleProcess(*arguments, log=tmp_path / "log") as console:
        pages = subprocess.Popen([sys.executable, LOAD, console.address, *counts])
        try:
            samples = list(measured(console, spot.read_bytes()))
            assert pages.poll() is None  # every page was answered
            metrics = httpx.get(f"{console.address}/metrics").text
        finally:
            pages.kill()
            pages.wait()
    warm = [sample for sample in samples if sample[0] >= FRAMES / 5]
    frames, memory, files = zip(*warm, strict=True)
    growth = max(memory) / memory[0] - 1
    events = next(line for line in metrics.splitlines() if line.startswith("dmad_events_total"))
    print(
        f"\n{frames[0]} frames: {memory[0] / 1e6:.1f} MB, {files[0]} open files; "
        f"{frames[-1]} frames: {memory[-1] / 1e6:.1f} MB, {files[-1]} open files; "
        f"at most {growth:+.1%}; {events}"
    )
    assert int(events.split()[1]) > FRAMES / EVERY / 3
    assert growth < (0.05 if FRAMES >= LONG else 0.5)  # at first, caches fill
    assert max(files) < files[0] + 20


def measured(console: ConsoleProcess, image: bytes):
    """Yield frames so far, memory and open files, and inspect a part, again and again."""
    frames, end = 0, time.monotonic() + 120 + FRAMES / 5
    with httpx.Client(base_url=console.address, timeout=30) as client:
        while frames < FRAMES:
            assert time.monotonic() < end, f"only {frames} frames were counted"
            client.post("/api/inspect?keep=1", content=image).raise_for_status()
            cameras = client.get("/api/cameras").json()["cameras"]
            frames = sum(camera["frames"] for camera in cameras)
            yield frames, console.memory, console.open_files
            time.sleep(1)
