"""Masks are read in every form in which data sets store them."""

import json
import subprocess

import numpy as np
import pytest
import tifffile
from PIL import Image
from scipy.io import savemat

from dmad.data.masks import (
    is_labelme,
    load_array,
    masks_of_reader,
    read_mask,
    read_masks_of_clip,
    resize_mask,
)
from dmad.errors import DmadError


def test_folders_arrays_and_mat_files_hold_the_same_masks(write_masks, write_volume, tmp_path):
    folder = write_masks(tmp_path / "masks", [0, 1, 1])
    expected = np.stack(list(read_masks_of_clip(folder)))
    assert expected.shape == (3, 20, 40)
    assert expected.any((1, 2)).tolist() == [False, True, True]
    np.save(tmp_path / "masks.npy", expected.astype(np.uint8) * 255)
    volume = write_volume(tmp_path / "1_label.mat", [0, 1, 1])
    for path in (tmp_path / "masks.npy", volume):
        np.testing.assert_array_equal(list(read_masks_of_clip(path)), expected)


@pytest.mark.parametrize("kind", ["turned", "transparent", "jpeg"])
def test_turned_transparent_and_compressed_masks_are_read(tmp_path, kind) -> None:
    drawn = np.zeros((40, 20), np.uint8)
    drawn[:10, :10] = 255
    path = tmp_path / ("mask.jpg" if kind == "jpeg" else "mask.png")
    if kind == "turned":
        exif = Image.Exif()
        exif[0x0112] = 6  # to be turned by 90 degrees clockwise
        Image.fromarray(np.rot90(drawn)).save(path, exif=exif)
    elif kind == "transparent":
        white = Image.new("RGBA", (20, 40), "white")
        white.putalpha(Image.fromarray(drawn))
        white.save(path)
    else:
        Image.fromarray(drawn).save(path, quality=30)
    assert (read_mask(path) == (drawn > 0)).all()


@pytest.mark.parametrize("second", [2, 300, 5000])
@pytest.mark.parametrize("kind", ["grey", "red", "palette", "white is zero"])
def test_every_value_above_0_counts(tmp_path, kind, second) -> None:
    numbers = np.zeros((64, 64), np.uint16)
    numbers[10:20, 10:20], numbers[40:50, 40:50] = 1, second
    small = np.minimum(numbers, 255).astype(np.uint8)
    path = tmp_path / "mask.png"
    if kind == "grey":
        Image.fromarray(numbers).save(path)
    elif kind == "red":
        Image.fromarray(np.dstack([small, 0 * small, 0 * small])).save(path)
    elif kind == "palette":
        picture = Image.fromarray(small)
        picture.putpalette([0, 0, 0] + [9, 0, 0] * 255)
        picture.save(path)
    else:
        path = tmp_path / "mask.tif"
        tifffile.imwrite(path, numbers, photometric="miniswhite")
    assert (read_mask(path) == (numbers > 0)).all()


def test_the_mask_of_a_black_image_is_its_opaque_part(tmp_path) -> None:
    alpha = np.zeros((20, 30), np.uint8)
    alpha[:5, :8] = 255
    black = Image.new("RGBA", (30, 20))
    black.putalpha(Image.fromarray(alpha))
    black.save(tmp_path / "mask.png")
    assert (read_mask(tmp_path / "mask.png") == (alpha > 0)).all()
    black.putalpha(255)
    black.save(tmp_path / "opaque.png")
    assert not read_mask(tmp_path / "opaque.png").any()


def test_shapes_of_labelme_are_filled_and_other_shapes_are_refused(tmp_path) -> None:
    path = tmp_path / "a.json"
    shapes = [{"shape_type": "rectangle", "points": [[10, 10], [19, 19]]},
              {"shape_type": "circle", "points": [[40, 40], [45, 40]]}]  # fmt: skip
    tree = {"shapes": shapes, "imageHeight": 50, "imageWidth": 60}
    path.write_text(json.dumps(tree))
    assert is_labelme(path)
    mask = read_mask(path)
    assert mask.shape == (50, 60)
    assert mask[10:20, 10:20].all()
    assert 170 < mask.sum() < 200  # with the pixels on the borders
    path.write_text(json.dumps(tree | {"shapes": [{"shape_type": "line", "points": []}]}))
    with pytest.raises(DmadError, match="a shape is a line"):
        read_mask(path)
    path.write_text("[1")
    assert not is_labelme(path)


def test_a_mask_is_resized_by_nearest_neighbour():
    mask = np.zeros((20, 40), bool)
    mask[:, 30:] = True
    resized = resize_mask(mask, 16)
    assert resized.dtype == bool
    assert resized[:, 12:].all()
    assert not resized[:, :12].any()


@pytest.mark.parametrize("read", [read_mask, load_array])
def test_a_damaged_file_is_named(tmp_path, read):
    (tmp_path / "mask.png").write_bytes(b"rubbish")
    with pytest.raises(DmadError, match=r"mask\.png is not"):
        read(tmp_path / "mask.png")


def test_a_damaged_mat_file_is_one_line(write_volume, tmp_path):
    path = write_volume(tmp_path / "1_label.mat", [0, 1, 1])
    content = path.read_bytes()
    for damaged in (b"", b"no MATLAB file", content[: len(content) // 2]):
        path.write_bytes(damaged)
        with pytest.raises(DmadError, match="is not a readable MATLAB file") as caught:
            read_masks_of_clip(path)
        assert "\n" not in str(caught.value)


def test_a_mat_file_of_other_content_is_refused(tmp_path):
    savemat(tmp_path / "other.mat", {"labels": np.zeros(3)})
    with pytest.raises(DmadError, match="holds no `volLabel`"):
        read_masks_of_clip(tmp_path / "other.mat")


def test_the_end_of_the_reader_of_mat_files_is_one_line(write_volume, tmp_path):
    """A process that is killed, such as after an invalid access to memory, writes no message."""
    path = write_volume(tmp_path / "1_label.mat", [0])
    killed = subprocess.CompletedProcess([], -11, b"", b"")
    with pytest.raises(DmadError, match=r"is not a readable MATLAB file \(its reader ended with"):
        masks_of_reader(killed, path)
