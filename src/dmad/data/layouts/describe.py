"""The text of `dmad data`: what a folder contains, what is missing, and where to get it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import get_args

from dmad.data.footage import SplitName
from dmad.data.labels import Split
from dmad.data.layouts.digits import is_mnist
from dmad.data.layouts.image_folders import ABNORMAL, NORMAL, notes_on_unread, scan
from dmad.data.layouts.images import categories, normal_images, resolve, tested_images
from dmad.data.layouts.videos import BENCHMARKS, find_split, notes_on_folders
from dmad.data.reading.decode import probe
from dmad.data.reading.paths import is_image, real_name, require_regular_file, shown
from dmad.errors import DmadError, require

HOW_TO_LABEL = (
    "to evaluate, give labels.csv (clip,start,end; frames from 0, end included), labels.npy "
    "(0 or 1 per frame), NAME.csv (start,end) or NAME.npy beside a clip, or masks/NAME/"
)

OTHER_DATA = (
    "MNIST (mnist), MNIST/raw/train-images-idx3-ubyte[.gz]: http://yann.lecun.com/exdb/mnist/",
    "MVTec AD (mvtec), bottle/train/good/*.png: https://www.mvtec.com/company/research/datasets",
    "your own (video): video files or folders of frame images",
    "your own (images): photographs of good parts, or folders named normal and abnormal",
)

MOST_FOLDERS = 20_000  # a recorder with eight cameras makes this many in three months
ENOUGH_TO_TRAIN = 100  # with fewer good images, recipe patches is advised instead of images
SHORTEST = 5  # frames; with the usual settings, a shorter clip gets no score

Splits = dict[SplitName, Split | str]  # for each split, its clips, or why it has none


def describe(root: Path) -> str:
    """Return lines of text: what a folder contains, what is missing and where to get it.

    Raises:
        DmadError: The folder or file does not exist, or is too large to be searched.
    """
    require(root.exists(), f"{shown(root)} does not exist; give a folder of data or a video")
    require_regular_file(root)
    _require_few_folders(root)
    inner = sorted(path for path in root.iterdir() if _is_data_set(path)) if root.is_dir() else []
    if len(inner) > 1 or (inner and _has_no_data_itself(root)):
        return "\n".join(describe(path) for path in inner)
    return "\n".join([f"{root} holds", *(f"  {line}" for line in _lines(root))])


def _require_few_folders(root: Path) -> None:
    """Refuse a folder such as `/`, whose many inner folders would take long to search.

    Raises:
        DmadError: The folder contains more than `MOST_FOLDERS` folders.
    """
    for count, _ in enumerate(os.walk(root)):
        require(
            count < MOST_FOLDERS,
            f"{root} contains more than {MOST_FOLDERS} folders; give the folder of the data itself",
        )


def _has_no_data_itself(root: Path) -> bool:
    """True if a folder is not a data set itself, and no clips are found in it."""
    return not _is_data_set(root) and _clip_counts(_find("video", root)) == (0, 0)


def _is_data_set(root: Path) -> bool:
    """True if a folder is a complete data set that dmad knows."""
    if not root.is_dir():
        return False
    if is_mnist(root) or categories(root):
        return True
    return any(_is_complete(name, _find(name, root)) for name in BENCHMARKS)


def _lines(root: Path) -> list[str]:
    images = describe_images(root)
    if images:
        return images
    if is_mnist(root):
        return ["mnist: MNIST, the original IDX files"]
    found = {name: _find(name, root) for name in BENCHMARKS}
    complete = {name: splits for name, splits in found.items() if _is_complete(name, splits)}
    partial = {
        name: splits
        for name, splits in found.items()
        if any(_clip_counts(splits)) and _names_fit(name, splits)
    }
    chosen = complete or {**partial, "video": _find("video", root)}
    if list(chosen) == ["video"] and _is_one_clip(root, chosen["video"]):
        return describe_photographs(root)
    lines = []
    if any(_clip_counts(splits) != (0, 0) for splits in chosen.values()):
        for name, splits in chosen.items():
            lines += _describe_layout(name, splits)
    elif is_image(root):
        lines = ["a single image: give its folder"]
    else:
        lines = ["no known data set; expected one of", *_known_data()]
    notes = [] if complete or root.is_file() else notes_on_folders(root)
    notes = [note.removeprefix(f"{root}: ") for note in notes]
    return lines + describe_loose_images(root) + notes


def _is_one_clip(root: Path, splits: Splits) -> bool:
    """True if a folder is a single clip without labels: it directly contains all its frames."""
    found = [split for split in splits.values() if isinstance(split, Split)]
    sources = {clip.path for split in found for clip in split.sources}
    is_labelled = any(split.label_name for split in found)
    return root.is_dir() and sources == {root} and not is_labelled


def _find(layout: str, root: Path) -> Splits:
    splits: Splits = {}
    for split in get_args(SplitName):
        try:
            splits[split] = find_split(layout, root, split)
        except DmadError as error:
            splits[split] = str(error)
    return splits


def _clip_counts(splits: Splits) -> tuple[int, int]:
    """Number of clips for training and for testing."""
    train, test = splits["train"], splits["test"]
    return (
        0 if isinstance(train, str) else len(train.sources),
        0 if isinstance(test, str) else len(test.sources),
    )


def _is_complete(layout: str, splits: Splits) -> bool:
    return _clip_counts(splits) == BENCHMARKS[layout].clips


def _names_fit(layout: str, splits: Splits) -> bool:
    """True if the clips are named as in the layout.

    Layouts with the same folders differ only in the names of the clips. In the layout
    `shanghaitech`, all clips are named VIEW_NUMBER, such as 01_0014. In any other layout, at least
    one clip must have a name of another form.
    """
    found = [split for split in splits.values() if isinstance(split, Split)]
    names = [clip.name for split in found for clip in split.sources]
    like_shanghaitech = all(re.fullmatch(r"\d+_\d+", name) for name in names)
    return like_shanghaitech == (layout == "shanghaitech")


def _describe_layout(layout: str, splits: Splits) -> list[str]:
    benchmark = BENCHMARKS.get(layout)
    title = benchmark.title if benchmark else "videos or folders of frame images"
    lines = [f"{layout}: {title}"]
    train, test = splits["train"], splits["test"]
    if isinstance(train, Split) and isinstance(test, Split) and train.sources == test.sources:
        lines += [
            "  no train and test folders: all clips are for testing,",
            "  and the clips without labelled anomalies are for training",
        ]
    lines += [f"  {name}: {_describe_split(name, split)}" for name, split in splits.items()]
    if layout == "video" and isinstance(test, Split) and not test.label_name:
        lines.append(f"  {HOW_TO_LABEL}")
    if benchmark and not _is_complete(layout, splits):
        train_clips, test_clips = benchmark.clips
        lines.append(f"  complete with {train_clips} training and {test_clips} test clips")
        lines.append(f"  get the missing files at {benchmark.home}")
    return lines


def _describe_split(name: str, split: Split | str) -> str:
    if isinstance(split, str):
        return split
    probed = [probe(clip.path) for clip in split.sources]
    clips, frames = len(probed), sum(count for _, count in probed)
    text = f"{clips} clips, {frames} frames"
    short = sum(0 < count < SHORTEST for _, count in probed)
    if short:
        text += f", {short} clips with fewer than {SHORTEST}"
    unreadable = sum(stated == (0.0, 0) for stated in probed)
    if unreadable:
        text += f"; {unreadable} unreadable"
    if name == "test":
        with_masks = sum(masks is not None for masks in split.masks)
        text += f"; labels: {split.label_name or 'none'}; clips with masks: {with_masks} of {clips}"
    return text


def _known_data() -> list[str]:
    published = [
        f"{benchmark.title} ({name}), {benchmark.form}: {benchmark.home}"
        for name, benchmark in BENCHMARKS.items()
    ]
    return [*published, *OTHER_DATA]


def describe_images(root: Path) -> list[str]:
    """Return one line for each category in a folder, with its numbers of images.

    A folder without categories is described as one category.
    """
    if not root.is_dir():
        return []
    known = categories(root)
    recipe = "mvtec" if known else "images"
    folders = {name: root / name for name in known} or {real_name(root): root}
    lines = []
    for name, folder in folders.items():
        counts = _count_images(folder)
        if counts:
            lines.append(f"{recipe}: {name}: {counts}")
    return lines


def describe_photographs(root: Path) -> list[str]:
    """Return lines of text about the images in a folder that contains images, but no clips."""
    files = list(root.iterdir())
    count = sum(is_image(path) for path in files)
    recipe = "patches" if count < ENOUGH_TO_TRAIN else "images"
    return [
        f"images: {count} photographs in no known layout, taken as good images to train on",
        f"  train with: dmad train {recipe} --data.root {shown(root)}",
        "  to test, put images into folders named normal and abnormal",
        f"or, for recipe video: one clip of {count} frames",
        *notes_on_unread(files),
    ]


def describe_loose_images(root: Path) -> list[str]:
    """Return lines of text about the images directly inside a folder.

    The images may be frames of a clip, or good images to train on.
    """
    files = list(root.iterdir()) if root.is_dir() else []
    count = sum(is_image(path) for path in files)
    good = [f"or, for recipe images: {count} good images to train on"] if count else []
    return [*good, *notes_on_unread(files)]


def _count_images(root: Path) -> str:
    """Return a text with the numbers of images under a folder.

    The text is empty if the images may be frames of clips: no folder has a name such as normal or
    abnormal, and no image has its mask in the same folder.
    """
    try:
        scanned = scan(root)
        found = resolve(scanned, root)
        good = len(normal_images(found.files, root))
    except DmadError:
        return ""
    try:
        tested = tested_images(found.files, root)
    except DmadError:
        tested = []
    folders = {part for file in scanned.files for part in Path(file.name.lower()).parts}
    masks = [(file.path, mask) for file in found.files for mask in file.masks]
    if not folders & (NORMAL | ABNORMAL) and all(a.parent != b.parent for a, b in masks):
        return ""  # the images may be frames of clips
    abnormal = [file for file in tested if file.kind == "abnormal"]
    held_out = sum(file.split == "held_out" for file in found.files)
    validation = f", {held_out} in validation" if held_out else ""
    with_mask = sum(bool(file.masks) for file in abnormal)
    notes = "".join(f"; {note.removeprefix(f'{root}: ')}" for note in found.notes)
    return (
        f"{good} good images to train on{validation}; to test, {len(tested) - len(abnormal)} good "
        f"and {len(abnormal)} abnormal ones, {with_mask} of them with masks{notes}"
    )
