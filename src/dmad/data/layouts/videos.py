"""Loads video data sets: UCSD Ped2, CUHK Avenue, ShanghaiTech, and folders of a user's videos."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import get_args

import numpy as np

from dmad.config import DataConfig
from dmad.data.cache import decode_clips
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
from dmad.data.reading.paths import holds_frames, is_clip, natural_key
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
    footage = decode_clips(found.sources, data)
    if split == "train" and found.label_name:
        return LabelledFootage(normal_clips(found, footage), labels=None, label_name="")
    clips = {clip.name: clip for clip in footage.clips}

    def masks(name: str) -> np.ndarray:
        return read_masks(found, clips[name], data.size)

    return LabelledFootage(
        footage,
        labels=align(found, footage),
        label_name=found.label_name,
        masks=masks if all(found.masks) else None,
    )


def splits_share_clips(data: DataConfig) -> bool:
    """True if the training and test splits are the same clips.

    Then the model was trained on the test clips without labelled anomalies.
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
    require(root.exists(), f"{root} does not exist; give the data set's folder as --data.root")
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
    """`Train/Train001/*.tif` and `Test/Test001/*.tif` with masks in `Test/Test001_gt`."""
    bases = [path for path in (root, root / "UCSDped2") if (path / "Train").is_dir()]
    if not bases:
        return _find_frame_folders("ped2", root, split)
    folder = bases[0] / split.capitalize()
    clips = [clip for clip in _clips(folder) if not clip.name.endswith("_gt")]
    if split == "train":
        return unlabelled(clips)
    masks = [first_existing(folder / f"{clip.name}_gt") for clip in clips]
    return labelled(clips, LabelPlaces(masks, data_set="ped2"))


def _find_avenue(root: Path, split: SplitName) -> Split:
    """`training_videos/01.avi`, and masks in `testing_label_mask/1_label.mat`."""
    bases = [root, root / "Avenue Dataset", root / "avenue"]
    bases = [path for path in bases if (path / "training_videos").is_dir()]
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
    """`training/frames/NAME/*.jpg` or `training/videos/NAME.avi`, and the same in `testing`."""
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


def _masks_of(folder: Path, name: str) -> Path | None:
    return first_existing(folder / "masks" / name, folder / "test_pixel_mask" / f"{name}.npy")


def first_existing(*paths: Path) -> Path | None:
    """The first path that exists; None if none does."""
    return next((path for path in paths if path.exists()), None)


def _find_own_videos(root: Path, split: SplitName) -> Split:
    """Videos and folders of frames, in folders named `train` and `test`.

    Without such folders, both splits are the same clips, with their labels.
    """
    if root.is_file():
        clips = [ClipSource(root.stem, root)] if is_clip(root) else []
        return _with_own_labels(clips, root.parent, [])
    train = _inner_folder(root, ("train", "training", "normal"))
    test = _inner_folder(root, ("test", "testing"))
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
    """The clips in a folder and in its subfolders, one subfolder a view.

    If the folder itself is a clip, only this clip.
    """
    if holds_frames(folder):
        return [ClipSource(folder.name, folder)]
    bases = [path for path in (folder / "frames", folder / "videos") if path.is_dir()] or [folder]
    clips = _clips(*bases)
    for base in bases:
        for view in _visible(base):
            if view.is_dir() and not is_clip(view) and view.name != "masks":
                clips += [
                    ClipSource(f"{view.name}/{clip.name}", clip.path, view.name)
                    for clip in _clips(view)
                ]
    return clips


def _clips(*folders: Path) -> list[ClipSource]:
    """Video files and folders of frames directly inside folders, in natural order."""
    paths = [path for folder in folders for path in _visible(folder) if is_clip(path)]
    counts = Counter(_stem(path) for path in paths)
    return [
        ClipSource(_stem(path) if counts[_stem(path)] == 1 else path.name, path) for path in paths
    ]


def _stem(path: Path) -> str:
    return path.name if path.is_dir() else path.stem


def _visible(folder: Path) -> list[Path]:
    """All paths in a folder that are not hidden, in natural order; none if it is not a folder."""
    inside = folder.iterdir() if folder.is_dir() else ()
    return sorted((path for path in inside if not path.name.startswith(".")), key=natural_key)
