#!/usr/bin/env bash
# Pillow swaps the bytes of compressed big-endian TIFF pictures with signed or float values.
#
# What most expect: the byte order of a TIFF file has no effect on the values that are read.
# What is true: of a big-endian file that is compressed (deflate, LZW), libtiff has already turned the
#   bytes around, and Pillow 13 turns them back: int16, int32 and float32 values are wrong.
#   Unsigned 16-bit values and uncompressed files are right.
# Where it matters: height maps, X-ray and thermal pictures of big-endian systems and of ImageJ: noise
#   instead of a picture, without an error.
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

if sys.byteorder != "little":
    sys.exit("this machine is big-endian: not tried")
print("Pillow", PIL.__version__)
wrong = []
for dtype in ("uint16", "int16", "int32", "float32"):
    for compression in (None, "zlib"):
        values = np.arange(600).reshape(20, 30).astype(dtype)
        tifffile.imwrite("a.tif", values, byteorder=">", compression=compression,
                         photometric="minisblack")
        with Image.open("a.tif") as image:
            pixels = np.asarray(image)
        good = bool((pixels == values).all()) and bool((tifffile.imread("a.tif") == values).all())
        wrong += [] if good else [(dtype, compression)]
        print(f"{dtype}, compression {compression}: value 258 is read as {pixels[8, 18]:g}, "
              f"{'right' if good else 'WRONG'}")
if wrong != [("int16", "zlib"), ("int32", "zlib"), ("float32", "zlib")]:
    sys.exit("the behaviour has changed")
PYTHON
