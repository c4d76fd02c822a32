#!/usr/bin/env bash
# Most expect: a decoder gives as many frames as an AVI file states, so that frame number i of a label
# file is the i-th decoded frame.
# True: an empty chunk means "show the frame before once more", and PyAV gives no frame for it. A file that
# states 33 frames with 3 empty chunks gives 30; all later frames move. With B-frames, `pts` of AVI is not
# even in order: only `dts` of the frames shows the places.
# It matters for labels of single frames, and for recorders that write empty chunks when frames are late.
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
places = [place for place in range(33) if place not in (5, 6, 20)]
found = {}
for b_frames in ("0", "2"):
    with av.open("film.avi", "w") as film:
        stream = film.add_stream("libx264", 10, {"bf": b_frames, "g": "10"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 10)
        for index, place in enumerate(places):
            image = np.full((48, 64, 3), 40, np.uint8)
            image[:, index : index + 20] = 200
            frame = av.VideoFrame.from_ndarray(image)
            frame.pts, frame.time_base = place, Fraction(1, 10)
            film.mux(stream.encode(frame))
        film.mux(stream.encode(None))
    with av.open("film.avi") as film:
        stated = film.streams.video[0].frames
        frames = [(frame.pts, frame.dts) for frame in film.decode(video=0)]
    shown = [dts - frames[0][1] for _, dts in frames if dts is not None]
    in_order = all(a[0] < b[0] for a, b in zip(frames, frames[1:]))
    found[b_frames] = (stated, len(frames), in_order, shown == places[: len(shown)])
    print("B-frames", b_frames, "stated", stated, "decoded", len(frames), "pts in order", in_order,
          "places from dts right", found[b_frames][3])
if found != {"0": (33, 30, True, True), "2": (33, 30, False, True)}:
    sys.exit("the behaviour has changed")
PY
