#!/usr/bin/env bash
# Pillow 13 scrambles an uncompressed TIFF that lies on its side, if it opens the file by name.
#
# What most expect: a TIFF picture with the tag Orientation 5 to 8 is either turned upright or given as
#   stored; and it does not matter if the file is opened by name or as a file object.
# What is true: opened by name, the rows of an uncompressed picture are cut at the wrong width, so
#   that the pixels are in wrong places. Opened as a file object, or compressed, the same picture
#   is right.
# Where it matters: cameras mounted on their side write this tag. No error is raised, so a model is
#   trained on scrambled pictures.
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

stored = np.zeros((20, 40), np.uint8)
stored[:5, :8] = 255  # a bright corner
upright = np.rot90(stored, -1)
print("Pillow", PIL.__version__)
right = {}
for compression in (None, "zlib"):
    tag = [(274, 3, 1, 6, True)]  # Orientation: turn by 90 degrees clockwise
    tifffile.imwrite("a.tif", stored, compression=compression, extratags=tag)
    with Image.open("a.tif") as image:
        by_name = np.asarray(image)
    with open("a.tif", "rb") as file, Image.open(file) as image:
        by_object = np.asarray(image)
    for way, pixels in (("by name", by_name), ("as a file object", by_object)):
        right[compression, way] = pixels.shape == upright.shape and bool((pixels == upright).all())
        print(f"compression {compression}, opened {way}: shape {pixels.shape} instead of "
              f"{upright.shape}, {'right' if right[compression, way] else 'WRONG'}")
if [way for way, good in right.items() if not good] != [(None, "by name")]:
    sys.exit("the behaviour has changed")
PYTHON
