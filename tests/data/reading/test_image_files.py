"""Image files of every kind become upright images of 8 bits."""

import numpy as np
import pytest
from PIL import Image

from dmad.data.reading import image_files
from dmad.data.reading.image_files import (
    allow_large_images,
    image_size,
    open_image,
    resize_without_antialiasing,
    upright,
)
from dmad.errors import DmadError


def test_grey_16_bit_transparent_printed_and_palette_images_are_read_alike(
    tmp_path, load_images
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    grey = Image.new("L", (40, 40), 200)
    grey.save(folder / "grey.png")
    grey.convert("RGBA").save(folder / "alpha.png")
    grey.convert("CMYK").save(folder / "print.jpg", quality=100)
    grey.convert("P").save(folder / "palette.png")
    grey.convert("RGB").save(folder / "colour.bmp")
    Image.fromarray(np.full((40, 40), 200 * 257, np.uint16)).save(folder / "deep.tif")
    found = load_images("train").footage
    assert found.skipped == ()
    assert len(found.clips) == 6
    assert np.abs(found.frames.astype(int) - 200).max() <= 2


def test_images_of_12_bits_and_of_8_bits_stored_in_16_are_read(tmp_path, load_images) -> None:
    (tmp_path / "data").mkdir()
    for name, value in (("16", 200 * 257), ("12", 200 * 16), ("8", 200)):
        deep = Image.fromarray(np.full((40, 40), value, np.uint16))
        deep.save(tmp_path / "data" / f"{name}.png")
    assert (load_images("train").footage.frames == 200).all()


def test_transparent_pixels_are_black(tmp_path, load_images) -> None:
    (tmp_path / "data").mkdir()
    for i, hidden in enumerate(((255, 0, 255, 0), (120, 120, 120, 0))):
        Image.new("RGBA", (40, 40), hidden).save(tmp_path / "data" / f"{i}.png")
    assert (load_images("train").footage.frames == 0).all()


def test_images_are_turned_upright(tmp_path, write_image, load_images) -> None:
    picture = np.zeros((20, 40, 3), np.uint8)
    picture[:, :20] = 255  # white on the left; turned by a quarter, on top
    exif = Image.Exif()
    exif[0x0112] = 6
    path = write_image("b.png")
    Image.fromarray(picture).save(path.with_name("a.png"), exif=exif)
    assert image_size(path.with_name("a.png")) == (20, 40)
    deep = picture[..., 0].astype(np.uint16) * 257
    Image.fromarray(deep).save(path.with_name("c.png"), exif=exif)
    whole = load_images("train").footage.frames
    for image in (whole[0], whole[2]):  # of 8 bits and of 16
        assert image[:14].min() == 255
        assert image[18:].max() == 0


def test_floating_point_pixels_are_refused():
    image = Image.fromarray(np.full((20, 20), 0.5, np.float32))
    with pytest.raises(DmadError, match="floating-point numbers"):
        upright(image, "L")


def test_resizing_without_antialiasing_keeps_the_corners_of_a_ramp():
    ramp = np.tile(np.arange(0, 240, 10, dtype=np.uint8), (24, 1))
    resized = resize_without_antialiasing(Image.fromarray(ramp), 12)
    assert resized.shape == (12, 12, 1)
    np.testing.assert_allclose(resized[5, :, 0], np.arange(12) * 20 + 5, atol=1)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_an_image_of_100_megapixels_is_read(tmp_path, write_image, load_images):
    write_image("a.png")
    Image.new("L", (10_000, 10_000), 120).save(tmp_path / "data" / "b.png")
    frames = load_images("train").footage.frames
    assert len(frames) == 2
    assert (frames[1] == 120).all()


def test_an_image_larger_than_the_limit_of_pillow_is_reported(tmp_path, monkeypatch):
    Image.new("L", (40, 40)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(DmadError, match="MAX_IMAGE_PIXELS"), open_image(tmp_path / "a.png"):
        pass
    assert Image.MAX_IMAGE_PIXELS == 100


def test_the_command_line_replaces_that_limit_by_its_own(tmp_path, monkeypatch):
    Image.new("L", (40, 40)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    allow_large_images()
    with open_image(tmp_path / "a.png") as image:
        assert image.size == (40, 40)
    monkeypatch.setattr(image_files, "MOST_PIXELS", 1599)
    with pytest.raises(DmadError, match="40 x 40 pixels"), open_image(tmp_path / "a.png"):
        pass
