"""Loads handwritten digits: MNIST from its files, or the small data set of scikit-learn."""

from __future__ import annotations

import gzip
import zlib
from math import prod
from pathlib import Path

import numpy as np

from dmad.checked_files import check_regular
from dmad.config import VideoDataConfig
from dmad.data.footage import LabelledFootage, SplitName, footage_from_arrays
from dmad.data.layouts.videos import first_existing
from dmad.data.locations import required_root
from dmad.errors import DmadError, one_line, require

LARGEST_IDX = 2**28  # bytes; the images of MNIST have 47 million
PADDED_AT_MOST = 4  # pixels; images that need more padding are enlarged instead


def is_mnist(root: Path) -> bool:
    """True if a folder contains the IDX file with the training images of MNIST, also as .gz."""
    images = root / "MNIST" / "raw" / "train-images-idx3-ubyte"
    return first_existing(images, images.with_suffix(".gz")) is not None


def load_mnist(data: VideoDataConfig, split: SplitName) -> LabelledFootage:
    """Load MNIST from its four IDX files, compressed (.gz) or not.

    Raises:
        DmadError: The files are missing or damaged.
    """
    folder = required_root(data) / "MNIST" / "raw"
    prefix = "train" if split == "train" else "t10k"
    images = read_idx(folder / f"{prefix}-images-idx3-ubyte", dimensions=3)
    classes = read_idx(folder / f"{prefix}-labels-idx1-ubyte", dimensions=1)
    require(
        len(images) == len(classes) > 0,
        f"{folder} holds {len(images)} images of {split} and {len(classes)} labels; give one label "
        "per image",
    )
    return _labelled_digits(images, classes.astype(np.int64), data, split)


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """Read bytes in the IDX format of MNIST, from a file or its compressed form (`path`.gz).

    Args:
        path: The file without .gz.
        dimensions: Number of dimensions that the array must have.

    Raises:
        DmadError: There is no such file, or it is damaged or too large.
    """
    packed = path.with_name(f"{path.name}.gz")
    found = first_existing(path, packed)
    require(
        found is not None, f"no MNIST: {path} is missing; put the four IDX files into {path.parent}"
    )
    assert found is not None
    check_regular(found)
    try:
        with gzip.open(found) if found == packed else found.open("rb") as file:
            content = file.read(LARGEST_IDX + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DmadError(f"{found} is damaged ({one_line(error)}); download it again") from error
    start = 4 + 4 * dimensions
    shape = np.frombuffer(content[4:start].ljust(start - 4, b"\0"), ">u4").tolist()
    fits = content[:4] == bytes((0, 0, 8, dimensions)) and len(content) == start + prod(shape)
    require(fits, f"{found} is no IDX file of {dimensions} dimensions; download it again")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def load_digits(data: VideoDataConfig, split: SplitName) -> LabelledFootage:
    """Load the 8 x 8 digits of scikit-learn. Every third digit is for testing."""
    from sklearn import datasets

    digits = datasets.load_digits()
    tested = np.arange(len(digits.target)) % 3 == 0
    chosen = tested if split == "test" else ~tested
    images = (digits.images[chosen] * (255 / 16)).astype(np.uint8)
    return _labelled_digits(images, digits.target[chosen], data, split)


def _labelled_digits(
    images: np.ndarray, classes: np.ndarray, data: VideoDataConfig, split: SplitName
) -> LabelledFootage:
    """Return the normal digits for training, or all digits for testing, with labels."""
    normal = np.isin(classes, data.normal)
    if split == "train":
        images, classes, normal = images[normal], classes[normal], normal[normal]
    frames = resize_digits(images, data.size)[..., None].repeat(data.channels, -1)
    return LabelledFootage(
        footage_from_arrays([frames]),
        labels=(~normal).astype(np.uint8),
        label_name=f"{data.layout}, normal: {' '.join(map(str, data.normal))}",
        classes=classes,
    )


def resize_digits(images: np.ndarray, size: int) -> np.ndarray:
    """Bring square grey images (N, h, h) uint8 to the shape (N, size, size).

    If only a few pixels are missing, black pixels are added at the edges. Otherwise, the images are
    resized.
    """
    import torch
    from torchvision.transforms import v2

    margin = size - images.shape[1]
    if 0 <= margin <= PADDED_AT_MOST:
        pad = (margin // 2, margin - margin // 2)
        return np.pad(images, ((0, 0), pad, pad))
    resize = v2.Resize((size, size), antialias=True)
    resized: np.ndarray = resize(torch.from_numpy(images)).numpy()
    return resized
