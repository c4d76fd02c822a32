"""The traits of the training images are stored, and images that differ are noticed."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from dmad.config import ImageDataConfig, plain
from dmad.data.image_traits import (
    ImageLook,
    ImageTraits,
    look_of,
    with_value_range,
)
from dmad.data.layouts.image_folders import ImageFile, scan
from dmad.errors import DmadError

LOOK = ImageLook(96, 96, "8", colour=0.0, brightness=90.0, white=0.0)
TRAITS = ImageTraits(
    black=0.0,
    white=-1.0,
    bits=("8",),
    size=(96, 96),
    shape=(1.0, 1.0),
    side=(96.0, 96.0),
    colour=(0.0, 0.0),
    brightness=(80.0, 110.0),
    whitest=0.0,
)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, ""),
        ({"width": 192}, "another shape (192 x 96 pixels instead of 96 x 96)"),
        ({"width": 400, "height": 400}, "another size"),
        ({"bits": "16"}, "16-bit values instead of 8-bit"),
        ({"bits": "float"}, "float values instead of 8-bit"),
        ({"colour": 0.5}, "colours"),
        ({"white": 0.4}, "much brighter"),
        ({"brightness": 10.0}, "much darker"),
    ],
)
def test_a_difference_from_the_training_images_is_named(changes, said) -> None:
    told = TRAITS.misfit(replace(LOOK, **changes))
    assert told.startswith(said)
    assert bool(told) == bool(said)


def test_grey_images_among_coloured_ones_are_noticed() -> None:
    assert replace(TRAITS, colour=(0.4, 0.9)).misfit(LOOK) == "no colours"


def test_the_traits_are_read_from_the_card() -> None:
    assert ImageTraits.from_card(plain(TRAITS)) == TRAITS
    assert ImageTraits.from_card(None) is None
    with pytest.raises(DmadError):
        ImageTraits.from_card(plain(TRAITS) | {"size": "large"})


def test_the_range_of_values_is_that_of_all_training_images(tmp_path) -> None:
    data = ImageDataConfig()
    for i, brightest in enumerate((900, 3900, 400)):
        pixels = np.tile(np.linspace(0, brightest, 60).astype(np.uint16), (60, 1))
        pixels[5, 5] = 60_000  # a hot pixel
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
    settled = with_value_range(data, scan(tmp_path).files)
    assert (settled.black, settled.white) == (0, 4096)
    assert with_value_range(replace(data, white=1000.0), scan(tmp_path).files).white == 1000
    assert with_value_range(data, []).white == -1


def test_the_traits_of_training_images_are_kept_for_the_card(write_image, load_images) -> None:
    for i in range(3):
        write_image(f"{i}.png", i, (60, 30))
    images = load_images("train").described["images"]
    traits = ImageTraits.from_card(images)
    assert traits is not None
    assert traits.size == (60, 30)
    assert traits.bits == ("8",)
    assert traits.colour[0] > 0.5


def test_training_images_of_one_value_and_of_different_shapes_are_reported(
    write_image, load_images, tmp_path, logged
) -> None:
    for i in range(3):
        write_image(f"{i}.png", i, (40, 40 + 10 * i))
    Image.new("L", (40, 40)).save(tmp_path / "data/black.png")
    load_images("train")
    told = logged()
    assert "1 of 4 good images have a single colour (black.png)" in told
    assert "different shapes (width / height from 0.67 to 1.00)" in told


def test_images_that_all_have_a_single_colour_are_refused(load_images, tmp_path) -> None:
    (tmp_path / "data").mkdir()
    for i in range(3):
        Image.new("L", (40, 40)).save(tmp_path / f"data/{i}.png")
    with pytest.raises(DmadError, match=r"all 3 good images .* have a single colour"):
        load_images("train")


def test_a_mask_is_never_trained_on(write_image, write_mask, load_images) -> None:
    for i in range(5):
        write_image(f"parts/{i}.png", i)
        write_mask(f"marked/{i}-x.png")
    with pytest.raises(DmadError, match=r"5 of 10 good images .* look like masks"):
        load_images("train")


def test_the_look_of_an_image_comes_from_its_header_and_its_frames(write_image) -> None:
    path = write_image("a.png", 0, (60, 30))
    frame = np.full((8, 8, 3), 255, np.uint8)
    look = look_of(ImageFile(path, "a.png", "unnamed", None), [frame], 250)
    assert look == ImageLook(60, 30, "8", colour=0.0, brightness=255.0, white=1.0)
