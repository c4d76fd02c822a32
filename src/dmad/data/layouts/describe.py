"""What a folder of data holds, what is missing, and where to get it: what `dmad data` prints."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from dmad.data.labels import Split
from dmad.data.layouts.images import ABNORMAL, NORMAL, categories, normal_images, scan, unread
from dmad.data.layouts.videos import BENCHMARKS, SplitName, existing, find_split
from dmad.data.reading.decode import probe
from dmad.data.reading.paths import is_image, own_name
from dmad.errors import DmadError, require

LABELS = (
    "to evaluate, give labels.csv (clip,start,end; frames from 0, end included), labels.npy "
    "(0 or 1 a frame), NAME.csv (start,end) or NAME.npy beside a clip, or masks/NAME/"
)

OTHERS = (
    "MNIST (mnist), MNIST/raw/train-images-idx3-ubyte[.gz]: http://yann.lecun.com/exdb/mnist/",
    "MVTec AD (mvtec), bottle/train/good/*.png: https://www.mvtec.com/company/research/datasets",
    "your own (video): video files or folders of frame images",
    "your own (images): photographs of good parts, or folders named normal and abnormal",
)

SHORT = 5  # frames; a clip of fewer makes no window of the usual settings


def describe(root: Path) -> str:
    """What a folder holds, what is missing and where to get it: what `dmad data` prints.

    Raises:
        DmadError: there is no such folder or file.
    """
    require(root.exists(), f"{root} does not exist; give a folder of data or a video")
    inner = sorted(path for path in root.iterdir() if _is_set(path)) if root.is_dir() else []
    if len(inner) > 1 or (inner and _is_bare(root)):
        return "\n".join(describe(path) for path in inner)
    return "\n".join([f"{root} holds", *(f"  {line}" for line in _lines(root))])


def _is_bare(root: Path) -> bool:
    """Whether a folder is nothing but the place where another lies."""
    return not _is_set(root) and _counts(_look("video", root)) == (0, 0)


def _is_set(root: Path) -> bool:
    """Whether a folder is, whole, a data set known by its form."""
    if not root.is_dir():
        return False
    counts = (_counts(_look(name, root)) == bench.clips for name, bench in BENCHMARKS.items())
    return _is_mnist(root) or bool(categories(root)) or any(counts)


def _is_mnist(root: Path) -> bool:
    images = root / "MNIST" / "raw" / "train-images-idx3-ubyte"
    return existing(images, images.with_suffix(".gz")) is not None


def _lines(root: Path) -> list[str]:
    images = describe_images(root)
    if images:
        return images
    if _is_mnist(root):
        return ["mnist: MNIST, the original IDX files"]
    found = {name: _look(name, root) for name in BENCHMARKS}
    full = [name for name, bench in BENCHMARKS.items() if _counts(found[name]) == bench.clips]
    some = [name for name in BENCHMARKS if any(_counts(found[name])) and _named(name, found)]
    chosen = {name: found[name] for name in full or some}
    if not full:
        chosen["video"] = _look("video", root)
    lines = [line for name, splits in chosen.items() for line in _describe(name, splits)]
    if not any(_counts(splits) != (0, 0) for splits in chosen.values()):
        lines = ["no data known here; expected one of", *_catalogue()]
        if is_image(root):
            lines = ["a single image: give the folder that it lies in"]
    return lines + describe_loose(root)


def _look(layout: str, root: Path) -> dict[str, Split | str]:
    """Both splits, or why there is none."""
    return {split: _try(layout, root, split) for split in get_args(SplitName)}


def _try(layout: str, root: Path, split: SplitName) -> Split | str:
    try:
        return find_split(layout, root, split)
    except DmadError as error:
        return str(error)


def _counts(splits: dict[str, Split | str]) -> tuple[int, int]:
    counts = {name: 0 if isinstance(it, str) else len(it.sources) for name, it in splits.items()}
    return counts["train"], counts["test"]


def _named(layout: str, found: dict[str, dict[str, Split | str]]) -> bool:
    """Whether the clips' names speak for ShanghaiTech (scene_clip), or for the others."""
    splits = [split for split in found[layout].values() if isinstance(split, Split)]
    names = [clip.name for split in splits for clip in split.sources]
    return all(re.fullmatch(r"\d+_\d+", name) for name in names) == (layout == "shanghaitech")


def _describe(layout: str, splits: dict[str, Split | str]) -> list[str]:
    bench = BENCHMARKS.get(layout)
    lines = [f"{layout}: {bench.title if bench else 'videos or folders of frame images'}"]
    train, test = splits["train"], splits["test"]
    if isinstance(train, Split) and isinstance(test, Split) and train.sources == test.sources:
        lines.append(
            "  no train and test folders: all are tested, those without labelled anomalies trained"
        )
    lines += [f"  {name}: {_describe_split(name, split)}" for name, split in splits.items()]
    if layout == "video" and isinstance(test, Split) and not test.label_name:
        lines.append(f"  {LABELS}")
    if bench and _counts(splits) != bench.clips:
        lines.append(f"  published with {bench.clips[0]} training and {bench.clips[1]} test clips")
        lines.append(f"  get what is missing at {bench.home}")
    return lines


def _describe_split(name: str, split: Split | str) -> str:
    if isinstance(split, str):
        return split
    probed = [probe(clip.path) for clip in split.sources]
    clips, frames = len(probed), sum(count for _, count in probed)
    short = sum(0 < count < SHORT for _, count in probed)
    broken = sum(known == (0.0, 0) for known in probed)
    notes = f", {short} of fewer than {SHORT}" * bool(short)
    notes += f"; {broken} unreadable" * bool(broken)
    masked = sum(mask is not None for mask in split.masks)
    truth = f"; labels: {split.label_name or 'none'}; masks: {masked} of {clips} clips"
    return f"{clips} clips, {frames} frames{notes}{truth if name == 'test' else ''}"


def _catalogue() -> list[str]:
    homes = [f"{it.title} ({name}), {it.form}: {it.home}" for name, it in BENCHMARKS.items()]
    return [*homes, *OTHERS]


def describe_images(root: Path) -> list[str]:
    """What a folder holds for the recipes of images, one line a category; none where nothing."""
    if not root.is_dir():
        return []
    known = categories(root)
    folders = {name: root / name for name in known} or {own_name(root): root}
    recipe = "mvtec" if known else "images"
    return [f"{recipe}: {name}: {line}" for name, it in folders.items() if (line := _counted(it))]


def describe_loose(root: Path) -> list[str]:
    """How many images lie right in a folder: frames of a clip, or photographs of good parts."""
    files = list(root.iterdir()) if root.is_dir() else []
    count = sum(map(is_image, files))
    good = [f"or, for recipe images: {count} good images to train on"] if count else []
    return [*good, *unread(files)]


def _counted(root: Path) -> str:
    try:
        there = scan(root)
        good = len(normal_images(there.files, root))
    except DmadError:
        return ""
    files = there.files
    if not any({*Path(file.name.lower()).parts} & (NORMAL | ABNORMAL) for file in files):
        return ""  # clips, perhaps
    notes = "".join(f"; {note.removeprefix(f'{root}: ')}" for note in there.notes)
    bad = sum(file.kind == "abnormal" for file in files)
    masks = sum(file.kind == "mask" for file in files)
    return f"{good} good images to train on, {bad} abnormal ones, {masks} masks{notes}"
