#!/usr/bin/env bash
# Pillow turns white-is-zero TIFF pictures around if they have 8 bits, but not if they have 16.
#
# What most expect: the tag PhotometricInterpretation 0 (white is zero) is handled the same way at every
#   depth.
# What is true: with 8 bits Pillow inverts the values, so that the picture looks right. With 16 bits
#   and with floating-point numbers, it gives the values as they are stored: a negative.
# Where it matters: X-ray and scanner software writes white-is-zero files. A folder that mixes depths
#   holds pictures and negatives, and a mask drawn by a program is inverted if it has 8 bits.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.4.6 pillow==13.0.0 tifffile==2026.3.3
venv/bin/python - <<'PYTHON'
import sys

import numpy as np
import PIL
import tifffile
from PIL import Image

print("Pillow", PIL.__version__)
found = {}
for dtype, largest in (("uint8", 255), ("uint16", 65535), ("float32", 1)):
    stored = np.zeros((8, 8), dtype)
    stored[:, 4:] = largest  # black on the right, since white is zero
    tifffile.imwrite("a.tif", stored, photometric="miniswhite")
    with Image.open("a.tif") as image:
        left, right = (float(value) for value in np.asarray(image)[0, [0, 7]])
    found[dtype] = left > right
    print(f"{dtype}: stored 0 | {largest} (white | black); Pillow gives {left:g} | {right:g}: "
          f"{'turned around' if found[dtype] else 'as stored, a negative'}")
if found != {"uint8": True, "uint16": False, "float32": False}:
    sys.exit("the behaviour has changed")
PYTHON
