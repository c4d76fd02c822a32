"""All images of a data set get the same range of pixel values."""

import numpy as np
import pytest

from dmad.data.reading.pixel_values import (
    MOST_HOT,
    ValueRange,
    range_of,
    range_of_one,
    without_hot_pixels,
)


def test_a_few_very_bright_pixels_do_not_widen_the_range() -> None:
    values = np.random.default_rng(0).integers(0, 4000, 100_000).astype(np.uint16)
    values[:50] = 60_000
    assert range_of(values) == ValueRange(0, 4096)
    values[:500] = 60_000
    assert range_of(values) == ValueRange(0, 65536)


@pytest.mark.parametrize(("largest", "white"), [(100, 256), (255, 256), (256, 512), (16383, 16384)])
def test_whole_numbers_get_the_fewest_bits_that_hold_them(largest, white) -> None:
    assert range_of(np.array([0, largest, largest], np.uint16)) == ValueRange(0, white)


def test_floating_point_and_signed_numbers_are_spread() -> None:
    assert range_of(np.linspace(0, 0.9, 999)) == ValueRange(0, 1)
    heights = range_of(np.linspace(1000.0, 1001.0, 999))
    assert 999.5 < heights.black < 1000
    assert 1001 < heights.white < 1001.5
    signed = range_of(np.linspace(-1000, 1000, 999).astype(np.int16))
    assert signed.black < -1000 < 1000 < signed.white
    assert range_of(np.array([np.nan, np.inf])) == ValueRange(0, 256)


def test_the_range_of_a_single_image_has_8_12_or_16_bits() -> None:
    for largest, white in ((250, 256), (300, 4096), (4096, 65536), (70_000, 131_072)):
        strips = [np.array([[0, 5]], np.uint32), np.array([[largest, 1]], np.uint32)]
        assert range_of_one(strips) == ValueRange(0, white)


def test_values_become_the_highest_8_bits_and_are_cut_at_both_ends() -> None:
    values = np.array([0, 15, 16, 4095, 5000], np.uint16)
    assert ValueRange(0, 4096).to_bytes(values).tolist() == [0, 0, 1, 255, 255]
    odd = np.array([np.nan, -np.inf, -3.0, 0.5, np.inf], np.float32)
    assert ValueRange(0, 1).to_bytes(odd).tolist() == [0, 0, 0, 128, 255]


def test_single_pixels_above_white_become_the_median_of_their_neighbours() -> None:
    values = np.full((20, 30), 800, np.uint16)
    values[5, 5] = values[0, 0] = 5200
    assert (without_hot_pixels(values, 4096) == 800).all()
    assert values[5, 5] == 5200


def test_reflections_defects_in_the_range_and_colours_stay_as_they_are() -> None:
    values = np.full((20, 30), 800, np.uint16)
    values[5:7, 5] = 5200
    values[9, 9] = 4000
    assert (without_hot_pixels(values, 4096) == values).all()
    values[::2, ::2] = 5200
    assert (values >= 4096).sum() > MOST_HOT
    assert (without_hot_pixels(values, 4096) == values).all()
    colours = np.repeat(values[..., None], 3, 2)
    assert without_hot_pixels(colours, 4096) is colours
