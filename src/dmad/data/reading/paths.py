"""Frames out of video files and folders of images, one at a time."""

from __future__ import annotations

import os
import re
from pathlib import Path

VIDEOS = frozenset((".avi", ".mp4", ".m4v", ".mkv", ".mov", ".webm", ".mpg", ".mpeg", ".wmv",
                    ".flv", ".ts", ".mts", ".m2ts", ".3gp"))  # fmt: skip

IMAGES = frozenset((".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".tif", ".tiff", ".webp"))


def natural(path: Path) -> tuple[list[str | int], str]:
    """Sort key that puts `frame2` before `frame10`."""
    parts = re.split(r"([0-9]+)", path.name.lower())
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], path.name


def own_name(path: Path) -> str:
    """What a file or folder is called where it lies, also by `.` and `..`."""
    return Path(os.path.abspath(path)).name or "root"


def image_files(folder: Path) -> list[Path]:
    """Images right inside a folder, in natural order, without hidden files."""
    return sorted((path for path in folder.iterdir() if is_image(path)), key=natural)


def holds_images(folder: Path) -> bool:
    """Whether images lie right inside a folder."""
    return any(is_image(path) for path in folder.iterdir())


def holds_frames(folder: Path) -> bool:
    """Whether a folder that is given is a clip by itself: images, and no clips beside them."""
    beside = (path for path in folder.iterdir() if path.name != "masks")
    return holds_images(folder) and not any(map(is_clip, beside))


def is_image(path: Path) -> bool:
    """Whether a path is named like an image and not hidden."""
    return path.suffix.lower() in IMAGES and not path.name.startswith(".")


def is_clip(path: Path) -> bool:
    """Whether a path is a clip: a folder of images, or named like a video; not hidden."""
    if path.name.startswith("."):
        return False
    return holds_images(path) if path.is_dir() else path.suffix.lower() in VIDEOS
