"""Tells masks from photographs: one rule for all data sets.

A file may be a mask if

- one of its folders has a name for masks, such as `ground_truth`;
- or an image in the same folder has the same name without an ending or a beginning: `7_GT`,
  `7_label` and `mask_7` may be masks of `7`;
- or an image in the same folder has the same name, but another format.

If the folder, ending or beginning contains one of the words mask, gt and ground truth, the file is
a mask. In all other cases the pixels decide: a mask has only a few different values. If some of the
files with the same ending look like masks and others do not, the data set is refused.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Container, Sequence
from pathlib import Path

import numpy as np

from dmad.data.reading.image_files import open_image, stored_values
from dmad.errors import DmadError

WORDS = "masks?|gt|ground[-_. ]?truths?"  # files and folders with these words are always masks
NUMBER = r"(?:[-_. ]?\d+)?"  # such as the 2 of 7_mask_2
OF_WHAT = "defects?|anomal(?:y|ies)|binary|pixel|images?|train|test|labels?"
MASK_FOLDER = re.compile(rf"(?:(?:{OF_WHAT})[-_. ])?(?:{WORDS}){NUMBER}", re.IGNORECASE)
MASK_ENDING = re.compile(rf"(.+?)[-_. ](?:{WORDS}){NUMBER}", re.IGNORECASE)
MASK_BEGINNING = re.compile(rf"(?:{WORDS})[-_. ](.+)", re.IGNORECASE)
MAYBE = f"{WORDS}|labels?|annotations?|segmentations?|seg"
MAYBE_FOLDER = re.compile(rf"(?:.*[-_. ])?(?:{MAYBE})(?:[-_. ].*)?", re.IGNORECASE)
MAYBE_BEGINNING = re.compile(rf"(?:{MAYBE})[-_. ](.+)", re.IGNORECASE)
FEW_VALUES = 8  # a mask has at most this many different values
MAIN_VALUES = 0.98  # or its two most common values cover this share of it
JPEG_NOISE = 0.1  # share of the largest value by which JPEG changes the values of a mask
EXAMINED = 24  # at most this many files of a group are examined
PIXELS = 250_000  # about this many pixels of a large file are examined


def find_masks(paths: Sequence[Path], root: Path) -> set[Path]:
    """The masks among the images under a folder.

    Args:
        paths: All images.
        root: The folder. Its own name and the names of the folders above it do not count.

    Raises:
        DmadError: Some files of a group look like masks and others like photographs. A group has
            the files in folders of the same name, or the files whose names have the same ending or
            suffix.
    """
    beside: dict[Path, dict[str, list[Path]]] = defaultdict(lambda: defaultdict(list))
    for path in paths:
        beside[path.parent][path.stem.lower()].append(path)
    masks: set[Path] = set()
    groups: dict[str, list[Path]] = defaultdict(list)  # files whose pixels decide
    for path in paths:
        folders = path.relative_to(root).parts[:-1]
        names = beside[path.parent]
        if any(MASK_FOLDER.fullmatch(folder) for folder in folders) or _named_as_mask(path, names):
            masks.add(path)
            continue
        maybe = [folder for folder in folders if MAYBE_FOLDER.fullmatch(folder)]
        ending = _ending(path, names)
        if maybe:
            groups[f"in folders named {maybe[0]}"].append(path)
        elif ending:
            groups[f"whose names have the ending {ending}"].append(path)
    for title, files in groups.items():
        if _are_masks(files, title):
            masks.update(files)
    return masks | _masks_of_the_same_name(beside, masks)


def image_name(mask: Path) -> str:
    """The name that the image of a mask has, in lower case and without suffix."""
    stem = mask.stem.lower()
    for pattern in (MASK_ENDING, MASK_BEGINNING, MAYBE_BEGINNING):
        match = pattern.fullmatch(stem)
        if match:
            return match[1]
    return stem


def _named_as_mask(path: Path, names: dict[str, list[Path]]) -> bool:
    """True if the name of a file says that it is a mask of a file beside it: `7_mask` beside `7`.

    Args:
        path: The file.
        names: The names in its folder, without suffix.
    """
    for pattern in (MASK_ENDING, MASK_BEGINNING):
        match = pattern.fullmatch(path.stem.lower())
        if match and match[1] in names:
            return True
    return False


def _ending(path: Path, names: dict[str, list[Path]]) -> str:
    """What remains of a name after the name of a file beside it is removed.

    For `7_label.png` beside `7.jpg`, this is `_label`.

    Digits are written as #, so that `7_1` and `7_2` have the same ending. The result is empty if
    the name does not contain the name of a file beside it.
    """
    stem = path.stem.lower()
    name = name_beside(stem, names)
    return re.sub(r"\d+", "#", stem.replace(name, "", 1)) if name else ""


def name_beside(stem: str, names: Container[str]) -> str:
    """Return the one of `names` that `stem` begins or ends with: `7` for `7_label` or `label_7`.

    If the stem begins with several names, the longest is returned. If it begins or ends with no
    name, the result is empty.
    """
    beginning = MAYBE_BEGINNING.fullmatch(stem)
    if beginning and beginning[1] in names:
        return beginning[1]
    for length in range(len(stem) - 1, 0, -1):
        if stem[:length] in names and not stem[length].isdigit():
            return stem[:length]
    return ""


def _masks_of_the_same_name(
    beside: dict[Path, dict[str, list[Path]]], masks: set[Path]
) -> set[Path]:
    """Return the masks that have the name of their image, but another suffix.

    For example, `7.png` may be the mask of `7.jpg`. The pixels decide which suffix is for masks.

    Args:
        beside: For each folder and each name without suffix, the files.
        masks: The masks that are known already.

    Raises:
        DmadError: The files of all suffixes look like masks, or some files of one suffix look like
            masks and others like photographs.
    """
    by_suffix: dict[str, list[Path]] = defaultdict(list)
    for names in beside.values():
        for files in names.values():
            left = [path for path in files if path not in masks]
            if len({path.suffix.lower() for path in left}) > 1:
                for path in left:
                    by_suffix[path.suffix.lower()].append(path)
    if not by_suffix:
        return set()
    found = {
        suffix: _are_masks(files, f"{suffix} beside images of the same name")
        for suffix, files in by_suffix.items()
    }
    chosen = {path for suffix, files in by_suffix.items() if found[suffix] for path in files}
    if all(found.values()):
        raise DmadError(
            f"{min(chosen)} and the files of other formats with the same names all look like "
            "masks; put the masks into a folder named ground_truth"
        )
    return chosen


def _are_masks(files: Sequence[Path], title: str) -> bool:
    """Return False if the files of a group look like photographs, else True.

    A group has files with similar names, or in folders of the same name. Files of a single colour
    and unreadable files do not count.

    Args:
        files: The files of the group. At most `EXAMINED` of these are read.
        title: Describes the group in the error.

    Raises:
        DmadError: Some files look like masks and others like photographs.
    """
    places = np.unique(np.linspace(0, len(files) - 1, EXAMINED).astype(int))
    looks = {files[place]: looks_like_mask(files[place]) for place in places}
    seen = {path: look for path, look in looks.items() if look is not None}
    likely = [path for path, look in seen.items() if look]
    others = [path for path, look in seen.items() if not look]
    if likely and others:
        raise DmadError(
            f"{len(files)} files {title} may be masks or photographs: {likely[0]} looks like a "
            f"mask, {others[0]} does not; put masks into a folder named ground_truth, and move or "
            "rename the photographs"
        )
    return bool(looks) and not others


def looks_like_mask(path: Path) -> bool | None:
    """True if an image has only a few different values, as a mask has; False if it has more.

    None: all pixels of the image are equal, or the image cannot be read.
    """
    try:
        with open_image(path) as image:
            lossy = image.format in ("JPEG", "MPO")
            values = stored_values(image)
    except Exception:  # Pillow raises many kinds on broken files; reading the image reports it
        return None
    step = max(1, int((values.shape[0] * values.shape[1] / PIXELS) ** 0.5))
    values = values[::step, ::step]
    _, counts = np.unique(values.reshape(-1, values.shape[-1]), axis=0, return_counts=True)
    if len(counts) == 1:
        return None
    if lossy:  # JPEG adds noise to the two values of a mask
        shares = values.max(-1) / values.max()
        dark, bright = (shares < JPEG_NOISE).mean(), (shares > 1 - JPEG_NOISE).mean()
        return bool(dark + bright >= MAIN_VALUES and dark > 1 - MAIN_VALUES)
    main = np.sort(counts)[-2:].sum() / counts.sum()
    return bool(len(counts) <= FEW_VALUES or main >= MAIN_VALUES)
