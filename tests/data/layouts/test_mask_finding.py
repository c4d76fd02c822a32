"""Masks are told from photographs, and doubtful files are refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dmad.data.layouts.mask_finding import find_masks, image_name, looks_like_mask
from dmad.errors import DmadError


@pytest.fixture
def found(write_image, write_mask, tmp_path) -> Callable[..., set[str]]:
    """Writes photographs and masks, and returns the names of the files found to be masks."""

    def find(photographs: list[str], masks: list[str]) -> set[str]:
        paths = [write_image(name, seed) for seed, name in enumerate(photographs)]
        paths += [write_mask(name) for name in masks]
        return {
            path.relative_to(tmp_path / "data").as_posix()
            for path in find_masks(paths, tmp_path / "data")
        }

    return find


@pytest.mark.parametrize(
    "mask",
    ["7_GT.png", "7_mask_2.png", "7.mask.png", "7-Ground_Truth.png", "7_label.bmp", "7_seg.png",
     "7_defect.png", "7m.png", "mask_7.png", "label_7.png", "7.bmp", "Masks/7.png", "gt/a/7.png",
     "defect_masks/7.png", "labels/7.png", "annotations/7.png"],
)  # fmt: skip
def test_masks_are_found_by_their_names_or_pixels(found, mask) -> None:
    assert found(["7.png", "8.png"], [mask]) == {mask}


@pytest.mark.parametrize(
    "name", ["7_label.png", "7_2.png", "7b.png", "label_7.png", "labels/9.png", "7.bmp", "70.png"]
)
def test_photographs_with_names_of_masks_stay_photographs(found, name) -> None:
    assert found(["7.png", "8.png", name], []) == set()


def test_a_group_of_masks_and_photographs_is_refused(found) -> None:
    with pytest.raises(DmadError, match="may be masks or photographs"):
        found(["7.png", "8.png", "8_x.png"], ["7_x.png"])


def test_two_files_that_both_look_like_masks_are_refused(found) -> None:
    with pytest.raises(DmadError, match="all look like masks"):
        found([], ["7.png", "7.bmp"])


def test_the_name_of_the_image_is_in_the_name_of_the_mask() -> None:
    for name in ("a-mask.png", "A_mask_2.png", "gt_a.png", "a.png"):
        assert image_name(Path(name)) == "a"


def test_a_mask_in_a_jpeg_file_looks_like_one_and_a_dull_photograph_does_not(tmp_path) -> None:
    mask = np.zeros((80, 80), np.uint8)
    mask[:40, :40] = 255
    Image.fromarray(mask).save(tmp_path / "mask.jpg", quality=60)
    dull = np.random.default_rng(0).normal(200, 4, (80, 80)).astype(np.uint8)
    Image.fromarray(dull).save(tmp_path / "dull.jpg")
    Image.fromarray(0 * mask).save(tmp_path / "black.jpg")
    looks = [looks_like_mask(tmp_path / f"{name}.jpg") for name in ("mask", "dull", "black")]
    assert looks == [True, False, None]
