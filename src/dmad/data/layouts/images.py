"""Loads images: MVTec AD, folders named normal and abnormal, or only good images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from dmad.config import DataConfig, plain
from dmad.data.cache import decode_clips
from dmad.data.footage import ClipSource, LabelledFootage
from dmad.data.image_traits import CARD_ENTRY, notes_on_training, traits_of, with_value_range
from dmad.data.layouts.image_folders import ImageFile, Images, Split, scan, with_pages
from dmad.data.layouts.image_masks import check_masks, united, with_masks
from dmad.data.layouts.visa import VISA_IMAGES, with_published_split
from dmad.data.locations import required_root
from dmad.data.masks import resize_mask
from dmad.errors import DmadError, require

TESTED = 5  # without normal test images, every fifth normal image is kept for testing


def load_images(data: DataConfig, split: Split) -> LabelledFootage:
    """Decode the images of a split. Each image is a clip of one frame, or of one frame per tile.

    Raises:
        DmadError: `find_images` finds no usable images, or no image can be read.
    """
    root = required_root(data)
    found = find_images(data, root, split)
    data = with_value_range(data, found.files if split == "train" else _training_files(data, root))
    files = {file.name: file for file in found.files}
    sources = [ClipSource(file.name, file.path, page=file.page) for file in found.files]
    footage = decode_clips(sources, data)
    notes = [*footage.skipped, *found.notes]
    described = {}
    if split == "train":
        traits = traits_of(footage, files, data)
        notes += notes_on_training(footage, traits, root)
        described = {CARD_ENTRY: plain(traits)}
    footage = replace(footage, skipped=tuple(notes))

    def masks(name: str) -> np.ndarray:
        """Return the mask (1, H, W) of an image. The mask of a normal image is all False.

        If an abnormal image has no mask, the result has the shape (0, H, W).
        """
        file, canvas = files[name], data.canvas
        if file.kind != "abnormal":
            return np.zeros((1, canvas, canvas), bool)
        if not file.masks:
            return np.zeros((0, canvas, canvas), bool)
        return resize_mask(united(file.masks), canvas)[None]

    labels = [files[clip.name].kind == "abnormal" for clip in footage.clips]  # one per image
    return LabelledFootage(
        footage,
        labels=np.array(labels, np.uint8),
        label_name=f"{data.layout} {data.categories}".strip(),
        masks=masks if any(file.masks for file in found.files) else None,
        classes=np.array([Path(clip.name).parent.name for clip in footage.clips]),
        described=described,
    )


def _training_files(data: DataConfig, root: Path) -> tuple[ImageFile, ...]:
    """The training images from which the range of pixel values is computed.

    Empty if there are no training images, or if the settings already state the range.
    """
    if data.white:
        return ()
    try:
        return find_images(data, root, "train").files
    except DmadError:
        return ()


def load_held_out(data: DataConfig) -> LabelledFootage | None:
    """Decode the good images of a folder named validation.

    None: there are no such images, or the settings hold out no images.
    """
    root = required_root(data)
    category = _category_folder(data, root)
    files = resolve(scan(category), category).files
    has_own = any(file.kind == "normal" and file.split == "held_out" for file in files)
    return load_images(data, "held_out") if has_own and data.held_out else None


def categories(root: Path) -> list[str]:
    """Sorted names of the categories in a folder.

    A category is a folder that contains a folder `train`, as in MVTec AD, or `Data/Images`, as in
    VisA.
    """
    folders = [path for path in root.iterdir() if path.is_dir()] if root.is_dir() else []
    inside = (Path("train"), VISA_IMAGES)
    return sorted(path.name for path in folders if any((path / one).is_dir() for one in inside))


def chosen_categories(data: DataConfig, root: Path) -> list[str]:
    """The categories that `data.categories` names, or all categories if it names none.

    Empty if `root` itself is the category.

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


def find_images(data: DataConfig, root: Path, split: Split) -> Images:
    """Find the images of a split.

    Args:
        data: The settings. They name the layout and the category.
        root: Folder of the data set.
        split: `train` takes only normal images. `held_out` takes the normal images of the folder
            `validation`.

    Raises:
        DmadError: There are no images, too few good images, or several categories.
    """
    root = _category_folder(data, root)
    scanned = scan(root)
    found = resolve(scanned, root)
    files = with_pages(found.files)
    if split == "held_out":
        held_out = [file for file in files if file.kind == "normal" and file.split == "held_out"]
        return Images(tuple(held_out), ())
    if split == "train":
        normal = normal_images(files, root)
        notes = (*found.notes, *_training_notes(files, normal, root))
        return Images(tuple(normal), notes)
    tested = tested_images(files, root)
    masks = [file for file in scanned.files if file.kind == "mask"]
    used = {path for file in files for path in file.masks}
    unused = [mask.name for mask in masks if mask.path not in used]
    images = check_masks(tested, unused) if masks else Images(tuple(tested), ())
    return replace(images, notes=(*images.notes, *found.notes))


def resolve(scanned: Images, root: Path) -> Images:
    """Return the images that `scan` found, with their masks and their final kinds and splits.

    Files of masks are not in the list.
    """
    found = with_masks(scanned.files)
    files = with_published_split(found.files, root)
    return Images(tuple(files), (*scanned.notes, *found.notes))


def _category_folder(data: DataConfig, root: Path) -> Path:
    if data.layout != "mvtec":
        known = categories(root)
        require(
            len(known) < 2,
            f"{root} holds the categories {', '.join(known)}, and a model is trained on one "
            "category: give the folder of one category as --data.root, or train on all categories "
            "with the recipe mvtec",
        )
        return root
    names = chosen_categories(data, root)
    if not names:
        return root
    require(
        len(names) == 1,
        f"{root} holds {len(names)} categories and a model is trained on one category; name it, "
        f"such as --data.categories {names[0]}",
    )
    return root / names[0]


def _training_notes(
    files: Sequence[ImageFile], normal: Sequence[ImageFile], root: Path
) -> list[str]:
    unnamed = sum(file.kind == "unnamed" for file in files)
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
    """The images of kind `normal`. If no image is of this kind, those of kind `unnamed`.

    An image is `unnamed` if no folder name and no mask says whether it is normal.
    """
    normal = [file for file in files if file.kind == "normal"]
    return normal or [file for file in files if file.kind == "unnamed"]


def normal_images(files: Sequence[ImageFile], root: Path) -> list[ImageFile]:
    """The images to train on: the good images of the split `train`.

    If there are no such images, the function returns all good images that are not kept for testing.

    Raises:
        DmadError: There are fewer than two good images.
    """
    normal = good_images([file for file in files if file.split in (None, "train")])
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
    abnormal = [file for file in files if file.kind == "abnormal"]
    of_test = [file for file in abnormal if file.split == "test"]
    tested = normal + (of_test or abnormal)
    require(
        bool(tested),
        f"{root} holds no images to test on; expected a folder named test or abnormal",
    )
    return tested


def _kept_for_testing(files: Sequence[ImageFile], normal: Sequence[ImageFile]) -> list[ImageFile]:
    """Return every fifth of the images `normal`. These images are then not trained on.

    The list is empty if there is no abnormal image, or if the split `test` has normal images.
    """
    has_own = any(file.kind == "normal" and file.split == "test" for file in files)
    has_abnormal = any(file.kind == "abnormal" for file in files)
    return [] if has_own or not has_abnormal else list(normal[TESTED - 1 :: TESTED])
