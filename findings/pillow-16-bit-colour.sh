#!/usr/bin/env bash
# Pillow gives the high byte of 16-bit colours: a picture of 12 bits is nearly black.
#
# What most expect: Pillow reads a 16-bit colour picture as well as a grey one, or says that it cannot.
# What is true: of RGB and RGBA with 16 bits, in PNG and TIFF, Pillow keeps bits 8 to 15 without a
#   word. Cameras of 12 bits store values up to 4095, of which 16 levels of grey remain. Grey
#   pictures with 16 bits are read with all their values.
# Where it matters: training images of an inspection camera: every defect that is fainter than 1/16 of
#   the range is lost, and all pictures are dark.
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

values = np.tile(np.arange(4096, dtype=np.uint16), (8, 1))
tifffile.imwrite("grey.tif", values)
tifffile.imwrite("colour.tif", np.dstack([values] * 3), photometric="rgb")
print("Pillow", PIL.__version__)
levels = {}
for name in ("grey", "colour"):
    with Image.open(f"{name}.tif") as image:
        pixels = np.asarray(image)
    stored = tifffile.imread(f"{name}.tif")
    levels[name] = len(np.unique(pixels))
    print(f"{name}: stored {stored.dtype} up to {stored.max()}; Pillow gives mode {image.mode}, "
          f"{pixels.dtype} up to {pixels.max()}, {levels[name]} different values")
if levels != {"grey": 4096, "colour": 16}:
    sys.exit("the behaviour has changed")
PYTHON
