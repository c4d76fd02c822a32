"""Pixel masks in the forms in which data sets bring them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.io import loadmat

from dmad.data.reading.image_files import open_image, upright
from dmad.data.reading.paths import image_files
from dmad.errors import DmadError, brief

Mask = NDArray[np.bool_]


def masks_in(path: Path) -> Iterator[Mask]:
    """Masks (H, W) of a clip, frame by frame, at their own size, True = abnormal.

    Args:
        path: Folder of images, `.npy` file (frames, H, W), or `.mat` file with `volLabel`, a cell
            array of masks.

    Raises:
        DmadError: the masks are unreadable.
    """
    if path.is_dir():
        return (read_mask(file) for file in image_files(path))
    masks = _volume(path) if path.suffix == ".mat" else load_array(path)
    return (np.asarray(mask) > 0 for mask in masks)


def read_mask(path: Path) -> Mask:
    """An image file as a mask (H, W), upright, True where it is not black or transparent.

    Raises:
        DmadError: It is unreadable.
    """
    try:
        with open_image(path) as image:
            dark = 127 if image.format == "JPEG" else 0  # which blurs what it stores
            return np.asarray(upright(image, "L")) > dark
    except Exception as error:  # Pillow raises many kinds on broken files
        raise DmadError(f"{path} is not a readable mask ({brief(error)})") from error


def _volume(path: Path) -> NDArray[np.object_]:
    try:
        return np.asarray(loadmat(path)["volLabel"], object).ravel()
    except KeyError as error:
        raise DmadError(f"{path} holds no `volLabel`; give the masks of Avenue") from error
    except Exception as error:  # scipy raises many kinds on broken files
        raise DmadError(f"{path} is not a readable MATLAB file ({brief(error)})") from error


def shrink(mask: Mask, size: int) -> Mask:
    """Resize a mask (H, W) to (size, size), nearest neighbour."""
    return np.asarray(Image.fromarray(mask).resize((size, size), Image.Resampling.NEAREST))


def load_array(path: Path) -> NDArray[np.generic]:
    """Map a `.npy` file into memory; anything else raises `DmadError`."""
    try:
        return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except (OSError, ValueError, EOFError) as error:
        raise DmadError(f"{path} is not a NumPy array ({brief(error)})") from error
