"""How each data set lies on disk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dmad.data.footage import ClipSource
from dmad.data.labels import Split, labelled, unlabelled
from dmad.data.reading.paths import holds_frames, is_clip, natural
from dmad.errors import DmadError, require

SplitName = Literal["train", "test"]


@dataclass(frozen=True)
class Benchmark:
    """A published data set: its name, clips for training and test, form on disk, and home."""

    title: str
    clips: tuple[int, int]
    form: str
    home: str


BENCHMARKS = {
    "ped2": Benchmark(
        "UCSD Ped2",
        (16, 12),
        "UCSDped2/Train/Train001/*.tif or training/frames/01/*.jpg",
        "http://www.svcl.ucsd.edu/projects/anomaly/dataset.html",
    ),
    "avenue": Benchmark(
        "CUHK Avenue",
        (16, 21),
        "training_videos/01.avi or training/frames/01/*.jpg",
        "https://www.cse.cuhk.edu.hk/leojia/projects/detectabnormal/dataset.html",
    ),
    "shanghaitech": Benchmark(
        "ShanghaiTech Campus",
        (330, 107),
        "training/videos/01_001.avi and testing/frames/01_0014/*.jpg",
        "https://svip-lab.github.io/dataset/campus_dataset.html",
    ),
}


def find_split(layout: str, root: Path, split: SplitName) -> Split:
    """Find the clips of one split of a data set, with labels and masks where it has them.

    Args:
        layout: `ped2`, `avenue`, `shanghaitech` or `video`.
        root: Folder of the data set; for `video` also one video file.
        split: `train` or `test`.

    Raises:
        DmadError: the folder does not look like that, or its labels do not fit its clips.
    """
    finders = {"ped2": _ped2, "avenue": _avenue, "shanghaitech": _shanghaitech, "video": _video}
    require(layout in finders, f"unknown layout {layout!r}; known: {', '.join(finders)}")
    require(root.exists(), f"{root} does not exist; give the data set's folder as --data.root")
    found = finders[layout](root, split)
    if not found.sources:
        raise DmadError(_nothing(layout, root, split))
    return found


def _nothing(layout: str, root: Path, split: str) -> str:
    bench = BENCHMARKS.get(layout)
    form = bench.form if bench else "video files or folders of frame images"
    source = f"; get it at {bench.home}" if bench else ""
    held = sorted(path.name for path in root.iterdir())[:6] if root.is_dir() else [root.name]
    inside = ", ".join(held) or "nothing"
    return (
        f"{root} has no {split} clips of layout {layout}: found {inside}; expected {form}{source}"
    )


def _ped2(root: Path, split: SplitName) -> Split:
    base = next((path for path in (root, root / "UCSDped2") if (path / "Train").is_dir()), None)
    if base is None:
        return _tree("ped2", root, split)
    folder = base / split.capitalize()
    clips = [clip for clip in _clips(folder) if not clip.name.endswith("_gt")]
    if split == "train":
        return unlabelled(clips)
    masks = [existing(folder / f"{clip.name}_gt") for clip in clips]
    return labelled(clips, masks, prefix="ped2")


def _avenue(root: Path, split: SplitName) -> Split:
    bases = (root, root / "Avenue Dataset", root / "avenue")
    base = next((path for path in bases if (path / "training_videos").is_dir()), None)
    if base is None:
        return _tree("avenue", root, split)
    clips = _clips(base / f"{split}ing_videos")
    if split == "train":
        return unlabelled(clips)
    places = [
        place / middle / "testing_label_mask"
        for place in (base, root)
        for middle in ("ground_truth_demo", "")
    ]
    folder = next((place for place in places if place.is_dir()), places[0])
    return labelled(clips, [_volume(folder, clip.name) for clip in clips], prefix="avenue")


def _volume(folder: Path, name: str) -> Path | None:
    return existing(folder / f"{int(name)}_label.mat") if name.isdecimal() else None


def _shanghaitech(root: Path, split: SplitName) -> Split:
    return _tree("shanghaitech", root, split)


def _tree(layout: str, root: Path, split: SplitName) -> Split:
    """`training/frames/NAME/*.jpg` (or `training/videos/NAME.avi`), and so for `testing`."""
    folder = root / f"{split}ing"
    clips = _clips(folder / "videos") or _clips(folder / "frames")
    if layout == "shanghaitech":
        clips = [ClipSource(clip.name, clip.path, clip.name.split("_")[0]) for clip in clips]
    if split == "train":
        return unlabelled(clips)
    masks = [_masks_of(folder, clip.name) for clip in clips]
    each = [[folder / "test_frame_mask" / f"{clip.name}.npy"] for clip in clips]
    whole = [root / "frame_labels.npy", root / f"frame_labels_{layout}.npy"]
    return labelled(clips, masks, whole, each, prefix=layout)


def _masks_of(folder: Path, name: str) -> Path | None:
    return existing(folder / "masks" / name, folder / "test_pixel_mask" / f"{name}.npy")


def existing(*paths: Path) -> Path | None:
    """The first that is there."""
    return next((path for path in paths if path.exists()), None)


def _video(root: Path, split: SplitName) -> Split:
    """Any videos and folders of frames; `train` and `test` folders, where there are some.

    Without them both splits are the same clips, with their labels.
    """
    if root.is_file():
        clips = [ClipSource(root.stem, root)] if is_clip(root) else []
        return _with_labels(clips, root.parent, [])
    train = _child(root, ("train", "training", "normal"))
    test = _child(root, ("test", "testing"))
    folder = root if train is None and test is None else train if split == "train" else test
    clips = _scan(folder) if folder else []
    if folder is None or (split == "train" and folder is not root):
        return unlabelled(clips)
    places = dict.fromkeys((folder, root))
    whole = [place / name for place in places for name in ("labels.npy", "labels.csv")]
    return _with_labels(clips, folder, whole)


def _with_labels(clips: Sequence[ClipSource], folder: Path, whole: Sequence[Path]) -> Split:
    each = [list(_own_labels(clip)) for clip in clips]
    return labelled(clips, [_masks_of(folder, clip.name) for clip in clips], whole, each)


def _own_labels(clip: ClipSource) -> Iterable[Path]:
    name = clip.path.name if clip.path.is_dir() else clip.path.stem
    for suffix in (".npy", ".csv"):
        yield clip.path.parent / f"{name}{suffix}"
        yield clip.path / f"{name}{suffix}"


def _child(root: Path, names: Sequence[str]) -> Path | None:
    folders = {path.name.lower(): path for path in root.iterdir() if path.is_dir()}
    return next((folders[name] for name in names if name in folders), None)


def _scan(folder: Path) -> list[ClipSource]:
    """Clips of a folder, of its scenes' folders, or the folder itself where it holds frames."""
    if holds_frames(folder):
        return [ClipSource(folder.name, folder)]
    known = [path for path in (folder / "frames", folder / "videos") if path.is_dir()] or [folder]
    scenes = [p for place in known for p in _entries(place) if p.is_dir() and not is_clip(p)]
    inner = [
        ClipSource(f"{scene.name}/{clip.name}", clip.path, scene.name)
        for scene in scenes
        if scene.name != "masks"
        for clip in _clips(scene)
    ]
    return _clips(*known) + inner


def _clips(*folders: Path) -> list[ClipSource]:
    """Video files and folders of frames right inside folders, in natural order."""
    paths = [path for folder in folders for path in _entries(folder) if is_clip(path)]
    stems = Counter(_stem(path) for path in paths)
    names = [_stem(path) if stems[_stem(path)] == 1 else path.name for path in paths]
    return [ClipSource(name, path) for name, path in zip(names, paths, strict=True)]


def _stem(path: Path) -> str:
    return path.name if path.is_dir() else path.stem


def _entries(folder: Path) -> list[Path]:
    inside = folder.iterdir() if folder.is_dir() else ()
    return sorted((path for path in inside if not path.name.startswith(".")), key=natural)
