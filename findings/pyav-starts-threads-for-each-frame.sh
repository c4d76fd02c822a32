#!/usr/bin/env bash
# Most expect: `frame.to_ndarray(format=...)` and `frame.reformat(...)` of PyAV convert the pixels in
# the calling thread. With more threads, they would only be faster.
# True: since PyAV 17, every decoded frame gets a scaler of its own, with a thread for each processor
# core. For a frame of 360 x 240 pixels, to start and end these threads takes more processor time than
# the conversion. If other programs use the cores, the frame waits for them as well. With `threads=1`,
# the pixels are the same.
# It matters for everything that converts each frame of a camera or of a film: there, this can take
# longer than a small network in int8.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q av==18.1.0 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PY'
import os
import sys
import time

import av
import numpy as np

print("av", av.__version__, "on", os.cpu_count(), "cores")
if os.cpu_count() == 1:
    sys.exit("needs two cores or more")
with av.open("film.mp4", "w") as film:
    stream = film.add_stream("libx264", rate=10)
    stream.width, stream.height, stream.pix_fmt = 360, 240, "yuv420p"
    rng = np.random.default_rng(0)
    for _ in range(200):
        image = rng.integers(0, 255, (30, 45), np.uint8).repeat(8, 0).repeat(8, 1)
        film.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="gray")))
    film.mux(stream.encode(None))


def converted(**options):
    """The pixels, and the milliseconds of processor time and of waiting time for a frame."""
    with av.open("film.mp4") as film:
        frames = list(film.decode(video=0))
    start, busy = time.perf_counter(), time.process_time()
    pixels = [frame.reformat(format="gray", **options).to_ndarray() for frame in frames]
    busy, spent = time.process_time() - busy, time.perf_counter() - start
    return pixels, 1e3 * busy / len(frames), 1e3 * spent / len(frames)


converted()
automatic, busy, spent = converted()
one, busy_one, spent_one = converted(threads=1)
print(f"default: {busy:.3f} ms of processor time a frame, {spent:.3f} ms until it is ready")
print(f"threads=1: {busy_one:.3f} ms of processor time a frame, {spent_one:.3f} ms until it is ready")
if not all(np.array_equal(a, b) for a, b in zip(automatic, one)):
    sys.exit("the pixels differ")
if busy < 1.5 * busy_one:
    sys.exit("the behaviour has changed: the default is not slower any more")
PY
