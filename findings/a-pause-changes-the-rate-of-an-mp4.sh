#!/usr/bin/env bash
# Most expect: `average_rate` is the rate at which a film was taken, the same in each container.
# True: MP4 gives frames divided by duration, so a camera that records only motion, 3 s + a pause of
# 600 s + 3 s at 10 frames per second, has 0.099 frames per second. As MKV the same frames have 10.
# It matters where smoothing, gaps, or the length of an alarm are computed from that rate. The median
# distance of the frames is right in both.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q av==18.1.0 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PY'
import sys
from fractions import Fraction
import av
import numpy as np

print("av", av.__version__)
rates, medians = {}, {}
for name in ("motion.mp4", "motion.mkv"):
    with av.open(name, "w") as film:
        stream = film.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for index in range(60):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 4 * index, np.uint8))
            frame.pts, frame.time_base = 100 * index + 600_000 * (index >= 30), Fraction(1, 1000)
            film.mux(stream.encode(frame))
        film.mux(stream.encode(None))
    with av.open(name) as film:
        rates[name] = float(film.streams.video[0].average_rate)
        times = [frame.time for frame in film.decode(video=0)]
    medians[name] = 1 / float(np.median(np.diff(times)))
print("average_rate", rates, "from the median distance", medians)
if not (rates["motion.mp4"] < 0.2 and abs(rates["motion.mkv"] - 10) < 0.1):
    sys.exit("the behaviour has changed")
if any(abs(rate - 10) > 0.1 for rate in medians.values()):
    sys.exit("the median distance is not right")
PY
