"""Films of many kinds for tests. Each frame shows its number as a pattern of blocks."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

HEIGHT, WIDTH = 48, 64  # pixels
BLOCK = 16  # height and width of a block in pixels
BITS = 6  # of a number; each bit has a block, and another block in the other brightness
COUNT, FPS = 40, 10

CONSTANT = tuple(index / FPS for index in range(COUNT))
VARIABLE = (0.0, *np.cumsum(np.resize([1, 1.6, 0.7, 1, 2.2], COUNT - 1) / FPS).round(3).tolist())
PAUSED = tuple(time + 600 * (index >= 20) for index, time in enumerate(CONSTANT))


def numbered(number: int, grain: np.random.Generator) -> np.ndarray:
    """An image (48, 64, 3) that shows a number below 64."""
    bits = [number >> bit & 1 for bit in range(BITS)]
    blocks = np.reshape([*bits, *(1 - bit for bit in bits)], (HEIGHT // BLOCK, WIDTH // BLOCK))
    image = 40 + 160 * np.kron(blocks, np.ones((BLOCK, BLOCK), np.uint8))
    noisy = image[..., None] + grain.integers(-20, 20, (HEIGHT, WIDTH, 3))
    return noisy.astype(np.uint8)


def shown_number(image: np.ndarray) -> int | None:
    """The number that a frame (size, size, 1) shows; None if it is not readable."""
    rows, columns = HEIGHT // BLOCK, WIDTH // BLOCK
    size = len(image)
    values = [
        image[
            int((row + 0.3) * size / rows) : int((row + 0.7) * size / rows),
            int((column + 0.3) * size / columns) : int((column + 0.7) * size / columns),
        ].mean()
        for row in range(rows)
        for column in range(columns)
    ]
    differences = np.subtract(values[:BITS], values[BITS:])
    if (np.abs(differences) < 60).any():
        return None
    return int(((differences > 0) << np.arange(BITS)).sum())


def write_film(
    path: Path,
    times: Sequence[float] = CONSTANT,
    *,
    codec: str = "libx264",
    form: str | None = None,
    b_frames: int = 0,
    tracks: int = 1,
    turns: int = 0,
    muxing: Mapping[str, str] | None = None,
    encoding: Mapping[str, str] | None = None,
) -> Path:
    """Write a film whose frames show 0, 1, 2, … at times in seconds.

    Args:
        path: The film. Its ending decides its format.
        times: Times of the frames. Those before 0 are cut off by an edit list.
        codec: Name of the encoder.
        form: Name of the format, if the ending does not tell it.
        b_frames: Number of B-frames between two others.
        tracks: Number of video tracks, which are all the same.
        turns: How often each image is turned left by 90° before it is stored.
        muxing: Options of the format.
        encoding: Options of the encoder.
    """
    grain = np.random.default_rng(0)
    tick = Fraction(1, FPS) if path.suffix == ".avi" else Fraction(1, 1000)
    if codec in ("mpeg4", "mpeg2video"):
        tick = Fraction(1, FPS)  # these encoders take no finer times
    options = {"avoid_negative_ts": "disabled"} if times[0] < 0 else {}
    settings = {"bf": str(b_frames), "g": "10", **(encoding or {})}
    if codec in ("libx264", "libx265"):
        settings["preset"] = "veryfast"
    if codec == "libx265":
        settings["x265-params"] = "log-level=none"
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", form, options={**options, **(muxing or {})}) as film:
        streams: list[Any] = [film.add_stream(codec, FPS, options=settings) for _ in range(tracks)]
        for stream in streams:
            sides = (HEIGHT, WIDTH) if turns % 2 == 0 else (WIDTH, HEIGHT)
            stream.height, stream.width = sides
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            stream.time_base = stream.codec_context.time_base = tick
        for number, time in enumerate(times):
            image = np.rot90(numbered(number, grain), turns)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image))
            frame.pts, frame.time_base = round(time / tick), tick
            for stream in streams:
                film.mux(stream.encode(frame))
        for stream in streams:
            film.mux(stream.encode(None))
    return path


def damage(path: Path, count: int = 3000, place: float = 0.6) -> None:
    """Replace bytes of a file by zeros."""
    content = bytearray(path.read_bytes())
    start = int(place * len(content))
    content[start : start + count] = bytes(min(count, len(content) - start))
    path.write_bytes(content)


def display_matrix(*values: float) -> bytes:
    """The display matrix that an MP4 or MOV file stores."""
    return (65536 * np.array(values)).astype(">i4").tobytes()


def set_display_matrix(path: Path, matrix: bytes) -> None:
    """Make players turn the film."""
    head, found, tail = path.read_bytes().partition(b"tkhd")
    usual = display_matrix(1, 0, 0, 0, 1, 0, 0, 0)
    assert tail.count(usual) == 1
    path.write_bytes(head + found + tail.replace(usual, matrix))
