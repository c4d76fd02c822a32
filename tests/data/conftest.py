"""Clips, masks and images on disk that the tests of data share.

All pixels of frame i of a clip have the grey level 10 x i.
"""

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from dmad.config import ImageDataConfig
from dmad.data.footage import LabelledFootage
from dmad.data.splits import load_split


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
    """Writes `training/frames/NAME` and `testing/frames/NAME` with given numbers of frames."""

    def write(root: Path, train: dict[str, int], test: dict[str, int]) -> Path:
        for split, clips in (("training", train), ("testing", test)):
            for name, frames in clips.items():
                write_frames(root / split / "frames" / name, frames, "{}.jpg")
        return root

    return write


@pytest.fixture(scope="session")
def write_masks() -> Callable[..., Path]:
    """Writes a folder of masks, one for each label: 0 is black, 1 has a white right quarter."""

    def write(folder: Path, labels: list[int], name: str = "{}.png") -> Path:
        folder.mkdir(parents=True)
        for i, label in enumerate(labels):
            Image.fromarray(mask_of(label) * 255).save(folder / name.format(i))
        return folder

    return write


@pytest.fixture(scope="session")
def write_volume() -> Callable[..., Path]:
    """Writes the masks of `write_masks` into a `.mat` file, as Avenue stores them."""

    def write(path: Path, labels: list[int]) -> Path:
        cells = np.empty((1, len(labels)), object)
        for i, label in enumerate(labels):
            cells[0, i] = mask_of(label)
        path.parent.mkdir(parents=True, exist_ok=True)
        savemat(path, {"volLabel": cells})
        return path

    return write


def mask_of(label: int) -> np.ndarray:
    """A mask (20, 40): 1 in the right quarter if the label is 1."""
    mask = np.zeros((20, 40), np.uint8)
    mask[:, 30:] = label
    return mask


@pytest.fixture
def avenue(write_video, write_volume, tmp_path) -> Path:
    """Avenue in its original form: three videos of 3 frames, and three of 4 with masks."""
    root = tmp_path / "avenue"
    for i in (1, 2, 10):
        write_video(root / "training_videos" / f"{i:02}.avi", 3)
        write_video(root / "testing_videos" / f"{i:02}.avi", 4)
        labels = [0, i % 2, 1, 0]
        write_volume(root / "ground_truth_demo" / "testing_label_mask" / f"{i}_label.mat", labels)
    return root


@pytest.fixture
def mine(write_frames, write_video, tmp_path) -> Path:
    """Videos of a user: one for training, and a video and a folder of frames for testing."""
    root = tmp_path / "mine"
    write_video(root / "train" / "a.avi", 2)
    write_video(root / "test" / "a.avi", 3)
    write_frames(root / "test" / "b", 4)
    return root


@pytest.fixture
def write_image(tmp_path) -> Callable[..., Path]:
    """Writes an image of noise under `tmp_path/data`."""

    def write(name: str, seed: int = 0, size: tuple[int, int] = (40, 40), **options) -> Path:
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(seed).integers(0, 255, (*size[::-1], 3), np.uint8)
        Image.fromarray(noise).save(path, **options)
        return path

    return write


@pytest.fixture
def write_mask(tmp_path) -> Callable[..., Path]:
    """Writes a mask under `tmp_path/data`, white in the upper left quarter."""

    def write(name: str, size: tuple[int, int] = (40, 40)) -> Path:
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        mask = np.zeros(size[::-1], np.uint8)
        mask[: size[1] // 2, : size[0] // 2] = 255
        Image.fromarray(mask).save(path)
        return path

    return write


@pytest.fixture
def write_mvtec(write_image, write_mask) -> Callable[..., None]:
    """Writes a category in the layout of MVTec AD: 3 good images to train on, 3 and 6 to test."""

    def write(category: str = "bottle") -> None:
        for i in range(3):
            write_image(f"{category}/train/good/00{i}.png", i)
            write_image(f"{category}/test/good/00{i}.png", 10 + i)
            write_image(f"{category}/test/crack/00{i}.png", 20 + i)
            write_image(f"{category}/test/scratch/00{i}.png", 20 + i)
            write_mask(f"{category}/ground_truth/crack/00{i}_mask.png")
            write_mask(f"{category}/ground_truth/scratch/00{i}_mask.png")

    return write


@pytest.fixture
def load_images(tmp_path) -> Callable[..., LabelledFootage]:
    """Loads a split of the images under `tmp_path/data`, 32 pixels wide."""

    def load(split: str, layout: str = "images", **changes) -> LabelledFootage:
        places = {"root": tmp_path / "data", "cache": tmp_path / "cache"}
        settings = {"held_out": 0.0, "size": 32, "layout": layout, **places, **changes}
        return load_split(ImageDataConfig(**settings), split)

    return load
