"""Reads pixel masks in the forms in which data sets store them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.io import loadmat

from dmad.data.reading.image_files import open_image, upright
from dmad.data.reading.paths import image_files
from dmad.errors import DmadError, one_line

Mask = NDArray[np.bool_]  # True = abnormal

BLACK_IN_JPEG = 127  # JPEG blurs edges, so in a JPEG mask all grey levels up to this are black


def read_masks_of_clip(path: Path) -> Iterator[Mask]:
    """The masks of a clip, one per frame, in their stored size (H, W).

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
    """Read an image file as an upright mask (H, W). Black or transparent pixels are False.

    Raises:
        DmadError: The file is unreadable.
    """
    try:
        with open_image(path) as image:
            black = BLACK_IN_JPEG if image.format == "JPEG" else 0
            return np.asarray(upright(image, "L")) > black
    except Exception as error:  # Pillow raises many kinds on broken files
        raise DmadError(f"{path} is not a readable mask ({one_line(error)})") from error


def _read_volume(path: Path) -> NDArray[np.object_]:
    try:
        return np.asarray(loadmat(path)["volLabel"], object).ravel()
    except KeyError as error:
        raise DmadError(f"{path} holds no `volLabel`; give the masks of Avenue") from error
    except Exception as error:  # scipy raises many kinds on broken files
        raise DmadError(f"{path} is not a readable MATLAB file ({one_line(error)})") from error


def resize_mask(mask: Mask, size: int) -> Mask:
    """Resize a mask (H, W) to (size, size) by nearest neighbour."""
    return np.asarray(Image.fromarray(mask).resize((size, size), Image.Resampling.NEAREST))


def load_array(path: Path) -> NDArray[np.generic]:
    """Map a `.npy` file into memory.

    Raises:
        DmadError: The file is not a NumPy array.
    """
    try:
        return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except (OSError, ValueError, EOFError) as error:
        raise DmadError(f"{path} is not a NumPy array ({one_line(error)})") from error
