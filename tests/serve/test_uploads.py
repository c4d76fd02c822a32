import asyncio
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from starlette.requests import Request

from dmad.data.reading.frame_format import FrameFormat
from dmad.data.reading.image_files import read_frames
from dmad.serve.uploads import UploadError, clean_name, decode_image, read_image

FORMAT = FrameFormat(64, 3, megapixels=50)


def request(body: bytes, kind: str = "image/png", query: str = "", length: bool = True) -> Request:
    """A request that arrives in pieces of 1000 bytes."""
    headers = [(b"content-type", kind.encode())] if kind else []
    if length:
        headers.append((b"content-length", str(len(body)).encode()))
    pieces = [body[start : start + 1000] for start in range(0, len(body), 1000)] or [b""]
    messages = [
        {"type": "http.request", "body": piece, "more_body": index < len(pieces) - 1}
        for index, piece in enumerate(pieces)
    ]

    async def receive():
        return messages.pop(0)

    scope = {"type": "http", "method": "POST", "headers": headers, "query_string": query.encode()}
    return Request({**scope, "path": "/", "server": ("localhost", 80), "scheme": "http"}, receive)


def read(*arguments, megabytes: float = 1.0, **options) -> tuple[bytes, str]:
    return asyncio.run(read_image(request(*arguments, **options), megabytes))


def form(content: bytes, field: str = "image", name: str = "a.png") -> tuple[bytes, str]:
    head = f'--XX\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n'
    return head.encode() + content + b"\r\n--XX--\r\n", "multipart/form-data; boundary=XX"


def test_an_image_is_the_body_or_a_field_of_a_form():
    assert read(b"image", query="name=part.png") == (b"image", "part.png")
    assert read(b"image", kind="") == (b"image", "part")
    assert read(*form(b"image")) == (b"image", "a.png")


@pytest.mark.parametrize(
    ("arguments", "status", "hint"),
    [
        ((b"",), 400, "the body is empty"),
        ((b"{}", "application/json"), 415, "is no image"),
        ((b"x" * 2_000_000,), 413, "larger than 1 MB"),
        (form(b"", name=""), 400, "the image file is empty"),
        (form(b"image", field="other"), 400, "no file `image`"),
        ((b"nothing", "multipart/form-data; boundary=XX"), 400, "cannot be read"),
        ((b"nothing", "multipart/form-data"), 400, "cannot be read"),
    ],
)
def test_other_bodies_are_refused_with_what_to_do(arguments, status, hint):
    with pytest.raises(UploadError, match=hint) as refusal:
        read(*arguments)
    assert refusal.value.status == status


@pytest.mark.parametrize("arguments", [(b"x" * 3_000_000,), form(b"x" * 3_000_000)])
def test_a_body_that_does_not_state_its_length_is_cut_off(arguments):
    with pytest.raises(UploadError, match="larger than 1 MB"):
        read(*arguments, length=False)


def test_frames_are_those_of_the_file(good):
    upload = decode_image(good.read_bytes(), FORMAT)
    expected, _ = read_frames(good, FORMAT)
    assert np.array_equal(upload.frames, expected)
    assert upload.picture.shape == (64, 64, 3)


def huge_png(width: int, height: int) -> bytes:
    """A PNG file of some bytes that states many pixels."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = b""
    for name, data in ((b"IHDR", head), (b"IDAT", zlib.compress(b"\0" * 100)), (b"IEND", b"")):
        check = struct.pack(">I", zlib.crc32(name + data))
        chunks += struct.pack(">I", len(data)) + name + data + check
    return b"\x89PNG\r\n\x1a\n" + chunks


def test_the_number_of_pixels_is_checked_before_decoding(monkeypatch):
    monkeypatch.setattr("dmad.serve.uploads.frames_of_image", None)  # would raise a TypeError
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 89_478_485)  # Pillow's own limit
    with pytest.raises(UploadError, match="too many pixels") as large:
        decode_image(huge_png(20_000, 20_000), FORMAT)
    assert large.value.status == 413
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)  # as the command line does
    with pytest.raises(UploadError, match="10000 x 10000 pixels are more than 50 million") as large:
        decode_image(huge_png(10_000, 10_000), FORMAT)
    assert large.value.status == 413


def test_a_model_for_larger_images_does_not_raise_the_limit(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    with pytest.raises(UploadError, match="more than 64 million") as large:
        decode_image(huge_png(10_000, 10_000), FrameFormat(64, 3, megapixels=250))
    assert large.value.status == 413


def test_damaged_images_are_refused(good):
    content = good.read_bytes()
    with pytest.raises(UploadError, match="damaged") as damaged:
        decode_image(content[: len(content) // 2], FORMAT)
    assert damaged.value.status == 400
    with pytest.raises(UploadError, match="send PNG, JPEG") as unknown:
        decode_image(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", FORMAT)
    assert unknown.value.status == 415


@pytest.mark.parametrize(
    ("name", "clean"),
    [("a.png", "a.png"), ("../../etc/x.png", "x.png"), ("c:\\x\\y.png", "y.png"), ("", "part"),
     ("a\x00\nb", "ab"), ("\ud800", "part"), ("x" * 500, "x" * 120)],
)  # fmt: skip
def test_names_have_no_folders_and_no_control_characters(name, clean):
    assert clean_name(name) == clean
