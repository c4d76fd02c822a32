"""Finds all images under a folder. The names of its folders tell the kind and split of an image.

`mask_finding` decides which images are masks.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from dmad.data.layouts.mask_finding import find_masks
from dmad.data.masks import is_labelme
from dmad.data.reading.image_files import page_indices
from dmad.data.reading.paths import is_image, natural_key
from dmad.errors import require

NORMAL = frozenset(("normal", "good", "ok", "pass", "passed"))
ABNORMAL = frozenset(("abnormal", "anomaly", "anomalies", "anomalous", "bad", "defect", "defects",
                      "defective", "ng", "nok", "ko", "fail", "failed", "reject", "rejects",
                      "rejected"))  # fmt: skip
SPLITS: dict[str, Split] = {
    "train": "train", "training": "train",
    "validation": "held_out", "valid": "held_out", "val": "held_out",
    "test": "test", "testing": "test", "test_public": "test",
}  # fmt: skip
UNLABELLED = re.compile("test_private.*")  # folders of images whose labels are secret
NEUTRAL = frozenset(("images", "image", "imgs", "img", "data"))  # names without a meaning
OTHER_SUFFIXES = (".heic", ".heif", ".avif", ".gif", ".jxl", ".jp2", ".psd", ".dng", ".cr2",
                  ".cr3", ".nef", ".arw", ".raw", ".pgm", ".ppm", ".pnm", ".tga", ".jpe", ".exr",
                  ".dcm", ".svg")  # fmt: skip
RESULT_FOLDERS = frozenset(("overlays", "maps", "fields"))  # `dmad predict` writes them

ImageKind = Literal["normal", "abnormal", "mask", "unnamed"]
Split = Literal["train", "held_out", "test"]


@dataclass(frozen=True)
class ImageFile:
    """One image. Its kind and split come from the names of its folders.

    The kind is `normal`, `abnormal`, `mask` or `unnamed`. The split is `train`, `held_out` or
    `test`.
    """

    path: Path
    name: str  # path below the root, unique
    kind: ImageKind  # `unnamed` if no folder name says the kind
    split: Split | None  # None if no folder name says the split
    masks: tuple[Path, ...] = ()  # files with the masks of its defects, which are united
    named: bool = True  # True if a folder says the kind; False: the masks of the image decide
    page: int = 0  # index of the image in a file with several


@dataclass(frozen=True)
class Images:
    """Images, and notes for the user, such as which files are left out."""

    files: tuple[ImageFile, ...]
    notes: tuple[str, ...]


def scan(root: Path) -> Images:
    """Find every image and mask under a folder, in natural order.

    Args:
        root: The folder, or one image.

    Raises:
        DmadError: There is no image, all images are in folders `test_private` (their labels are
            secret), or it is not clear which images are masks.
    """
    files = [root] if root.is_file() else list(visible_files(root))
    paths = [path for path in files if is_image(path) and path.exists()]
    paths.sort(key=lambda path: (path.parent, natural_key(path)))
    base = root.parent if root.is_file() else root
    notes = notes_on_unread(files)
    more = "".join(f"; {note}" for note in notes)
    require(
        bool(paths),
        f"{root} holds no images; expected .png, .jpg, .tif, .bmp or .webp files{more}",
    )
    masks = find_masks(paths, base)
    found = [_image_file(path, path.relative_to(base), path in masks) for path in paths]
    secret = sum(_is_unlabelled(file) for file in found)
    if secret:
        notes.append(f"{secret} images in test_private left out: their labels are not public")
    shapes = _files_of_labelme(files, paths)
    if shapes:
        notes.append(f"{len(shapes)} files of labelme: their shapes mark defects")
    found = [file for file in found if not _is_unlabelled(file)]
    found += [_image_file(path, path.relative_to(base), True) for path in shapes]
    require(bool(found), f"{root} holds only images in test_private, which have no labels")
    return Images(files=tuple(found), notes=tuple(f"{root}: {note}" for note in notes))


def with_pages(files: Sequence[ImageFile]) -> list[ImageFile]:
    """Replace each file that contains several images by several `ImageFile`, one for each image."""
    found: list[ImageFile] = []
    for file in files:
        pages = [0] if file.kind == "mask" else page_indices(file.path)
        if pages == [0]:
            found.append(file)
        else:
            named = ((page, f"{file.name}-page-{page + 1}") for page in pages)
            found += [replace(file, page=page, name=name) for page, name in named]
    return found


def _files_of_labelme(files: Sequence[Path], images: Sequence[Path]) -> list[Path]:
    """The files of the program labelme that are beside images of the same name."""
    stems = {path.with_suffix("") for path in images}
    beside = [
        path for path in files if path.suffix.lower() == ".json" and path.with_suffix("") in stems
    ]
    return sorted(path for path in beside if is_labelme(path))


def visible_files(root: Path) -> Iterator[Path]:
    """Every file under a folder, except hidden files and the images that `dmad predict` wrote.

    A link to a folder is followed if the folder is outside `root` and was not visited before.
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


def _is_unlabelled(file: ImageFile) -> bool:
    return any(UNLABELLED.fullmatch(part.lower()) for part in Path(file.name).parts[:-1])


def _image_file(path: Path, below_root: Path, is_mask: bool) -> ImageFile:
    """Make the `ImageFile` of a path. The kind and the split come from the names of its folders."""
    folders = [part.lower() for part in below_root.parts[:-1]]
    split = next((SPLITS[folder] for folder in folders if folder in SPLITS), None)
    telling = [folder for folder in folders if folder not in NEUTRAL]
    kind: ImageKind
    named = True
    if is_mask:
        kind = "mask"
    elif NORMAL & set(folders):
        kind = "normal"
    elif ABNORMAL & set(folders):
        kind = "abnormal"
    elif split:
        kind = "abnormal" if split == "test" else "normal"
        named = telling[-1] not in SPLITS  # a folder such as test/crack
    else:
        kind, named = "unnamed", False
    return ImageFile(path, below_root.as_posix(), kind, split, named=named)
