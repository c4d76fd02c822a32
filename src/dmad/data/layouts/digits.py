"""Loads handwritten digits: MNIST from its files, or the small data set of scikit-learn."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from dmad.config import VideoDataConfig
from dmad.data.footage import LabelledFootage, SplitName, footage_from_arrays
from dmad.data.layouts.videos import first_existing
from dmad.data.locations import required_root
from dmad.errors import DmadError

PADDED_AT_MOST = 4  # pixels; images that need more padding are enlarged instead


def is_mnist(root: Path) -> bool:
    """True if a folder contains the IDX files of MNIST, compressed (.gz) or not."""
    images = root / "MNIST" / "raw" / "train-images-idx3-ubyte"
    return first_existing(images, images.with_suffix(".gz")) is not None


def load_mnist(data: VideoDataConfig, split: SplitName) -> LabelledFootage:
    """Load MNIST from its four IDX files, compressed (.gz) or not.

    Raises:
        DmadError: The files are missing or damaged.
    """
    from torchvision.datasets import MNIST
    from torchvision.datasets.utils import extract_archive

    root = required_root(data)
    packed = sorted((root / "MNIST" / "raw").glob("*.gz"))
    try:
        with TemporaryDirectory() as scratch:
            unpacked = Path(scratch) / "MNIST" / "raw"
            unpacked.mkdir(parents=True)
            for archive in packed:
                extract_archive(archive, unpacked)
            digits = MNIST(scratch if packed else str(root), train=split == "train")
    except (RuntimeError, OSError, EOFError, ValueError) as error:
        raise DmadError(
            f"no MNIST under {root}; expected {root}/MNIST/raw with the four IDX files"
        ) from error
    return _labelled_digits(digits.data.numpy(), digits.targets.numpy(), data, split)


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
    """Keep only the normal digits for training; all digits, with labels, for testing."""
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
    """Pad grey images (N, h, w) uint8 by a few pixels to (N, size, size), or resize them."""
    import torch
    from torchvision.transforms import v2

    margin = size - images.shape[1]
    if 0 <= margin <= PADDED_AT_MOST:
        pad = (margin // 2, margin - margin // 2)
        return np.pad(images, ((0, 0), pad, pad))
    resize = v2.Resize((size, size), antialias=True)
    resized: np.ndarray = resize(torch.from_numpy(images)).numpy()
    return resized
