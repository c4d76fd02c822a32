"""Loads images: MVTec AD, folders named normal and abnormal, or only good images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from dmad.config import DataConfig
from dmad.data.cache import decode_clips
from dmad.data.footage import ClipSource, LabelledFootage, SplitName
from dmad.data.layouts.image_folders import ImageFile, Images, scan
from dmad.data.layouts.image_masks import with_masks
from dmad.data.locations import required_root
from dmad.data.masks import read_mask, resize_mask
from dmad.errors import require

TESTED = 5  # without normal test images, every fifth normal image is kept for testing


def load_images(data: DataConfig, split: SplitName) -> LabelledFootage:
    """Decode the images of a split. Each image is a clip of one frame, or of one frame per tile.

    Raises:
        DmadError: `find_images` fails, or no image can be read.
    """
    found = find_images(data, required_root(data), split)
    files = {file.name: file for file in found.files}
    footage = decode_clips([ClipSource(file.name, file.path) for file in found.files], data)
    footage = replace(footage, skipped=(*footage.skipped, *found.notes))

    def masks(name: str) -> np.ndarray:
        """One mask (1, H, W), or none (0, H, W) if an abnormal image has no mask."""
        file, canvas = files[name], data.canvas
        if file.kind != "abnormal":
            return np.zeros((1, canvas, canvas), bool)
        if file.mask is None:
            return np.zeros((0, canvas, canvas), bool)
        return resize_mask(read_mask(file.mask), canvas)[None]

    labels = [files[clip.name].kind == "abnormal" for clip in footage.clips]  # one per image
    return LabelledFootage(
        footage,
        labels=np.array(labels, np.uint8),
        label_name=f"{data.layout} {data.categories}".strip(),
        masks=masks if any(file.mask for file in found.files) else None,
        classes=np.array([Path(clip.name).parent.name for clip in footage.clips]),
    )


def categories(root: Path) -> list[str]:
    """Sorted names of the folders that contain a folder `train`, as in MVTec AD."""
    folders = [path for path in root.iterdir() if path.is_dir()] if root.is_dir() else []
    return sorted(path.name for path in folders if (path / "train").is_dir())


def chosen_categories(data: DataConfig, root: Path) -> list[str]:
    """The categories named by `data.categories`, or all; empty if `root` is a category itself.

    Raises:
        DmadError: A named category does not exist.
    """
    known = categories(root)
    named = [name.strip() for name in data.categories.split(",") if name.strip()]
    missing = [name for name in named if name not in known]
    if missing and root.name in named and not known:
        return []
    require(
        not missing,
        f"{root} has no category {', '.join(missing)}; it has {', '.join(known) or 'none'}",
    )
    return named or known


def find_images(data: DataConfig, root: Path, split: SplitName) -> Images:
    """Find the images of a split.

    Args:
        data: Layout and category.
        root: Folder of the data set.
        split: `train` takes only normal images.

    Raises:
        DmadError: There are no images, too few good images, or several categories.
    """
    root = _category_folder(data, root)
    scanned = scan(root)
    if split == "train":
        normal = normal_images(scanned.files, root)
        return Images(tuple(normal), (*scanned.notes, *_training_notes(scanned, normal, root)))
    tested = tested_images(scanned.files, root)
    masks = [file for file in scanned.files if file.kind == "mask"]
    images = with_masks(tested, masks) if masks else Images(tuple(tested), ())
    return replace(images, notes=(*images.notes, *scanned.notes))


def _category_folder(data: DataConfig, root: Path) -> Path:
    if data.layout != "mvtec":
        known = categories(root)
        require(
            len(known) < 2,
            f"{root} holds the categories {', '.join(known)}, and a model is trained on one: give "
            "the folder of one as --data.root, or train on all with the recipe mvtec",
        )
        return root
    names = chosen_categories(data, root)
    if not names:
        return root
    require(
        len(names) == 1,
        f"{root} holds {len(names)} categories and a model is trained on one; name one, such as "
        f"--data.categories {names[0]}",
    )
    return root / names[0]


def _training_notes(scanned: Images, normal: Sequence[ImageFile], root: Path) -> list[str]:
    unnamed = sum(file.kind == "unnamed" for file in scanned.files)
    if normal[0].kind != "unnamed":
        note = f"{unnamed} images left out: their folders are not named normal or train"
        return [f"{root}: {note}"] if unnamed else []
    folders = sorted({file.path.parent.name for file in normal})
    if len(folders) == 1:
        return []
    return [
        f"{root}: all {len(normal)} images of the folders {', '.join(folders)} are taken as good; "
        "if some are not, name the folders normal and abnormal"
    ]


def good_images(files: Sequence[ImageFile]) -> list[ImageFile]:
    """The images of kind `normal`; if there are none, the images of kind `unnamed`."""
    normal = [file for file in files if file.kind == "normal"]
    return normal or [file for file in files if file.kind == "unnamed"]


def normal_images(files: Sequence[ImageFile], root: Path) -> list[ImageFile]:
    """The images to train on: the good images of `train`, or all that are not kept for testing.

    Raises:
        DmadError: There are fewer than two good images.
    """
    normal = good_images([file for file in files if file.split != "test"])
    require(
        len(normal) > 1,
        f"{root} holds {len(normal)} good images among {len(files)}, and training needs at least "
        "two, better thirty; put them into a folder named normal or train/good",
    )
    of_train = [file for file in normal if file.split == "train"]
    kept = {file.name for file in _kept_for_testing(files, normal)}
    return of_train or [file for file in normal if file.name not in kept]


def tested_images(files: Sequence[ImageFile], root: Path) -> list[ImageFile]:
    """The normal images that are not trained on, then the abnormal ones.

    Raises:
        DmadError: There are no such images.
    """
    normal = [file for file in files if file.kind == "normal" and file.split == "test"]
    if not normal:
        normal = _kept_for_testing(files, good_images([file for file in files if not file.split]))
    tested = normal + [file for file in files if file.kind == "abnormal"]
    require(
        bool(tested),
        f"{root} holds no images to test on; expected a folder test, or one named abnormal",
    )
    return tested


def _kept_for_testing(files: Sequence[ImageFile], normal: Sequence[ImageFile]) -> list[ImageFile]:
    """Every fifth normal image, if there are abnormal images but no normal images in `test`."""
    has_own = any(file.kind == "normal" and file.split == "test" for file in files)
    has_abnormal = any(file.kind == "abnormal" for file in files)
    return [] if has_own or not has_abnormal else list(normal[TESTED - 1 :: TESTED])
