"""Loads video data sets: UCSD Ped2, CUHK Avenue, ShanghaiTech, and folders of a user's videos."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import get_args

import numpy as np

from dmad.config import DataConfig
from dmad.data.cache import decode_clips
from dmad.data.clip_search import (
    clips_below,
    clips_in,
    note_on_views,
    notes_on_left_out,
    visible,
)
from dmad.data.footage import ClipSource, LabelledFootage, SplitName
from dmad.data.labels import (
    LabelPlaces,
    Split,
    align,
    labelled,
    normal_clips,
    read_masks,
    unlabelled,
)
from dmad.data.locations import required_root
from dmad.data.pieces import spread_pieces
from dmad.data.reading.paths import holds_frames, is_clip, shown
from dmad.errors import DmadError, require


@dataclass(frozen=True)
class Benchmark:
    """A published data set.

    Args:
        title: Its name.
        clips: Number of clips for training and for testing.
        form: Examples of the names of its files.
        home: Web page where it can be downloaded.
    """

    title: str
    clips: tuple[int, int]
    form: str
    home: str


TRAIN_NAMES, TEST_NAMES = ("train", "training", "normal"), ("test", "testing")

BENCHMARKS = {
    "ped2": Benchmark(
        title="UCSD Ped2",
        clips=(16, 12),
        form="UCSDped2/Train/Train001/*.tif or training/frames/01/*.jpg",
        home="http://www.svcl.ucsd.edu/projects/anomaly/dataset.html",
    ),
    "avenue": Benchmark(
        title="CUHK Avenue",
        clips=(16, 21),
        form="training_videos/01.avi or training/frames/01/*.jpg",
        home="https://www.cse.cuhk.edu.hk/leojia/projects/detectabnormal/dataset.html",
    ),
    "shanghaitech": Benchmark(
        title="ShanghaiTech Campus",
        clips=(330, 107),
        form="training/videos/01_001.avi and testing/frames/01_0014/*.jpg",
        home="https://svip-lab.github.io/dataset/campus_dataset.html",
    ),
}


def load_videos(data: DataConfig, split: SplitName) -> LabelledFootage:
    """Decode the clips of one split, with their labels.

    Clips with labelled anomalies are not used for training.

    Raises:
        DmadError: The data is missing, or labels do not fit the clips.
    """
    found = find_split(data.layout, required_root(data), split)
    if split == "train" and data.hours:
        found = _in_pieces(found, data)
    footage = decode_clips(found.sources, data)
    if data.layout == "video":
        notes = notes_on_folders(required_root(data))
        footage = replace(footage, skipped=(*footage.skipped, *notes))
    if split == "train" and found.label_name:
        return LabelledFootage(normal_clips(found, footage, data.fps), labels=None, label_name="")
    clips = {clip.name: clip for clip in footage.clips}

    def masks(name: str) -> np.ndarray:
        return read_masks(found, clips[name], data.size)

    return LabelledFootage(
        footage,
        labels=align(found, footage, data.fps),
        label_name=found.label_name,
        masks=masks if all(found.masks) else None,
    )


def _in_pieces(found: Split, data: DataConfig) -> Split:
    """Replace the clips of a split by evenly spread pieces of them.

    Raises:
        DmadError: The clips have labels.
    """
    require(
        not found.label_name,
        "data.hours works only for footage without labels; give normal clips in a folder named "
        "train, or leave data.hours out",
    )
    return unlabelled(spread_pieces(found.sources, data.hours, data.fps))


def splits_share_clips(data: DataConfig) -> bool:
    """True if the training and test splits are the same clips.

    Then the test clips without labelled anomalies are also the clips that a model is trained on.
    """
    if data.layout != "video":
        return False
    root = required_root(data)
    train, test = (find_split(data.layout, root, split) for split in get_args(SplitName))
    return train.sources == test.sources


def find_split(layout: str, root: Path, split: SplitName) -> Split:
    """Find the clips of one split of a data set, with their labels and masks.

    Args:
        layout: `ped2`, `avenue`, `shanghaitech` or `video`.
        root: Folder of the data set. For `video` it may also be a video file.
        split: `train` or `test`.

    Raises:
        DmadError: The folder does not have this layout, or its labels do not fit its clips.
    """
    finders: dict[str, Callable[[Path, SplitName], Split]] = {
        "ped2": _find_ped2,
        "avenue": _find_avenue,
        "shanghaitech": partial(_find_frame_folders, "shanghaitech"),
        "video": _find_own_videos,
    }
    require(layout in finders, f"unknown layout {layout!r}; known: {', '.join(finders)}")
    require(
        root.exists(), f"{shown(root)} does not exist; give the data set's folder as --data.root"
    )
    found = finders[layout](root, split)
    if not found.sources:
        raise DmadError(_no_clips(layout, root, split))
    return found


def _no_clips(layout: str, root: Path, split: str) -> str:
    benchmark = BENCHMARKS.get(layout)
    form = benchmark.form if benchmark else "video files or folders of frame images"
    home = f"; get it at {benchmark.home}" if benchmark else ""
    names = sorted(path.name for path in root.iterdir())[:6] if root.is_dir() else [root.name]
    inside = ", ".join(names) or "nothing"
    return f"{root} has no {split} clips of layout {layout}: found {inside}; expected {form}{home}"


def _find_ped2(root: Path, split: SplitName) -> Split:
    """Find `Train/Train001/*.tif`, and `Test/Test001/*.tif` with masks in `Test/Test001_gt`."""
    parts = ("Train", "Test")
    bases = [path for path in (root, root / "UCSDped2") if _holds_one(path, parts)]
    if not bases:
        return _find_frame_folders("ped2", root, split)
    folder = bases[0] / split.capitalize()
    clips = [clip for clip in _clips(folder) if not clip.name.endswith("_gt")]
    if split == "train":
        return unlabelled(clips)
    masks = [first_existing(folder / f"{clip.name}_gt") for clip in clips]
    return labelled(clips, LabelPlaces(masks, data_set="ped2"))


def _find_avenue(root: Path, split: SplitName) -> Split:
    """Find `training_videos/01.avi`, and `testing_videos/01.avi` with its masks.

    The masks are in `testing_label_mask/1_label.mat`.
    """
    bases = [root, root / "Avenue Dataset", root / "avenue"]
    bases = [path for path in bases if _holds_one(path, ("training_videos", "testing_videos"))]
    if not bases:
        return _find_frame_folders("avenue", root, split)
    base = bases[0]
    clips = _clips(base / f"{split}ing_videos")
    if split == "train":
        return unlabelled(clips)
    folders = [
        place / middle / "testing_label_mask"
        for place in (base, root)
        for middle in ("ground_truth_demo", "")
    ]
    folder = first_existing(*folders) or folders[0]
    masks = [
        first_existing(folder / f"{int(clip.name)}_label.mat") if clip.name.isdecimal() else None
        for clip in clips
    ]
    return labelled(clips, LabelPlaces(masks, data_set="avenue"))


def _find_frame_folders(layout: str, root: Path, split: SplitName) -> Split:
    """Find the clips `training/videos/NAME.avi`, or else `training/frames/NAME/*.jpg`.

    For the split `test`, the clips are in `testing`. The labels are found too.
    """
    folder = root / f"{split}ing"
    clips = _clips(folder / "videos") or _clips(folder / "frames")
    if layout == "shanghaitech":  # clips are named VIEW_NUMBER
        clips = [ClipSource(clip.name, clip.path, clip.name.split("_")[0]) for clip in clips]
    if split == "train":
        return unlabelled(clips)
    places = LabelPlaces(
        masks=[_masks_of(folder, clip.name) for clip in clips],
        all_clips=[root / "frame_labels.npy", root / f"frame_labels_{layout}.npy"],
        each_clip=[[folder / "test_frame_mask" / f"{clip.name}.npy"] for clip in clips],
        data_set=layout,
    )
    return labelled(clips, places)


def _holds_one(folder: Path, names: Sequence[str]) -> bool:
    """True if a folder directly contains at least one folder with one of the names."""
    return any((folder / name).is_dir() for name in names)


def _masks_of(folder: Path, name: str) -> Path | None:
    return first_existing(folder / "masks" / name, folder / "test_pixel_mask" / f"{name}.npy")


def first_existing(*paths: Path) -> Path | None:
    """The first path that exists; None if none does."""
    return next((path for path in paths if path.exists()), None)


def _find_own_videos(root: Path, split: SplitName) -> Split:
    """Find videos and folders of frames, in folders named `train` and `test`.

    Without such folders, both splits are the same clips: all clips, with their labels.
    """
    if root.is_file():
        clips = [ClipSource(root.stem, root)] if is_clip(root) else []
        return _with_own_labels(clips, root.parent, [])
    train, test = _inner_folder(root, TRAIN_NAMES), _inner_folder(root, TEST_NAMES)
    if train is None and test is None:
        folder: Path | None = root
    else:
        folder = train if split == "train" else test
    if folder is None:
        return unlabelled([])
    clips = _clips_of_views(folder)
    if split == "train" and folder != root:
        return unlabelled(clips)
    places = dict.fromkeys((folder, root))
    files = [place / name for place in places for name in ("labels.npy", "labels.csv")]
    return _with_own_labels(clips, folder, files)


def _with_own_labels(clips: Sequence[ClipSource], folder: Path, all_clips: Sequence[Path]) -> Split:
    places = LabelPlaces(
        masks=[_masks_of(folder, clip.name) for clip in clips],
        all_clips=all_clips,
        each_clip=[_own_label_files(clip.path) for clip in clips],
    )
    return labelled(clips, places)


def _own_label_files(clip: Path) -> list[Path]:
    """Files beside or inside a clip that may contain its labels."""
    folders = (clip.parent, clip)
    return [folder / f"{_stem(clip)}{suffix}" for suffix in (".npy", ".csv") for folder in folders]


def _inner_folder(root: Path, names: Sequence[str]) -> Path | None:
    folders = {path.name.lower(): path for path in root.iterdir() if path.is_dir()}
    return next((folders[name] for name in names if name in folders), None)


def _clips_of_views(folder: Path) -> list[ClipSource]:
    """The clips in a folder and its inner folders. If the folder is a clip, only this clip.

    An inner folder is taken as a view, except if its name is a date or a time.
    """
    if holds_frames(folder):
        return [ClipSource(folder.name, folder)]
    found = [clip for base in _bases(folder) for clip in clips_below(base)]
    names = _clip_names([clip.path for clip in found], [clip.folders for clip in found])
    return [ClipSource(name, clip.path, clip.view) for name, clip in zip(names, found, strict=True)]


def _bases(folder: Path) -> list[Path]:
    return [path for path in (folder / "frames", folder / "videos") if path.is_dir()] or [folder]


def _clips(*folders: Path) -> list[ClipSource]:
    """Video files and folders of frames directly inside folders, in natural order."""
    paths = [path for folder in folders for path in clips_in(folder)]
    names = _clip_names(paths, [()] * len(paths))
    return [ClipSource(name, path) for name, path in zip(names, paths, strict=True)]


def _clip_names(paths: Sequence[Path], folders: Sequence[Sequence[str]]) -> list[str]:
    """A name for each clip: its folders and its file name.

    The name contains the ending of the file only if two names differ in nothing else.
    """
    names = ["/".join((*inside, _stem(path))) for path, inside in zip(paths, folders, strict=True)]
    counts = Counter(names)
    return [
        name if counts[name] == 1 else "/".join((*inside, path.name))
        for name, path, inside in zip(names, paths, folders, strict=True)
    ]


def notes_on_folders(root: Path) -> list[str]:
    """Notes on a folder of a user's own videos: its views, and the files that are left out."""
    if root.is_file() or holds_frames(root):
        return []
    inner = [_inner_folder(root, names) for names in (TRAIN_NAMES, TEST_NAMES)]
    folders = [base for folder in inner if folder for base in _bases(folder)] or _bases(root)
    found = [clip for folder in folders for clip in clips_below(folder)]
    places = dict.fromkeys([*folders, *(clip.path.parent for clip in found)])
    paths = [path for place in places for path in visible(place)]
    return [f"{root}: {note}" for note in (*note_on_views(found), *notes_on_left_out(paths))]


def _stem(path: Path) -> str:
    return path.name if path.is_dir() else path.stem
