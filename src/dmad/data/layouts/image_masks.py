"""Finds the masks of each image.

If no folder name says whether an image is abnormal, its masks decide.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from dmad.data.layouts.image_folders import NEUTRAL, SPLITS, ImageFile, Images
from dmad.data.layouts.mask_finding import MASK_FOLDER, MAYBE_FOLDER, image_name, name_beside
from dmad.data.masks import Mask, read_mask
from dmad.data.reading.image_files import image_size
from dmad.errors import DmadError
from dmad.files import first_names

Key = tuple[str, ...]  # folders and name of an image in lower case, without folders like `images`

LISTED = 3  # names in a note


def with_masks(files: Sequence[ImageFile]) -> Images:
    """Give each image its masks, and leave the masks out of the list.

    If the folder does not say whether an image is normal, the masks decide: the image is abnormal
    if a mask marks something. If only some images of such a folder have masks, the others are
    normal. In a folder of good images, an image is abnormal if its masks mark something.

    Returns:
        The images, with notes on kinds that were changed or guessed.
    """
    images = [file for file in files if file.kind != "mask"]
    masks_of = _match(images, [file for file in files if file.kind == "mask"])
    images = [replace(file, masks=tuple(masks_of.get(file.name, ()))) for file in images]
    unsure = [file for file in images if file.kind != "abnormal" or not file.named]
    marked = {file.name for file in unsure if _is_marked(file)}
    with_mask = {file.path.parent for file in images if file.masks and not file.named}
    found, guessed, changed = [], [], []
    for file in images:
        kind = file.kind
        if not file.named and (file.masks or file.path.parent in with_mask):
            kind = "abnormal" if file.name in marked else "normal"
            guessed += [] if file.masks else [file.name]
        elif file.name in marked:
            kind = "abnormal"
            changed.append(file.name)
        found.append(replace(file, kind=kind))
    notes = []
    if guessed:
        notes.append(
            f"{len(guessed)} images without a mask are taken as good, because other images in "
            f"their folders have masks: {first_names(guessed)}"
        )
    if changed:
        notes.append(
            f"{len(changed)} images are in folders of good images, but their masks mark defects, "
            f"so they are taken as abnormal: {first_names(changed)}"
        )
    return Images(tuple(found), tuple(notes))


def check_masks(files: Sequence[ImageFile], unused: Sequence[str]) -> Images:
    """Remove unusable masks of abnormal images, and write a note on each of them.

    Args:
        files: The images that are tested, with their masks.
        unused: Names of the masks that belong to no image. Each gets a note too.
    """
    notes, checked = [], []
    for file in files:
        problem = _problem(file) if file.kind == "abnormal" else ""
        if problem:
            notes.append(f"{file.name}: {problem}: left out of the pixel metrics")
        checked.append(replace(file, masks=() if problem else file.masks))
    notes += [f"mask {name} belongs to no image" for name in unused[:LISTED]]
    if len(unused) > LISTED:
        notes.append(f"{len(unused) - LISTED} more masks belong to no image")
    return Images(tuple(checked), tuple(notes))


def united(masks: Sequence[Path]) -> Mask:
    """Return a mask (H, W), True for the pixels that at least one mask of an image marks.

    Raises:
        DmadError: A mask is unreadable, or two have different sizes.
    """
    read = [read_mask(path) for path in masks]
    if len({mask.shape for mask in read}) > 1:
        raise DmadError(f"{masks[0].parent}: the masks of one image have different sizes")
    return np.asarray(np.any(read, axis=0))


def _is_marked(file: ImageFile) -> bool:
    try:
        return bool(file.masks) and bool(united(file.masks).any())
    except DmadError:  # an image with a damaged mask may be abnormal
        return True


def _match(images: Sequence[ImageFile], masks: Sequence[ImageFile]) -> dict[str, list[Path]]:
    """The masks of each image; the keys are names of images.

    The image of a mask is first searched in the folder of the mask, by its name. Then it is
    searched in folders for abnormal images, and then in all other folders. A mask that fits several
    abnormal images is not used.
    """
    found: dict[str, list[Path]] = defaultdict(list)
    left = []
    folders: dict[Path, dict[str, ImageFile]] = defaultdict(dict)
    for file in images:
        folders[file.path.parent].setdefault(file.path.stem.lower(), file)
    for mask in masks:
        names, stem = folders.get(mask.path.parent, {}), mask.path.stem.lower()
        image = names.get(stem) or names.get(name_beside(stem, names))
        if image:
            found[image.name].append(mask.path)
        else:
            left.append(mask)
    abnormal = [file for file in images if file.kind == "abnormal" and file.named]
    others = [file for file in images if file.kind != "abnormal" or not file.named]
    for candidates in (abnormal, others):
        index = _Index(candidates)
        masks, left = left, []
        for mask in masks:
            image = index.image_of(mask)
            if image:
                found[image.name].append(mask.path)
            elif not index.has_name(mask):
                left.append(mask)
    return found


class _Index:
    """Finds the image of a mask by folders and names.

    A mask belongs to the image with the same folders and name. Folders such as `images`, `test` and
    `ground_truth` do not count. If the folder of a mask has the name of an image, the mask belongs
    to that image. If no image fits, only the last folders and the name are compared. If still no
    image fits, only the name is compared. Then images whose path has fewer folders than the path of
    the mask are left out. A mask never belongs to an image of another split.
    """

    def __init__(self, images: Sequence[ImageFile]) -> None:
        self.whole: dict[Key, list[ImageFile]] = defaultdict(list)
        self.ends: dict[Key, list[ImageFile]] = defaultdict(list)
        for file in images:
            key = _key(file.name, Path(file.name).stem)
            self.whole[key].append(file)
            for start in range(len(key)):
                self.ends[key[start:]].append(file)

    def has_name(self, mask: ImageFile) -> bool:
        """True if an image has the name of a mask."""
        return any((name,) in self.ends for name in _names(mask.path))

    def image_of(self, mask: ImageFile) -> ImageFile | None:
        """The only image that fits a mask; None if no image or several images fit."""
        names = _names(mask.path)
        same_name = [file for name in names for file in self.ends.get((name,), ())]
        keys = [_key(mask.name, name) for name in names]
        keys += [keys[0][:-1]] if len(keys[0]) > 1 else []
        depth = len(keys[0])
        candidates = [self.whole.get(key, []) for key in keys]
        candidates += [self.ends.get(key, []) for key in keys]
        candidates += [
            self.whole.get(key[start:], []) for key in keys for start in range(1, len(key) - 1)
        ]
        candidates.append([file for file in same_name if depth <= len(_key(file.name, ""))])
        for found in candidates:
            fitting = [file for file in found if mask.split in (None, file.split)]
            if len(fitting) == 1:
                return fitting[0]
        return None


def _names(mask: Path) -> list[str]:
    """Names that the image of a mask may have: `7_mask_2` and `7_2` are masks of `7`."""
    name = image_name(mask)
    without_number = re.sub(r"[-_. ]\d+$", "", name)
    return [name] if without_number in ("", name) else [name, without_number]


def _key(name: str, stem: str) -> Key:
    """The folders of a file and the name of its image, in lower case.

    Folders such as `images`, `test` and `ground_truth` are left out.

    Args:
        name: The path of the file below the root.
        stem: The name of the image.
    """
    folders = [part.lower() for part in Path(name).parts[:-1]]
    telling = [
        folder
        for folder in folders
        if folder not in NEUTRAL
        and folder not in SPLITS
        and not MASK_FOLDER.fullmatch(folder)
        and not MAYBE_FOLDER.fullmatch(folder)
    ]
    return (*telling, stem.lower())


def _problem(image: ImageFile) -> str:
    """Return a text that says why the masks of an abnormal image cannot be used.

    The text is empty if the masks can be used.
    """
    if not image.masks:
        return "no mask has its name"
    names = ", ".join(mask.name for mask in image.masks[:LISTED])
    try:
        width, height = image_size(image.path, image.page)
        pixels = united(image.masks)
    except Exception:  # Pillow raises many kinds on broken files
        return f"the mask {names} is unreadable"
    mask_height, mask_width = pixels.shape
    if (mask_width, mask_height) != (width, height):
        return f"its mask is {mask_width} x {mask_height} pixels, the image {width} x {height}"
    return "" if pixels.any() else f"the mask {names} is empty"
