"""Reads uploaded images. The size of an image is checked before it is decoded."""

from __future__ import annotations

import io
from collections.abc import AsyncGenerator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from dmad.data.reading.frame_format import Frame, FrameFormat
from dmad.data.reading.image_files import FORMATS, frames_of_image, upright
from dmad.errors import DmadError, one_line

PICTURE_SIDE = 800  # longest side of a picture that is shown, in pixels
FIELD = "image"
LONGEST_NAME = 120  # characters
MEGAPIXELS = 64.0  # million pixels of the largest image; even a small file may contain more


class UploadError(DmadError):
    """An upload that cannot be judged.

    Args:
        status: Status of the answer: 400, 413 or 415.
        message: What is wrong, and what to do.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, eq=False)
class Upload:
    """An uploaded image."""

    frames: list[Frame]  # the image or its tiles, as the model takes them
    picture: NDArray[np.uint8]  # (h, w, 3) for pages; h and w are at most `PICTURE_SIDE`


async def read_image(request: Request, megabytes: float) -> tuple[bytes, str]:
    """Return the bytes and the name of the image in a request. Nothing is written to disk.

    The body is the image file, or a form with a field `image`.

    Raises:
        UploadError: The body is too large, is empty, or is neither an image nor such a form.
    """
    most = int(megabytes * 1e6)
    too_large = UploadError(
        413, f"the image file is larger than {megabytes:g} MB; send a smaller file"
    )
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > most + 10_000:
        raise too_large
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    name = request.query_params.get("name", "")
    if kind == "multipart/form-data":
        return await _image_of_form(request, most, name, too_large)
    if kind and not kind.startswith(("image/", "application/octet-stream", "application/x-www")):
        raise UploadError(
            415, f"a body of the type {kind[:60]!r} is no image; send an image file as the body"
        )
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > most:
            raise too_large
    if not body:
        raise UploadError(400, "the body is empty; send an image file as the body")
    return bytes(body), clean_name(name)


async def _image_of_form(
    request: Request, most: int, name: str, too_large: UploadError
) -> tuple[bytes, str]:
    async def pieces() -> AsyncGenerator[bytes, None]:
        total = 0
        async for piece in request.stream():
            total += len(piece)
            if total > most + 10_000:
                raise too_large
            yield piece

    try:
        parser = MultiPartParser(
            request.headers, pieces(), max_files=1, max_fields=4, max_part_size=most
        )
        parser.spool_max_size = most + 1  # so the file stays in memory
        form = await parser.parse()
    except (MultiPartException, KeyError, ValueError) as error:
        raise UploadError(
            400, f"the form cannot be read ({one_line(error)[:80]}); send one field `{FIELD}`"
        ) from error
    try:
        file = form.get(FIELD)
        if file is None or isinstance(file, str):
            raise UploadError(400, f"the form has no file `{FIELD}`; send `-F {FIELD}=@part.png`")
        body = await file.read()
    finally:
        await form.close()
    if not body:
        raise UploadError(400, "the image file is empty; send another")
    return body, clean_name(name or file.filename or "")


def clean_name(name: str) -> str:
    """Return a name of an image without folders and control characters."""
    last = name.replace("\\", "/").rpartition("/")[2]
    printable = "".join(char for char in last if char.isprintable())
    return printable[:LONGEST_NAME] or "part"


def decode_image(body: bytes, frame_format: FrameFormat) -> Upload:
    """Decode an image into frames in the format of the model, and a picture for the pages.

    Raises:
        UploadError: The body is not an image, is damaged, or has too many pixels.
    """
    try:
        with Image.open(io.BytesIO(body), formats=FORMATS) as image:
            _check_size(image, min(frame_format.megapixels, MEGAPIXELS))
            if frame_format.antialias:  # `read_frames` does the same for files
                side = 2 * frame_format.size * frame_format.tiles
                image.draft(None, (side, side))
            frames = frames_of_image(image, frame_format)
            picture = upright(image, "RGB", frame_format.values)
    except UploadError:
        raise
    except UnidentifiedImageError as error:
        raise UploadError(
            415, "this is no image of a kind that can be read; send PNG, JPEG, TIFF, BMP or WebP"
        ) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UploadError(413, "the image has too many pixels; send a smaller one") from error
    except Exception as error:  # Pillow raises many kinds on broken files
        raise UploadError(
            400, f"the image is damaged ({one_line(error)[:100]}); send it again"
        ) from error
    picture.thumbnail((PICTURE_SIDE, PICTURE_SIDE))
    return Upload(frames, np.asarray(picture))


def _check_size(image: Image.Image, megapixels: float) -> None:
    """Raise an `UploadError` if the header of the file states too many pixels."""
    if image.width * image.height > megapixels * 1e6:
        raise UploadError(
            413,
            f"{image.width} x {image.height} pixels are more than {megapixels:g} million; send a "
            "smaller image",
        )
