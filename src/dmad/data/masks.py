"""Reads pixel masks in the forms in which data sets store them."""

from __future__ import annotations

import io
import json
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from dmad.checked_files import check_regular, read_npy
from dmad.data.reading.frame_format import MEGAPIXELS
from dmad.data.reading.image_files import open_image, stored_values, turn
from dmad.data.reading.paths import image_files
from dmad.errors import DmadError, one_line, require

Mask = NDArray[np.bool_]  # True = abnormal

# Writes the masks of a file of Avenue to standard output, as .npz.
READ_MAT = """
import io, sys
import numpy as np
from scipy.io import loadmat
volume = loadmat(sys.argv[1], variable_names=["volLabel"]).get("volLabel")
if volume is None:
    sys.exit("it holds no `volLabel`, the masks of Avenue")
masks = [np.asarray(mask) for mask in np.asarray(volume, object).ravel()]
if any(mask.ndim != 2 or mask.dtype.kind not in "fiub" for mask in masks):
    sys.exit("`volLabel` holds something that is no mask")
content = io.BytesIO()
np.savez(content, *[(mask > 0).astype(np.uint8) for mask in masks])
sys.stdout.buffer.write(content.getbuffer())
"""

BLACK_IN_JPEG = 16  # in a JPEG mask, grey levels up to this count as black
SHAPES = ("polygon", "rectangle", "circle")  # of labelme


def read_masks_of_clip(path: Path) -> Iterator[Mask]:
    """Return the masks of a clip, one for each frame, in their stored size (H, W).

    Args:
        path: Folder of images, `.npy` file (frames, H, W), or `.mat` file with `volLabel`, a cell
            array of masks.

    Raises:
        DmadError: The masks are unreadable.
    """
    if path.is_dir():
        return (read_mask(file) for file in image_files(path))
    masks = _read_volume(path) if path.suffix == ".mat" else load_array(path)
    return (np.asarray(mask) > 0 for mask in masks)


def read_mask(path: Path) -> Mask:
    """Read the mask of an image (H, W), upright. A pixel is True if its stored value is above 0.

    The number of bits and the colour do not matter. If an image has both transparent and opaque
    pixels, its transparent pixels are False. If such an image is all black, its opaque pixels are
    True. In a JPEG file, a pixel is True if its value is above half of the file's largest value,
    because JPEG blurs edges.

    Args:
        path: An image, or a file of the program labelme (.json), whose shapes are filled.

    Raises:
        DmadError: The file is unreadable.
    """
    if path.suffix.lower() == ".json":
        return _draw_shapes(path)
    try:
        with open_image(path) as image:
            lossy = image.format in ("JPEG", "MPO")
            values = stored_values(image)
            return np.array(turn(_marked(values, lossy), image))
    except Exception as error:  # Pillow raises many kinds on broken files
        raise DmadError(f"{path} is not a readable mask ({one_line(error)})") from error


def _marked(values: np.ndarray, lossy: bool) -> Mask:
    """The mask (H, W) of stored values (H, W, C), by the rules of `read_mask`.

    `lossy` is True if the values come from a JPEG file.
    """
    has_alpha = values.shape[-1] in (2, 4)
    colours, alpha = (values[..., :-1], values[..., -1] > 0) if has_alpha else (values, None)
    brightest = colours.max(-1)
    largest = brightest.max()
    marked: Mask = brightest > (max(largest / 2, BLACK_IN_JPEG) if lossy else 0)
    if alpha is None or not alpha.any():
        return marked
    return marked & alpha if marked.any() else alpha & ~alpha.all()


def is_labelme(path: Path) -> bool:
    """True if a JSON file holds shapes that were drawn with the program labelme."""
    try:
        tree = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(tree, dict) and {"shapes", "imageHeight", "imageWidth"} <= set(tree)


def _draw_shapes(path: Path) -> Mask:
    """The filled shapes of a file of labelme, (H, W).

    Raises:
        DmadError: The file is damaged, or a shape is neither polygon, rectangle nor circle.
    """
    try:
        tree = json.loads(path.read_bytes())
        size = int(tree["imageWidth"]), int(tree["imageHeight"])
        pixels = f"{size[0]} x {size[1]} pixels"
        require(0 < size[0] * size[1] <= MEGAPIXELS * 1e6, f"its image has {pixels}")
        picture = Image.new("1", size)
        draw = ImageDraw.Draw(picture)
        for shape in tree["shapes"]:
            kind = shape.get("shape_type") or "polygon"
            points = [(float(x), float(y)) for x, y in shape["points"]]
            require(kind in SHAPES, f"a shape is a {kind}; expected {', '.join(SHAPES)}")
            if kind == "polygon":
                draw.polygon(points, fill=1)
            elif kind == "rectangle":
                (left, right), (top, bottom) = (sorted(side) for side in zip(*points, strict=True))
                draw.rectangle((left, top, right, bottom), fill=1)
            else:  # the centre, and a point on the circle
                (x, y), (x_edge, y_edge) = points
                draw.circle((x, y), math.hypot(x_edge - x, y_edge - y), fill=1)
        return np.array(picture)
    except (DmadError, OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise DmadError(f"{path} is not a readable mask ({one_line(error)})") from error


def _read_volume(path: Path) -> list[NDArray[np.uint8]]:
    """Read the masks of a `.mat` file in another process: a damaged file may crash this process.

    Raises:
        DmadError: The file is damaged, or has no `volLabel`.
    """
    check_regular(path)
    command = [sys.executable, "-P", "-c", READ_MAT, str(path)]
    reader = subprocess.run(command, check=False, capture_output=True, stdin=subprocess.DEVNULL)
    return masks_of_reader(reader, path)


def masks_of_reader(
    reader: subprocess.CompletedProcess[bytes], path: Path
) -> list[NDArray[np.uint8]]:
    """Return the masks from the output of a process that has run the program `READ_MAT`.

    Args:
        reader: The process, which has ended.
        path: The `.mat` file, for the error.

    Raises:
        DmadError: The process has failed.
    """
    if reader.returncode:
        last_lines = reader.stderr.decode(errors="replace").split("\n")[::-1]
        reason = f"its reader ended with code {reader.returncode}"
        reason = next((line for line in last_lines if line), reason)
        raise DmadError(f"{path} is not a readable MATLAB file ({reason[:200]})")
    with np.load(io.BytesIO(reader.stdout), allow_pickle=False) as masks:
        return [masks[name] for name in masks.files]


def resize_mask(mask: Mask, size: int) -> Mask:
    """Resize a mask (H, W) to (size, size) by nearest neighbour."""
    return np.asarray(Image.fromarray(mask).resize((size, size), Image.Resampling.NEAREST))


def load_array(path: Path) -> NDArray[np.generic]:
    """Open a `.npy` file of numbers as a memory map.

    Raises:
        DmadError: The file is not a NumPy array of numbers.
    """
    return read_npy(path)
