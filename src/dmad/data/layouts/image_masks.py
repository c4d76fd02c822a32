"""Finds the mask of each abnormal image."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dmad.data.layouts.image_folders import MASKS, ImageFile, Images, name_without_mask_ending
from dmad.data.masks import read_mask
from dmad.data.reading.image_files import image_size


def with_masks(files: Sequence[ImageFile], masks: Sequence[ImageFile]) -> Images:
    """Add to each image its mask, and notes on all masks that cannot be used."""
    mask_of = _match(files, masks)
    notes, images = [], []
    for file in files:
        mask = mask_of.get(file.name)
        problem = _problem(file.path, mask) if file.kind == "abnormal" else ""
        if problem:
            notes.append(f"{file.name}: {problem}: left out of the pixel metrics")
        images.append(replace(file, mask=None if problem else mask))
    used = set(mask_of.values())
    notes += [f"mask {mask.name} belongs to no image" for mask in masks if mask.path not in used]
    return Images(tuple(images), tuple(notes))


def _match(files: Sequence[ImageFile], masks: Sequence[ImageFile]) -> dict[str, Path]:
    """Find the mask of each abnormal image; the keys are names of images.

    The mask of an image is the only mask with the same name and folder. If there is no such mask,
    it is the only mask with the same name. A mask whose name fits several images is not used.
    """
    by_folder, by_name = _group(masks)
    abnormal = [file for file in files if file.kind == "abnormal"]
    found: dict[str, Path] = {}
    for file in abnormal:
        candidates = by_folder[file.path.parent.name, file.path.stem]
        if len(candidates) == 1:
            found[file.name] = candidates[0]
    used = set(found.values())
    rest = [file for file in abnormal if file.name not in found]
    same_name = Counter(file.path.stem for file in rest)
    for file in rest:
        candidates = by_name[file.path.stem]
        unique = len(candidates) == 1 and same_name[file.path.stem] == 1
        if unique and candidates[0] not in used:
            found[file.name] = candidates[0]
    return found


def _group(
    masks: Sequence[ImageFile],
) -> tuple[dict[tuple[str, str], list[Path]], dict[str, list[Path]]]:
    """Group masks by folder and image name, and by image name only."""
    by_folder: dict[tuple[str, str], list[Path]] = defaultdict(list)
    by_name: dict[str, list[Path]] = defaultdict(list)
    for mask in masks:
        folder = mask.path.parent
        if folder.name.lower() in MASKS:
            folder = folder.parent
        name = name_without_mask_ending(mask.path)
        by_folder[folder.name, name].append(mask.path)
        by_name[name].append(mask.path)
    return by_folder, by_name


def _problem(image: Path, mask: Path | None) -> str:
    """Why a mask cannot be used; empty if it can."""
    if mask is None:
        return "no mask has its name"
    try:
        width, height = image_size(image)
        pixels = read_mask(mask)
    except Exception:  # Pillow raises many kinds on broken files
        return f"the mask {mask.name} is unreadable"
    mask_height, mask_width = pixels.shape
    if (mask_width, mask_height) != (width, height):
        return f"its mask is {mask_width} x {mask_height} pixels, the image {width} x {height}"
    return "" if pixels.any() else f"the mask {mask.name} is empty"
