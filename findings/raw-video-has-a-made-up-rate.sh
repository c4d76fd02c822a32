#!/usr/bin/env bash
# Most expect: `average_rate` of a video in PyAV is what the file says, and without a rate it is None.
# True: a raw stream (.mjpeg, .h264 without timing) has no clock, and PyAV gives 25 frames per second and
# times of 1/25 s. Only the flag AVFMT_NOTIMESTAMPS (0x80) of the container's format tells.
# It matters for cameras and recorders that write raw streams: filmed at 10 frames per second, everybody
# moves 2.5 times as fast, and every duration is wrong.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q av==18.1.0 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PY'
import sys
import av
import numpy as np

print("av", av.__version__)
with av.open("raw.mjpeg", "w", format="mjpeg") as film:
    stream = film.add_stream("mjpeg", rate=10)
    stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
    for level in range(20):
        film.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((48, 64, 3), 10 * level, np.uint8))))
    film.mux(stream.encode(None))
with av.open("raw.mjpeg") as film:
    stream = film.streams.video[0]
    rate, flag = stream.average_rate, film.format.flags & 0x80
    times = [frame.time for frame in film.decode(stream)]
print("filmed at 10 frames per second; average_rate", rate, "last time", times[-1], "no-timestamps flag", hex(flag))
if not (rate == 25 and flag and len(times) == 20 and abs(times[-1] - 19 / 25) < 1e-6):
    sys.exit("the behaviour has changed")
PY
