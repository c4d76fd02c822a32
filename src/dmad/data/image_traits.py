"""Computes what the training images have in common, such as their size and brightness.

These traits are stored with the model. They show whether a new image fits the model.

This module also computes the range of the pixel values of all images with more than 8 bits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from dmad.config import EACH_IMAGE, DataConfig, ImageDataConfig
from dmad.data.footage import Footage
from dmad.data.layouts.image_folders import ImageFile
from dmad.data.reading.frame_format import Frame, Frames
from dmad.data.reading.image_files import deep_values, open_image, upright_size, value_bits
from dmad.data.reading.pixel_values import ValueRange, range_of
from dmad.errors import require
from dmad.files import first_names
from dmad.typed import dataclass_from

CARD_ENTRY = "images"  # entry of the model's card that holds the traits
SAMPLED = 64  # training images from which the range of values is computed
SAME_SHAPE = 1.05  # two ratios of width to height are the same if they differ by a smaller factor
SAME_SIDE = 2.0  # two sizes are the same if they differ by a smaller factor
GREY = 0.02  # a grey picture has at most this share of coloured pixels
COLOUR = 24  # the channels of a coloured pixel differ by more than this number of grey levels
BRIGHTER = 3.0  # an image does not fit if it is brighter or darker by more than this factor
CLIPPED = 0.05  # an image does not fit if its share of white pixels is larger by more than this
MASK = 0.9  # in a mask, at least this share of the pixels has the two most common grey levels
PHOTOGRAPH = 0.6  # in photographs, the median of this share is smaller
FAR = 102  # in a mask, the two most common grey levels differ by more than this


@dataclass(frozen=True)
class ImageLook:
    """Properties of one image that are compared with the training images."""

    width: int  # px, upright
    height: int
    bits: str  # of a value: "8", "16", "32" or "float"
    colour: float  # share of coloured pixels
    brightness: float  # mean grey level
    white: float  # share of white pixels

    @property
    def shape(self) -> float:
        """Width divided by height."""
        return self.width / self.height

    @property
    def side(self) -> float:
        """Side in pixels of a square with the same number of pixels as the image."""
        return float((self.width * self.height) ** 0.5)


@dataclass(frozen=True)
class ImageTraits:
    """What the training images have in common.

    `shape`, `side`, `colour` and `brightness` are pairs: the smallest and the largest value of all
    images. The values of one image have the same names in `ImageLook`.
    """

    black: float  # in images with more than 8 bits, this pixel value became black
    white: float  # this pixel value became white; `EACH_IMAGE` if all images have 8 bits
    bits: tuple[str, ...]  # the different values of `ImageLook.bits`
    size: tuple[int, int]  # width and height in pixels of the image with the median shape
    shape: tuple[float, float]
    side: tuple[float, float]
    colour: tuple[float, float]
    brightness: tuple[float, float]
    whitest: float  # largest share of white pixels in an image

    @classmethod
    def from_card(cls, entry: Mapping[str, Any] | None) -> ImageTraits | None:
        """Return the traits that are stored with a model; None if `entry` is None.

        Args:
            entry: The traits in the model's card, the JSON file beside its weights. None: the card
                contains no traits.
        """
        return None if entry is None else dataclass_from(cls, entry, CARD_ENTRY)

    def misfit(self, look: ImageLook) -> str:
        """Return a text that says how an image differs from the training images.

        The text is empty if the image fits.
        """
        differences = []
        size = f"{look.width} x {look.height} pixels instead of {self.size[0]} x {self.size[1]}"
        if not _inside(look.shape, self.shape, SAME_SHAPE):
            differences.append(f"another shape ({size})")
        elif not _inside(look.side, self.side, SAME_SIDE):
            differences.append(f"another size ({size})")
        if look.bits not in self.bits:
            expected = " or ".join(map(_value_kind, self.bits))
            differences.append(f"{_value_kind(look.bits)} values instead of {expected}")
        if look.colour > 2 * self.colour[1] + GREY:
            differences.append("colours")
        elif look.colour < GREY / 10 and self.colour[0] > GREY:
            differences.append("no colours")
        darkest, brightest = self.brightness
        if look.white > self.whitest + CLIPPED or look.brightness > BRIGHTER * brightest:
            differences.append("much brighter")
        elif look.brightness < darkest / BRIGHTER:
            differences.append("much darker")
        return ", ".join(differences)


def _inside(value: float, limits: tuple[float, float], factor: float) -> bool:
    return limits[0] / factor <= value <= limits[1] * factor


def look_of(file: ImageFile, frames: Sequence[Frame] | Frames, megapixels: float) -> ImageLook:
    """Compute the properties of an image.

    Args:
        file: The file. Its header states the size of the image and the bits of its values.
        frames: The decoded tiles of the image, each (H, W, C).
        megapixels: Largest number of pixels of an image, in millions.
    """
    with open_image(file.path, file.page, megapixels) as image:
        width, height = upright_size(image)
        bits = value_bits(image)
    pixels = np.stack(list(frames)).reshape(-1, frames[0].shape[-1]).astype(np.int16)
    spread = np.ptp(pixels, axis=1) > COLOUR
    return ImageLook(
        width=width,
        height=height,
        bits=bits,
        colour=float(spread.mean()),
        brightness=float(pixels.mean()),
        white=float((pixels == 255).all(1).mean()),
    )


def with_value_range(data: DataConfig, training: Sequence[ImageFile]) -> DataConfig:
    """Return the settings with the pixel values that become black and white.

    Args:
        data: The settings. If `white` is 0, the values are computed from the training images.
            Otherwise, the settings are returned unchanged.
        training: The training images. Only those with more than 8 bits count.
    """
    if data.white:
        return data
    places = np.unique(np.linspace(0, len(training) - 1, SAMPLED).astype(int)) if training else ()
    values = [_values(training[place], data.megapixels) for place in places]
    deep = [one for one in values if one is not None]
    if not deep:
        return with_values(data, ValueRange(0.0, EACH_IMAGE))
    return with_values(data, range_of(np.concatenate(deep)))


def with_values(data: DataConfig, values: ValueRange) -> DataConfig:
    """Return a copy of the settings with the range `values` of pixel values."""
    assert isinstance(data, ImageDataConfig)
    return replace(data, black=values.black, white=values.white)


def _values(file: ImageFile, megapixels: float) -> np.ndarray | None:
    """A sample of the values of an image with more than 8 bits; None for any other file."""
    try:
        with open_image(file.path, file.page, megapixels) as image:
            return deep_values(image)
    except Exception:  # Pillow raises many kinds on broken files; reading the image reports it
        return None


def traits_of(footage: Footage, files: Mapping[str, ImageFile], data: DataConfig) -> ImageTraits:
    """Compute what the decoded training images have in common.

    Args:
        footage: The images. Each image is a clip.
        files: The files of the images, by the names of the clips.
        data: The settings, with the range of the pixel values.
    """
    looks = [
        look_of(files[clip.name], footage.frames[clip.span], data.megapixels)
        for clip in footage.clips
    ]
    by_shape = sorted(looks, key=lambda look: look.shape)
    middle = by_shape[len(looks) // 2]
    sides = [look.side for look in looks]
    brightness = [look.brightness for look in looks]
    return ImageTraits(
        black=data.black,
        white=data.white,
        bits=tuple(sorted({look.bits for look in looks})),
        size=(middle.width, middle.height),
        shape=(by_shape[0].shape, by_shape[-1].shape),
        side=(min(sides), max(sides)),
        colour=(min(look.colour for look in looks), max(look.colour for look in looks)),
        brightness=(min(brightness), max(brightness)),
        whitest=max(look.white for look in looks),
    )


def notes_on_training(footage: Footage, traits: ImageTraits, root: Path) -> list[str]:
    """Return notes on images whose pixels are all equal, and on images of different kinds.

    Args:
        footage: The training images. Each image is a clip.
        traits: What these images have in common.
        root: The folder of the images, for the notes.

    Raises:
        DmadError: Every image has a single colour, or some images look like masks and others do
            not.
    """
    shares = {clip.name: _main_share(footage.frames[clip.span]) for clip in footage.clips}
    empty = [name for name, share in shares.items() if share == 1]
    require(
        not empty or len(empty) < len(shares),
        f"all {len(shares)} good images under {root} have a single colour, such as "
        f"{''.join(empty[:1])}; give images of parts",
    )
    masks = [name for name, share in shares.items() if MASK <= share < 1]
    others = [share for share in shares.values() if share < MASK]
    require(
        not (masks and others and np.median(others) < PHOTOGRAPH),
        f"{len(masks)} of {len(shares)} good images under {root} look like masks, such as "
        f"{''.join(masks[:1])}; put masks into a folder named ground_truth",
    )
    notes = []
    if empty:
        notes.append(
            f"{len(empty)} of {len(shares)} good images have a single colour "
            f"({first_names(empty)}); remove them if they show no part"
        )
    low, high = traits.shape
    if high > low * SAME_SHAPE:
        notes.append(
            f"the good images have different shapes (width / height from {low:.2f} to {high:.2f}); "
            "each image is resized to a square"
        )
    if len(traits.bits) > 1:
        kinds = " and ".join(map(_value_kind, traits.bits))
        notes.append(f"the good images have {kinds} values")
    if traits.colour[0] < GREY / 10 and traits.colour[1] > 5 * GREY:
        notes.append("some of the good images are grey and others have colours")
    return [f"{root}: {note}" for note in notes]


def _value_kind(bits: str) -> str:
    """Return an adjective for `ImageLook.bits`, such as "8-bit"."""
    return f"{bits}-bit" if bits.isdigit() else bits


def _main_share(frames: Frames) -> float:
    """Return the share of the pixels that have one of the two most common grey levels.

    An image with a share near 1 looks like a mask. In a mask, the two levels are far apart, so the
    result is 0 if they are near each other. The result is 1 if all pixels have the same level.
    """
    levels = frames.max(-1)
    counts = np.bincount(levels.ravel(), minlength=256)
    if counts.max() == levels.size:
        return 1.0
    first, second = np.argsort(counts)[-2:]
    is_far = abs(int(first) - int(second)) > FAR
    return float(counts[[first, second]].sum() / levels.size) if is_far else 0.0
