"""Which pixel values become black and white, for images with more than 8 bits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, log2

import numpy as np

HIDDEN = 0.001  # share of pixels that may be outside the range: hot pixels and reflections
MARGIN = 0.1  # a range is wider than its values by this share on each side
MOST_HOT = 100  # if more pixels of an array are too bright, they are a reflection and not hot
SAMPLED = 1_000_000  # values that are enough to find a range


@dataclass(frozen=True)
class ValueRange:
    """The pixel values that become black and white when an image is converted to 8 bits.

    Values from `black` to below `white` are spread over the 256 grey levels. Lower values become
    black, and higher values become white. With `black` 0 and `white` 4096, an image of 12 bits
    keeps its highest 8 bits.
    """

    black: float
    white: float

    def to_bytes(self, values: np.ndarray) -> np.ndarray:
        """Convert values of any shape and type to uint8. NaN becomes black."""
        if values.dtype.kind == "u" and values.dtype.itemsize == 2:
            return np.asarray(self._grey(np.arange(2**16))[values])
        return self._grey(values)

    def _grey(self, values: np.ndarray) -> np.ndarray:
        levels = (values.astype(np.float64) - self.black) * (256 / (self.white - self.black))
        grey: np.ndarray = np.nan_to_num(levels, posinf=255, neginf=0).clip(0, 255).astype(np.uint8)
        return grey


def without_hot_pixels(values: np.ndarray, white: float) -> np.ndarray:
    """Replace hot pixels by the median of their neighbours.

    A hot pixel is a fault of the sensor: its value is `white` or more, and all its neighbours have
    less. It would look like a white speck.

    Args:
        values: Grey values (H, W). Colours (H, W, 3) are returned as they are.
        white: The value that becomes white.
    """
    if values.ndim != 2:
        return values
    rows, columns = np.nonzero(values >= white)
    if not 0 < len(rows) <= MOST_HOT:
        return values
    repaired = values.copy()
    for row, column in zip(rows, columns, strict=True):
        around = values[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
        darker = around[around < white]
        if len(darker) == around.size - 1 > 0:
            repaired[row, column] = np.median(darker)
    return repaired


def range_of(values: np.ndarray) -> ValueRange:
    """The range of a data set, from a sample (N,) of the values of its images.

    One value in a thousand may be outside the range, so that a few very bright pixels do not darken
    all other pixels. The range begins at 0 and ends at the smallest power of two above the values.
    If some values are negative, or if they are floating-point numbers far from 0, the range begins
    below the lowest value and ends above the highest value.
    """
    values = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    if not len(values):
        return ValueRange(0, 256)
    low, high = (float(one) for one in np.quantile(values, (HIDDEN, 1 - HIDDEN)))
    whole_numbers = values.dtype.kind != "f"
    if low < 0 or (not whole_numbers and low > high / 2):
        free = MARGIN * max(high - low, 1e-9 * abs(high), 1e-9)
        return ValueRange(low - free, high + free)
    return ValueRange(0, _power_above(high, whole_numbers))


def range_of_one(strips: Sequence[np.ndarray]) -> ValueRange:
    """The range of one image, or of all frames of one folder.

    The range begins at 0 and has 8, 12 or 16 bits, or more if the values need more. One value in a
    thousand may be above the range. For floating-point and negative numbers, the range is computed
    by `range_of`.

    Args:
        strips: Arrays of values: each has some rows of the image, or values of one frame.
    """
    count = sum(strip.size for strip in strips)
    step = max(1, count // SAMPLED)
    values = np.concatenate([strip.ravel()[::step] for strip in strips])
    if values.dtype.kind == "f" or min(strip.min() for strip in strips) < 0:
        return range_of(values)
    largest = int(np.quantile(values, 1 - HIDDEN, method="higher"))
    bits = next((bits for bits in (8, 12, 16) if largest < 2**bits), largest.bit_length())
    return ValueRange(0, 2**bits)


def _power_above(value: float, whole_numbers: bool) -> float:
    """The smallest power of two above a value: at least 256 for whole numbers."""
    if value <= 0:
        return 256.0 if whole_numbers else 1.0
    power = 2.0 ** ceil(log2(value))
    power = 2 * power if power == value and whole_numbers else power
    return max(power, 256.0) if whole_numbers else power
