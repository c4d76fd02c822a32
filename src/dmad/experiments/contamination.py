"""Sec. 4.6 of the paper: abnormal events in the training data of DMAD and of a baseline."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dmad.config import DataConfig, TrainedConfig
from dmad.data.footage import thin
from dmad.data.layouts.videos import find_split
from dmad.data.locations import required_root
from dmad.data.reading.paths import image_files
from dmad.data.series import intervals
from dmad.data.splits import MIXED_PREFIX, load_split
from dmad.errors import require
from dmad.experiments.ablation import VIDEO_COLUMNS, memory_with_skips
from dmad.experiments.effort import Effort
from dmad.experiments.grid import Grid, Outcome
from dmad.experiments.run_grid import base_config, run_grid, with_data

SHARES = (0.0, 0.01, 0.05, 0.1)  # of the training frames
# Percentage points lost on Ped2. The paper does not state the share. Its baseline is MNAD.
SEC_4_6 = {
    "DMAD, 5%": ["-1.8"],
    "memory + skips, 5%": ["-3.7"],
}
FEWEST = 12  # abnormal frames of a clip; a training sample needs several frames in a row


def contamination(
    run: Path, out: Path, effort: Effort, root: Path | None = None, cache: Path | None = None
) -> list[Outcome]:
    """Train and evaluate DMAD and a baseline with several shares of abnormal training frames.

    The baseline is a memory with full skip connections. All models are evaluated on the whole test
    split. This includes the frames that they were trained on, because the paper does not state that
    such frames are left out. All models hold out the same normal clips.

    Args:
        run: Run folder of a video model. Its settings are used.
        out: Folder for the data (links only), the runs and the table.
        effort: The seeds, epochs, size and variants to run.
        root: Folder of the data set. None: the same folder as in training.
        cache: Folder for decoded frames.

    Raises:
        DmadError: The run is not of video, or its test clips have no labels or are not folders of
            frames.
    """
    base = base_config(run, root, cache)
    require(base.data.history > 0, f"{run} is not a run of video; give one of recipe ped2 or video")
    variants: dict[str, TrainedConfig] = {}
    for share in SHARES:
        config = base
        if share:
            mixed = mix_data(base.data, share, out.resolve() / "data" / f"{share:g}")
            config = with_data(base, mixed, None)
        variants[f"DMAD, {share:.0%}"] = config
        variants[f"memory + skips, {share:.0%}"] = memory_with_skips(config)
    grid = Grid(
        "contamination", variants, VIDEO_COLUMNS, paper_columns=["paper"], paper_rows=SEC_4_6
    )
    return run_grid(grid, out, effort)


@dataclass(frozen=True)
class AbnormalClip:
    """Abnormal frames that are used as a training clip."""

    name: str  # name of the training clip
    files: list[Path]


def mix_data(data: DataConfig, share: float, out: Path) -> Path:
    """Make a folder with links to a data set, and add abnormal test frames to the training data.

    Test clips with events are chosen, evenly spread over the test split. Each of these clips gives
    the same number of frames: its first abnormal frames. Each event becomes a training clip.

    Args:
        data: Settings of the data set.
        share: Wanted share of abnormal frames in the training data, in (0, 1).
        out: Folder to make.

    Returns:
        `out`.

    Raises:
        DmadError: The test clips have no labels, or are not folders of frames.
    """
    root = required_root(data).resolve()
    train = find_split(data.layout, root, "train").sources
    normal_frames = sum(len(image_files(clip.path)) for clip in train)
    chosen = choose_abnormal_clips(data, round(share / (1 - share) * normal_frames))
    is_folder = train[0].path.is_dir()
    require(is_folder, f"{root} holds video files; events are cut from folders of frames only")
    training_folder = train[0].path.resolve().parent
    link_folder(root, out, training_folder)
    for clip in chosen:
        folder = out / training_folder.relative_to(root) / clip.name
        folder.mkdir(parents=True, exist_ok=True)
        for file in clip.files:
            link(file, folder / file.name)
    return out


def choose_abnormal_clips(data: DataConfig, frames: int) -> list[AbnormalClip]:
    """Choose events of the test split with about `frames` abnormal frames in total.

    Raises:
        DmadError: The test clips have no labels, or are not folders of frames.
    """
    root = required_root(data).resolve()
    test = load_split(data, "test")
    require(test.labels is not None, f"{root} has no labels, so events are unknown; add labels")
    assert test.labels is not None
    sources = {clip.name: clip.path for clip in find_split(data.layout, root, "test").sources}
    folders = all(path.is_dir() for path in sources.values())
    require(folders, f"{root} holds video files; events are cut from folders of frames only")
    abnormal = [clip for clip in test.footage.clips if test.labels[clip.span].any()]
    per_clip = max(FEWEST, round(frames / len(abnormal)))
    chosen = []
    for index in thin(np.arange(len(abnormal)), max(1, round(frames / per_clip))):
        clip = abnormal[index]
        files = image_files(sources[clip.name])
        spans = first_abnormal_frames(test.labels[clip.span] > 0, per_clip)
        for number, span in enumerate(spans):
            name = f"{MIXED_PREFIX}{clip.name.replace('/', '-')}-{number}"
            chosen.append(AbnormalClip(name, [files[frame] for frame in span]))
    return chosen


def first_abnormal_frames(abnormal: np.ndarray, count: int) -> list[range]:
    """Return the first `count` abnormal frames of a clip, as a range for each event.

    Args:
        abnormal: (N,) True for abnormal frames.
        count: Number of frames.
    """
    spans, left = [], count
    for start, stop in intervals(abnormal):
        length = min(stop - start, left)
        if length:
            spans.append(range(start, start + length))
        left -= length
    return spans


def link_folder(root: Path, out: Path, extended: Path) -> None:
    """Make a folder `out` with links to everything in `root`.

    `extended` is a folder inside `root`. For this folder, a new folder with links is made instead
    of a link, so that more links can be added.
    """
    out.mkdir(parents=True, exist_ok=True)
    for entry in root.iterdir():
        if entry == extended or entry in extended.parents:
            link_folder(entry, out / entry.name, extended)
        else:
            link(entry, out / entry.name)


def link(target: Path, path: Path) -> None:
    """Make `path` a link to `target`, if `path` is not a link yet.

    Raises:
        DmadError: `path` is a link to another target.
    """
    if not path.is_symlink():
        path.symlink_to(target)
    same = path.readlink() == target
    require(same, f"{path} is a link to other data than {target}; choose another folder with --out")
