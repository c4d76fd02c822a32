"""Finds out which files are images, videos or clips, and sorts frames by their numbers."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from dmad.errors import require

VIDEO_SUFFIXES = frozenset((".264", ".265", ".3g2", ".3gp", ".amv", ".asf", ".av1", ".avc", ".avi",
                            ".dav", ".divx", ".dv", ".dvr-ms", ".f4v", ".flv", ".h264", ".h265",
                            ".h26l", ".hevc", ".insv", ".ismv", ".ivf", ".lrv", ".m1v", ".m2t",
                            ".m2ts", ".m2v", ".m4v", ".mj2", ".mjpeg", ".mjpg", ".mkv", ".mod",
                            ".mov", ".mp4", ".mp4v", ".mpe", ".mpeg", ".mpg", ".mpv", ".mts",
                            ".mxf", ".nut", ".obu", ".ogm", ".ogv", ".qt", ".rm", ".rmvb", ".tod",
                            ".tp", ".trp", ".ts", ".vc1", ".vob", ".webm", ".wmv", ".wtv", ".xvid",
                            ".y4m"))  # fmt: skip
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
    """True if a folder is one clip: it contains images, and neither videos nor folders of images.

    A folder `masks` does not count.
    """
    others = (path for path in folder.iterdir() if path.name != "masks")
    return holds_images(folder) and not any(is_clip(path) for path in others)


def is_image(path: Path) -> bool:
    """True if a path has the suffix of an image, and is not hidden and no pipe or device."""
    return _has_suffix(path, IMAGE_SUFFIXES)


def is_clip(path: Path) -> bool:
    """True if a path is a folder of images or has the suffix of a video, and is not hidden."""
    if path.is_dir():
        return not path.name.startswith(".") and holds_images(path)
    return _has_suffix(path, VIDEO_SUFFIXES)


def is_special(path: Path) -> bool:
    """True for a named pipe, socket or device. Reading such a file may never end."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def require_regular_file(path: Path) -> None:
    """Raise `DmadError` for a named pipe, socket or device."""
    require(not is_special(path), f"{path} is a pipe or a device; give a file or a folder")


def shown(path: Path | str) -> str:
    """Return the text of a path for messages. For an address, the text shows only the scheme.

    A user may give an address by mistake where a path is expected, and an address may contain a
    password. The address may have one slash instead of two, because `Path` removes a slash.
    """
    address = re.match(r"([a-z][a-z0-9+.-]+):/|[^/]*:.*@", str(path), re.IGNORECASE)
    return f"{address[1] or ''}://..." if address else str(path)


def _has_suffix(path: Path, suffixes: frozenset[str]) -> bool:
    is_named_so = path.suffix.lower() in suffixes and not path.name.startswith(".")
    return is_named_so and not is_special(path)
