"""Finds the clips and images in the paths that a user gives."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dmad.data.clip_search import clips_below, notes_on_left_out, visible
from dmad.data.layouts.image_folders import ImageFile, scan, with_pages
from dmad.data.reading.paths import (
    holds_frames,
    image_files,
    real_name,
    require_regular_file,
    shown,
)
from dmad.errors import DmadError, require
from dmad.files import unique_names

logger = logging.getLogger(__name__)


def find_clips(source: Path) -> list[Path]:
    """Find the clips of a path: the path itself if it is a clip, else the clips in the folder.

    Clips in inner folders are found only if the folder itself directly contains no clip.

    Raises:
        DmadError: The path does not exist, is a pipe or a device, or contains no clip.
    """
    require(source.exists(), f"{shown(source)} does not exist; give a video or a folder of frames")
    require_regular_file(source)
    if source.is_file() or holds_frames(source):
        return [source]
    found = clips_below(source)
    clips = [clip.path for clip in found if not clip.folders]
    deeper = [clip.path for clip in found if clip.folders]
    if clips and deeper:
        logger.warning("%s: %d clips in inner folders left out", source, len(deeper))
    for note in notes_on_left_out(visible(source)):
        logger.warning("%s: %s", source, note)
    clips = clips or deeper
    loose_images = len(image_files(source))
    if loose_images:
        logger.warning("%s: %d images beside its clips left out", source, loose_images)
    require(bool(clips), f"{source} holds no videos, frames or folders of frames")
    return clips


def clip_names(clips: Sequence[Path]) -> list[str]:
    """A unique name for each clip, such as `street` and `street-2`."""
    return unique_names(real_name(clip) if clip.is_dir() else clip.stem for clip in clips)


def find_images(sources: Sequence[Path]) -> list[ImageFile]:
    """Find the images of all paths, each with a unique name.

    An image in a given folder has a name that begins with the name of this folder. An image that is
    given as a file has its file name. If two given files have the same name, the names of all given
    files begin with the names of their folders.

    Raises:
        DmadError: A path does not exist or contains no image.
    """
    for source in sources:
        if not source.exists():
            raise DmadError(f"{shown(source)} does not exist; give images or folders of them")
        require_regular_file(source)
    unique = {Path(os.path.abspath(source)): source for source in sources}
    folders = {path: path if path.is_dir() else path.parent for path in unique}
    different = list(dict.fromkeys(folders.values()))
    names = unique_names(real_name(folder) for folder in different)
    name_of = dict(zip(different, names, strict=True))
    file_names = [source.name for source in unique.values() if source.is_file()]
    files_share_a_name = len(set(file_names)) < len(file_names)
    found: list[ImageFile] = []
    for path, source in unique.items():
        prefix = f"{name_of[folders[path]]}/" if path.is_dir() or files_share_a_name else ""
        images = scan(source)
        for note in images.notes:
            logger.warning(note)
        files = with_pages(images.files)
        found += [replace(file, name=f"{prefix}{file.name}") for file in files]
    return found
