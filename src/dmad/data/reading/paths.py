"""Finds out which files are images, videos or clips, and sorts frames by their numbers."""

from __future__ import annotations

import os
import re
from pathlib import Path

VIDEO_SUFFIXES = frozenset((".avi", ".mp4", ".m4v", ".mkv", ".mov", ".webm", ".mpg", ".mpeg",
                            ".wmv", ".flv", ".ts", ".mts", ".m2ts", ".3gp"))  # fmt: skip
IMAGE_SUFFIXES = frozenset((".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".tif", ".tiff", ".webp"))


def natural_key(path: Path) -> tuple[list[str | int], str]:
    """Sort key that puts `frame2` before `frame10`."""
    parts = re.split(r"([0-9]+)", path.name.lower())
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], path.name


def real_name(path: Path) -> str:
    """The name of a file or folder, even if the path is `.` or ends in `..`."""
    return Path(os.path.abspath(path)).name or "root"


def image_files(folder: Path) -> list[Path]:
    """The images directly inside a folder, in natural order. Hidden files are left out."""
    return sorted((path for path in folder.iterdir() if is_image(path)), key=natural_key)


def holds_images(folder: Path) -> bool:
    """True if a folder directly contains images."""
    return any(is_image(path) for path in folder.iterdir())


def holds_frames(folder: Path) -> bool:
    """True if a folder is one clip: it contains images, and no clips except `masks`."""
    others = (path for path in folder.iterdir() if path.name != "masks")
    return holds_images(folder) and not any(is_clip(path) for path in others)


def is_image(path: Path) -> bool:
    """True if a path has the suffix of an image and is not hidden."""
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def is_clip(path: Path) -> bool:
    """True if a path is a folder of images or has the suffix of a video, and is not hidden."""
    if path.name.startswith("."):
        return False
    return holds_images(path) if path.is_dir() else path.suffix.lower() in VIDEO_SUFFIXES
