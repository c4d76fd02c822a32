"""Sec. 4.6: abnormal test events mixed into training; DMAD beside a memory with full skips."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dmad.config import Config, DataConfig
from dmad.data.footage import thin
from dmad.data.layouts.videos import find_split
from dmad.data.reading.paths import image_files
from dmad.data.series import runs
from dmad.data.splits import MIXED, load_split, needed_root
from dmad.errors import require
from dmad.experiments.ablation import figures, skips
from dmad.experiments.effort import Effort
from dmad.experiments.grid import Grid, Outcome, base_of, placed, run_grid

SHARES = (0.0, 0.01, 0.05, 0.1)  # of the training frames
SEC_4_6 = {  # points lost on Ped2, by a share the paper does not tell; its baseline is MNAD
    "DMAD, 5%": ["-1.8"],
    "memory + skips, 5%": ["-3.7"],
}
PIECE = 12  # abnormal frames of a clip at the least: fewer make no window


def contamination(
    run: Path, out: Path, effort: Effort, root: Path | None = None, cache: Path | None = None
) -> list[Outcome]:
    """Train both methods with each share of abnormal frames, and judge them.

    All are judged on the whole test split, the frames that were trained on among them, as nothing
    else is said in the paper. All hold out the same normal clips.

    Args:
        run: Run folder of a video model whose settings are varied.
        out: Folder for data (links only), runs and table.
        effort: How much of it.
        root: Folder of the data set; the one trained on where None.
        cache: Folder for decoded frames.

    Raises:
        DmadError: The run is none of video, its test clips have no labels or are no folders of
            frames.
    """
    base = base_of(run, root, cache)
    require(base.data.history > 0, f"{run} is no run of video; give one of recipe ped2 or video")
    variants: dict[str, Config] = {}
    for share in SHARES:
        there = base
        if share:
            root = mixed(base.data, share, out.resolve() / "data" / f"{share:g}")
            there = placed(base, root, None)
        variants[f"DMAD, {share:.0%}"] = there
        variants[f"memory + skips, {share:.0%}"] = skips(there)
    grid = Grid("contamination", variants, figures(base), paper=["paper"], published=SEC_4_6)
    return run_grid(grid, out, effort)


def mixed(data: DataConfig, share: float, out: Path) -> Path:
    """A data folder of links to another one, with abnormal test frames among the training clips.

    Test clips, evenly spread, give as many frames each, from where their events begin; each event
    becomes a training clip of its own.

    Args:
        data: Whose root and layout.
        share: Of the training frames that shall be abnormal, in (0, 1).
        out: Folder to make.

    Returns:
        `out`.
    """
    root = needed_root(data).resolve()
    train = find_split(data.layout, root, "train").sources
    test = load_split(data, "test")
    require(test.labels is not None, f"{root} has no labels, so that no event is known")
    assert test.labels is not None
    sources = {clip.name: clip.path for clip in find_split(data.layout, root, "test").sources}
    folders = all(path.is_dir() for path in (*sources.values(), train[0].path))
    require(folders, f"{root} holds video files; events are cut out of folders of frames alone")
    place = train[0].path.resolve().parent
    mirror(root, out, place)
    normal = sum(len(image_files(clip.path)) for clip in train)
    abnormal = [clip for clip in test.footage.clips if test.labels[clip.span].any()]
    wanted = share / (1 - share) * normal
    each = max(PIECE, round(wanted / len(abnormal)))
    for index in thin(np.arange(len(abnormal)), max(1, round(wanted / each))):
        clip = abnormal[index]
        files = image_files(sources[clip.name])
        for number, event in enumerate(events(test.labels[clip.span] > 0, each)):
            name = f"{MIXED}{clip.name.replace('/', '-')}-{number}"
            link([files[i] for i in event], out / place.relative_to(root) / name)
    return out


def events(abnormal: np.ndarray, count: int) -> list[range]:
    """The first `count` abnormal frames of a clip, a range each run of them."""
    found, left = [], count
    for start, stop in runs(abnormal):
        stop = min(stop, start + left)
        if stop > start:
            found.append(range(start, stop))
        left -= stop - start
    return found


def mirror(root: Path, out: Path, place: Path) -> None:
    """Link everything of a folder into another; `place` inside it becomes a folder of links."""
    out.mkdir(parents=True, exist_ok=True)
    for entry in root.iterdir():
        if entry == place or entry in place.parents:
            mirror(entry, out / entry.name, place)
        else:
            link_to(entry, out / entry.name)


def link(files: Sequence[Path], folder: Path) -> None:
    """A folder of links to frames."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        link_to(file, folder / file.name)


def link_to(target: Path, path: Path) -> None:
    """A link, unless it is there.

    Raises:
        DmadError: One of that name leads elsewhere.
    """
    if not path.is_symlink():
        path.symlink_to(target)
    same = path.readlink() == target
    require(same, f"{path} leads to other data than {target}; choose another folder with --out")
