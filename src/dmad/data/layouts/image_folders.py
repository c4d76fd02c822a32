"""Finds all images under a folder. Folder names say if an image is normal, abnormal or a mask."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dmad.data.footage import SplitName
from dmad.data.reading.paths import is_image, natural_key
from dmad.errors import require

NORMAL = frozenset(("normal", "good", "ok", "pass", "passed"))
ABNORMAL = frozenset(("abnormal", "anomaly", "anomalies", "anomalous", "bad", "defect", "defects",
                      "defective", "ng", "nok", "fail", "failed", "reject", "rejects",
                      "rejected"))  # fmt: skip
MASKS = frozenset(("ground_truth", "masks", "mask", "gt"))
SPLITS: dict[str, SplitName] = {
    "train": "train", "training": "train", "test": "test", "testing": "test"
}  # fmt: skip
MASK_ENDINGS = ("_mask", "_gt", "-mask")  # a mask may be named as its image, with such an ending
OTHER_SUFFIXES = (".heic", ".heif", ".avif", ".gif", ".jxl", ".jp2", ".psd", ".dng", ".cr2",
                  ".cr3", ".nef", ".arw", ".raw", ".pgm", ".ppm", ".pnm", ".tga", ".jpe", ".exr",
                  ".dcm", ".svg")  # fmt: skip
RESULT_FOLDERS = frozenset(("overlays", "maps", "fields"))  # `dmad predict` writes them

ImageKind = Literal["normal", "abnormal", "mask", "unnamed"]


@dataclass(frozen=True)
class ImageFile:
    """One image. Its kind and split come from the names of its folders."""

    path: Path
    name: str  # path below the root, unique
    kind: ImageKind  # `unnamed` if no folder name says the kind
    split: SplitName | None  # None if no folder name says the split
    mask: Path | None = None  # file with the mask of its defect


@dataclass(frozen=True)
class Images:
    """Images, and notes on files that are left out or do not fit."""

    files: tuple[ImageFile, ...]
    notes: tuple[str, ...]


def scan(root: Path) -> Images:
    """Find every image under a folder, in natural order.

    Args:
        root: The folder, or one image.

    Raises:
        DmadError: There is no image.
    """
    files = [root] if root.is_file() else list(visible_files(root))
    paths = [path for path in files if is_image(path) and path.exists()]
    paths.sort(key=lambda path: (path.parent, natural_key(path)))
    base = root.parent if root.is_file() else root
    stems = {path.with_suffix("") for path in paths}
    notes = notes_on_unread(files)
    more = "".join(f"; {note}" for note in notes)
    require(
        bool(paths),
        f"{root} holds no images; expected .png, .jpg, .tif, .bmp or .webp files{more}",
    )
    return Images(
        files=tuple(_image_file(path, path.relative_to(base), stems) for path in paths),
        notes=tuple(f"{root}: {note}" for note in notes),
    )


def visible_files(root: Path) -> Iterator[Path]:
    """Every file under a folder, except hidden files and the images that `dmad predict` wrote.

    Links to folders are followed, except to folders that are visited without the link.
    """
    home = root.resolve()
    seen: set[Path] = set()
    for place, folders, files in os.walk(root, followlinks=True):
        skipped = RESULT_FOLDERS if set(folders) >= RESULT_FOLDERS else frozenset()
        names = sorted(name for name in set(folders) - skipped if not name.startswith("."))
        folders.clear()  # `os.walk` visits only the folders that this list then contains
        for name in names:
            path = Path(place, name)
            target = path.resolve()
            visited_anyway = target in seen or target.is_relative_to(home)
            if not (path.is_symlink() and visited_anyway):
                folders.append(name)
            seen.add(target)
        yield from (Path(place, name) for name in files if not name.startswith("."))


def notes_on_unread(files: Sequence[Path]) -> list[str]:
    """Notes on images that dmad cannot read: those of other formats, and broken links."""
    counts = Counter(path.suffix.lower() for path in files)
    others = [suffix for suffix in OTHER_SUFFIXES if counts[suffix]]
    broken_links = sum(is_image(path) and not path.exists() for path in files)
    notes = []
    if others:
        count = sum(counts[suffix] for suffix in others)
        notes.append(
            f"{count} images of other formats left out ({', '.join(others)}): "
            "save them as .png or .jpg"
        )
    if broken_links:
        notes.append(f"{broken_links} broken links left out")
    return notes


def _image_file(path: Path, below_root: Path, stems: set[Path]) -> ImageFile:
    """Read kind and split from folder names. `stems`: paths of all images, without suffix."""
    folders = [part.lower() for part in below_root.parts[:-1]]
    split = next((SPLITS[folder] for folder in folders if folder in SPLITS), None)
    image_name = name_without_mask_ending(path)
    is_beside_its_image = image_name != path.stem and path.with_name(image_name) in stems
    kind: ImageKind
    if is_beside_its_image or MASKS & set(folders):
        kind = "mask"
    elif NORMAL & set(folders):
        kind = "normal"
    elif ABNORMAL & set(folders):
        kind = "abnormal"
    elif split:
        kind = "normal" if split == "train" else "abnormal"
    else:
        kind = "unnamed"
    return ImageFile(path, below_root.as_posix(), kind, split)


def name_without_mask_ending(mask: Path) -> str:
    """The name of a mask's image, without suffix."""
    for ending in MASK_ENDINGS:
        if mask.stem.endswith(ending):
            return mask.stem.removesuffix(ending)
    return mask.stem
