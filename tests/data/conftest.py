"""Clips on disk that the tests of data share. Frame i is a grey of 10 i."""

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="session")
def write_frames() -> Callable[..., Path]:
    """Writes a folder of frame images, wider than high."""

    def write(folder: Path, frames: int, name: str = "{}.png", size: int = 32) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for i in range(frames):
            pixels = np.full((size, size + 8, 3), 10 * i, np.uint8)
            Image.fromarray(pixels).save(folder / name.format(i))
        return folder

    return write


@pytest.fixture(scope="session")
def write_video() -> Callable[..., Path]:
    """Writes a square video."""

    def write(path: Path, frames: int, size: int = 64, fps: int = 10) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(path), "w") as container:
            stream = container.add_stream("mpeg4", rate=fps)
            stream.width = stream.height = size
            stream.pix_fmt = "yuv420p"
            for i in range(frames):
                image = np.full((size, size, 3), 10 * i % 256, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            container.mux(stream.encode())
        return path

    return write


@pytest.fixture(scope="session")
def truncate() -> Callable[..., None]:
    """Keeps only the first part of a file."""

    def cut(path: Path, part: float = 0.5) -> None:
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * part)])

    return cut


@pytest.fixture(scope="session")
def write_benchmark(write_frames) -> Callable[..., Path]:
    """Writes `training/frames/NAME` and `testing/frames/NAME`, each with so many frames."""

    def write(root: Path, train: dict[str, int], test: dict[str, int]) -> Path:
        for split, clips in (("training", train), ("testing", test)):
            for name, frames in clips.items():
                write_frames(root / split / "frames" / name, frames, "{}.jpg")
        return root

    return write
