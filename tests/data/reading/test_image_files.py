"""Image files of every kind become upright images of 8 bits, or are refused."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from dmad.data.reading.decode import decode
from dmad.data.reading.frame_format import FrameFormat
from dmad.data.reading.image_files import (
    allow_large_images,
    deep_values,
    image_size,
    open_image,
    page_indices,
    resize_without_antialiasing,
    stored_values,
    upright,
    value_bits,
)
from dmad.data.reading.pixel_values import ValueRange, range_of
from dmad.errors import DmadError

TWELVE_BITS = ValueRange(0, 4096)


def read(path: Path, values: ValueRange | None = TWELVE_BITS, page: int = 0) -> np.ndarray:
    with open_image(path, page) as image:
        return np.asarray(upright(image, "RGB", values))


def write_png(path: Path, pixels: np.ndarray) -> Path:
    """Write a PNG file of 16 bits: grey, grey with alpha, colour, or colour with alpha."""
    height, width = pixels.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels.reshape(height, -1))
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[pixels.size // (height * width)]

    def chunk(name: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + check

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + body)
    return path


def turned(stored: np.ndarray, orientation: int) -> np.ndarray:
    """An array (H, W) as people see it, by the orientation in the EXIF data."""
    seen = stored.T if orientation > 4 else stored
    seen = seen[::-1] if orientation in (3, 4, 7, 8) else seen
    return seen[:, ::-1] if orientation in (2, 3, 6, 7) else seen


@pytest.fixture
def ramp() -> np.ndarray:
    """Grey values (16, 24) of 12 bits, brighter to the right and to the bottom."""
    return (np.add.outer(100 * np.arange(16), 100 * np.arange(24))).astype(np.uint16)


def test_grey_transparent_printed_and_palette_images_are_read_alike(tmp_path) -> None:
    grey = Image.fromarray(np.tile(np.arange(0, 200, 5, dtype=np.uint8), (40, 1)))
    grey.save(tmp_path / "grey.png")
    grey.convert("RGBA").save(tmp_path / "alpha.png")
    grey.convert("LA").save(tmp_path / "grey-alpha.png")
    grey.convert("CMYK").save(tmp_path / "print.jpg", quality=100)
    grey.convert("P").save(tmp_path / "palette.png")
    grey.convert("RGB").save(tmp_path / "colour.bmp")
    for path in tmp_path.iterdir():
        assert np.abs(read(path).astype(int) - np.asarray(grey)[..., None]).max() <= 3


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bit_png_files_of_12_bits_keep_all_their_grey_levels(tmp_path, ramp, channels) -> None:
    pixels = np.repeat(ramp[..., None], channels, -1)
    if channels in (2, 4):
        pixels[..., -1] = 65535
    path = write_png(tmp_path / "a.png", pixels)
    assert (read(path) == (ramp >> 4)[..., None]).all()
    with open_image(path) as image:
        assert value_bits(image) == "16"
        sample = deep_values(image)
        assert sample is not None
        assert sample.max() == ramp.max()


@pytest.mark.parametrize(
    "options", [{}, {"compression": "zlib"}, {"byteorder": ">"}, {"tile": (16, 16)}]
)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_16_bit_tiff_files_of_12_bits_keep_all_their_grey_levels(
    tmp_path, ramp, options, channels
) -> None:
    pixels = ramp if channels == 1 else np.repeat(ramp[..., None], channels, -1)
    if channels == 4:
        pixels[..., -1] = 65535
        options = options | {"extrasamples": ["unassalpha"]}
    kind = "minisblack" if channels == 1 else "rgb"
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric=kind, **options)
    assert (read(tmp_path / "a.tif") == (ramp >> 4)[..., None]).all()


def test_images_in_which_0_is_white_are_inverted_with_any_number_of_bits(tmp_path, ramp) -> None:
    for name, pixels in (("16", ramp), ("8", (ramp >> 4).astype(np.uint8)), ("float", ramp / 4096)):
        pixels = pixels.astype(np.float32) if name == "float" else pixels
        path = tmp_path / f"{name}.tif"
        tifffile.imwrite(path, pixels, photometric="miniswhite")
        values = ValueRange(0, 1) if name == "float" else TWELVE_BITS
        assert (read(path, values) == (255 - (ramp >> 4))[..., None]).all()


@pytest.mark.parametrize("kind", ["int8", "int16", "int32", "uint32", "float32"])
def test_signed_long_and_floating_point_values_are_read(tmp_path, ramp, kind) -> None:
    shift = 64 if kind == "int8" else 0 if kind[0] in "uf" else 2000
    values = (ramp >> 5 if kind == "int8" else ramp).astype(np.float64) - shift
    values *= 1_000_000 if kind == "uint32" else 1
    tifffile.imwrite(tmp_path / "a.tif", values.astype(kind))
    read_values = read(tmp_path / "a.tif", None)[..., 0].astype(int)
    order = np.argsort(values.ravel(), kind="stable")
    assert (np.diff(read_values.ravel()[order]) >= 0).all()
    assert np.ptp(read_values) > 200


@pytest.mark.parametrize(
    ("pixels", "options"),
    [
        (np.zeros((3, 16, 24), np.uint16), {"photometric": "rgb", "planarconfig": "separate"}),
        (np.zeros((16, 24, 4), np.uint16), {"photometric": "separated"}),
        (np.zeros((16, 24, 3), np.float32), {"photometric": "rgb"}),
        (np.zeros((16, 24), np.float64), {}),
    ],
)
def test_images_that_pillow_would_read_wrongly_are_refused(tmp_path, pixels, options) -> None:
    tifffile.imwrite(tmp_path / "a.tif", pixels, **options)
    with pytest.raises(DmadError):
        read(tmp_path / "a.tif")


def test_without_a_given_range_the_largest_value_decides_between_8_12_and_16_bits(
    tmp_path, load_images
) -> None:
    (tmp_path / "data").mkdir()
    for name, value in (("16", 200 * 257), ("12", 200 * 16), ("8", 200)):
        pixels = np.full((40, 40), value, np.uint16)
        pixels[:20] = 0
        Image.fromarray(pixels).save(tmp_path / "data" / f"{name}.png")
    frames = load_images("train", white=-1).footage.frames
    assert (frames[:, -1] == 200).all()


def test_transparent_pixels_are_black_unless_all_are_transparent(tmp_path) -> None:
    pixels = np.full((40, 40, 4), 120, np.uint8)
    pixels[..., 3] = 0
    Image.fromarray(pixels).save(tmp_path / "all.png")
    assert (read(tmp_path / "all.png") == 120).all()
    pixels[20:, :, 3] = 255
    Image.fromarray(pixels).save(tmp_path / "half.png")
    half = read(tmp_path / "half.png")
    assert (half[20:] == 120).all()
    assert (half[:20] == 0).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_upright(tmp_path, ramp, orientation) -> None:
    stored, exif = (ramp >> 4).astype(np.uint8), Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(stored).save(tmp_path / "eight.png", exif=exif)
    Image.fromarray(ramp).save(tmp_path / "deep.png", exif=exif)
    tag = [(274, 3, 1, orientation, True)]
    tifffile.imwrite(tmp_path / "eight.tif", stored, extratags=tag)
    tifffile.imwrite(tmp_path / "deep.tif", ramp, extratags=tag)
    tifffile.imwrite(tmp_path / "packed.tif", ramp, extratags=tag, compression="zlib")
    expected = turned(stored, orientation)
    for path in tmp_path.iterdir():
        assert (read(path)[..., 0] == expected).all(), path.name
        assert image_size(path) == expected.shape[::-1]


def test_each_page_of_a_tiff_file_is_an_image(tmp_path, ramp) -> None:
    path = tmp_path / "tray.tif"
    with tifffile.TiffWriter(path) as file:
        for page in range(3):
            file.write(ramp + page * 100)
        file.write(ramp[::2, ::2], subfiletype=1)  # a smaller copy
    assert page_indices(path) == [0, 1, 2]
    assert (read(path, page=2) == ((ramp + 200) >> 4)[..., None]).all()
    Image.fromarray(ramp).save(tmp_path / "one.png")
    assert page_indices(tmp_path / "one.png") == [0]
    (tmp_path / "broken.tif").write_bytes(b"II*\0 rubbish")
    assert page_indices(tmp_path / "broken.tif") == [0]


def test_stored_values_are_not_changed(tmp_path, ramp) -> None:
    tifffile.imwrite(tmp_path / "a.tif", ramp, photometric="miniswhite")
    tifffile.imwrite(tmp_path / "b.tif", (ramp >> 4).astype(np.uint8), photometric="miniswhite")
    for name, expected in (("a", ramp), ("b", ramp >> 4)):
        with open_image(tmp_path / f"{name}.tif") as image:
            assert (stored_values(image)[..., 0] == expected).all()


PHOTOMETRIC = {"white is zero": "miniswhite", "black is zero": "minisblack"}
PILLOW = ["png L", "png LA", "png RGB", "png RGBA", "png P", "png 1", "jpg L", "jpg RGB",
          "jpg CMYK", "bmp L", "bmp RGB", "webp RGB", "webp RGBA", "tif L", "tif RGB",
          "tif CMYK"]  # fmt: skip
DEEP_PNG = ["png16 1", "png16 2", "png16 3", "png16 4"]
NUMBERS = ("uint8", "uint16", "int8", "int16", "uint32", "float32", "float64")
GREY_TIFF = [f"{zero}, {number}" for zero in PHOTOMETRIC for number in NUMBERS]
COLOUR_TIFF = ["uint8", "uint16", "uint8 separate", "uint16 separate", "float32", "uint16 zlib"]
KINDS = [*PILLOW, *DEEP_PNG, *GREY_TIFF, *COLOUR_TIFF]


def write_kind(
    path: Path, kind: str, light: np.ndarray, random: np.random.Generator, orientation: int
) -> Path:
    """Write a picture of brightness (H, W), 0 to 1, in one of `KINDS`."""
    bits = int(random.choice((12, 14, 16)))
    colours = np.repeat(light[..., None], 3, -1)
    if kind in PILLOW:
        form, mode = kind.split()
        picture = Image.fromarray((255 * light).astype(np.uint8)).convert("RGB").convert(mode)
        if mode.endswith("A"):
            picture.putalpha(int(random.choice((0, 255))))
        exif = Image.Exif()
        exif[0x0112] = orientation
        options = {} if form == "bmp" else {"exif": exif}
        options |= {"exact": True} if form == "webp" else {}  # keeps transparent colours
        picture.save(path.with_suffix(f".{form}"), **options)
        return path.with_suffix(f".{form}")
    if kind in DEEP_PNG:
        channels = int(kind[-1])
        values = (colours if channels > 2 else light[..., None]) * (2**bits - 1)
        alpha = np.full((*light.shape, 1), random.choice((0, 65535)))
        values = np.concatenate([values, alpha], -1) if channels in (2, 4) else values
        return write_png(path.with_suffix(".png"), values.astype(np.uint16))
    words = kind.rsplit(", ", maxsplit=1)[-1].split()
    dtype = np.dtype(words[0])
    largest = 1.0 if dtype.kind == "f" else min(2.0**bits - 1, np.iinfo(dtype).max)
    grey = kind in GREY_TIFF
    values = (light if grey else colours) * largest
    values = values - largest / 2 if dtype.kind == "i" else values
    tiff: dict = {"photometric": PHOTOMETRIC[kind.split(", ", maxsplit=1)[0]] if grey else "rgb"}
    if "separate" in words:
        values, tiff["planarconfig"] = np.moveaxis(values, -1, 0), "separate"
    if grey and "white" in kind:
        values = (0 if dtype.kind == "i" else largest) - values
    if "zlib" in words or random.random() < 0.3:
        tiff["compression"] = "zlib"
    with tifffile.TiffWriter(path.with_suffix(".tif"), byteorder=random.choice(("<", ">"))) as file:
        for _ in range(int(random.integers(1, 3))):
            tags = [(274, 3, 1, orientation, True)]
            file.write(values.astype(dtype), contiguous=False, extratags=tags, **tiff)
    return path.with_suffix(".tif")


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_brightest_area_stays_the_brightest_in_images_of_40_kinds(tmp_path) -> None:
    assert len(KINDS) == 40
    random, refused = np.random.default_rng(0), set()
    for number in range(300):
        kind = KINDS[number % len(KINDS)]
        height, width = random.integers(12, 90, 2)
        light = np.full((height, width), 0.1)
        light[: height // 3], light[-height // 3 :] = 0.9, 0.5
        orientation = 1 if kind.split()[0] in ("bmp", "png16") else int(random.integers(1, 9))
        path = write_kind(tmp_path / f"{number}", kind, light, random, orientation)
        try:
            with open_image(path) as image:
                sample = deep_values(image)
            values = None if sample is None else range_of(sample)
            pixels = read(path, values).mean(-1)
        except DmadError:
            refused.add(kind)
            continue
        areas = turned(np.round(light * 10), orientation)
        assert pixels.shape == areas.shape == image_size(path)[::-1], kind
        bright, middle, dark = (float(np.median(pixels[areas == area])) for area in (9, 5, 1))
        if kind == "png 1":
            assert bright == 255 > dark == 0
        else:
            assert bright > middle > dark, kind
    assert refused <= {
        "uint16 separate", "float32", "black is zero, float64", "white is zero, float64",
        "white is zero, int8", "white is zero, int16", "white is zero, uint32",
        "white is zero, uint16", "black is zero, uint32",  # big-endian files alone
    }  # fmt: skip


def test_resizing_without_antialiasing_keeps_the_corners_of_a_ramp():
    ramp = np.tile(np.arange(0, 240, 10, dtype=np.uint8), (24, 1))
    resized = resize_without_antialiasing(Image.fromarray(ramp), 12)
    assert resized.shape == (12, 12, 1)
    np.testing.assert_allclose(resized[5, :, 0], np.arange(12) * 20 + 5, atol=1)


def test_an_image_with_too_many_or_too_few_pixels_is_refused_before_it_is_decoded(tmp_path):
    Image.new("L", (400, 400), 9).save(tmp_path / "a.png")
    told: list[str] = []
    assert not list(decode(tmp_path / "a.png", FrameFormat(32, megapixels=0.1), told.append))
    assert "400 x 400 pixels are more than 0.1 million" in told[0]
    assert len(list(decode(tmp_path / "a.png", FrameFormat(32, megapixels=0.2)))) == 1
    Image.new("L", (1, 1)).save(tmp_path / "b.png")
    assert not list(decode(tmp_path / "b.png", FrameFormat(32), told.append))
    assert "1 x 1 pixels are too few" in told[1]


def test_only_photographs_in_regular_files_are_opened(tmp_path):
    (tmp_path / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    for path in (tmp_path / "a.png", tmp_path):
        with pytest.raises(DmadError), open_image(path):
            pass


def test_an_image_larger_than_the_limit_of_pillow_is_reported(tmp_path, monkeypatch):
    Image.new("L", (40, 40)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(DmadError, match="MAX_IMAGE_PIXELS"), open_image(tmp_path / "a.png"):
        pass
    assert Image.MAX_IMAGE_PIXELS == 100
    allow_large_images()
    with open_image(tmp_path / "a.png") as image:
        assert image.size == (40, 40)
