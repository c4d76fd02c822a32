"""Loads the splits of a data set: for training, held out for the threshold, and for testing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

from dmad.config import DataConfig
from dmad.console import warn_about
from dmad.data.footage import Clip, Footage, LabelledFootage
from dmad.data.layouts.digits import load_digits, load_mnist
from dmad.data.layouts.images import load_held_out, load_images
from dmad.data.layouts.street import load_street
from dmad.data.layouts.videos import load_videos
from dmad.errors import require

logger = logging.getLogger(__name__)

MIXED_PREFIX = "mixed-"  # in the contamination experiment, names of abnormal clips begin with it
FEWEST_HELD_OUT = 3  # of enough images, at least this many are held out
ENOUGH_IMAGES = 6  # with fewer images than this, fewer than `FEWEST_HELD_OUT` may be held out

LOADERS: dict[str, Callable[..., LabelledFootage]] = {
    "ped2": load_videos,
    "avenue": load_videos,
    "shanghaitech": load_videos,
    "video": load_videos,
    "street": load_street,
    "mnist": load_mnist,
    "digits": load_digits,
    "mvtec": load_images,
    "images": load_images,
}


def load_split(data: DataConfig, split: Literal["train", "held_out", "test"]) -> LabelledFootage:
    """Load the frames and labels of one split.

    Args:
        data: Where the data is and how it is read.
        split: `train`: normal footage for training. `held_out`: normal footage that is not trained
            on, for the threshold. `test`: footage to evaluate.

    Raises:
        DmadError: The data is missing or does not fit the settings, or the split has no clip.
    """
    own = load_held_out(data) if LOADERS[data.layout] is load_images and split != "test" else None
    if own and split == "held_out":
        return own
    loaded = LOADERS[data.layout](data, "test" if split == "test" else "train")
    if split != "held_out":  # the same files were reported when `train` was loaded
        warn_about(loaded.footage.skipped, logger)
    if split == "test" or own:
        return loaded
    train, held_out = hold_out(loaded.footage, data)
    footage = train if split == "train" else held_out
    require(
        bool(footage.clips),
        f"nothing normal is left for split {split} with --data.held_out {data.held_out:g}; give "
        "more normal clips, six good images or more, or another share",
    )
    return replace(loaded, footage=footage)


def hold_out(footage: Footage, data: DataConfig) -> tuple[Footage, Footage]:
    """Split normal footage into footage to train on and footage that is held out.

    An experiment adds abnormal clips to the training. Their names begin with `MIXED_PREFIX`, and
    they are never held out. If there are fewer normal clips than `data.hold_out_from`, no clip is
    held out. The clips of each view are split separately.

    Args:
        footage: Normal clips. In the experiment, also the added clips.
        data: Settings with the share to hold out and the length of a sample. A sample is `history`
            + 1 frames of a video, or all tiles of an image.

    Returns:
        The footage to train on, and the footage that is held out.
    """
    trained = [clip for clip in footage.clips if clip.name.startswith(MIXED_PREFIX)]
    normal = [clip for clip in footage.clips if not clip.name.startswith(MIXED_PREFIX)]
    held_out: list[Clip] = []
    if len(normal) < data.hold_out_from:
        return footage, _with_clips(footage, ())
    for scene in {clip.scene for clip in normal}:
        view = [clip for clip in normal if clip.scene == scene]
        view_trained, view_held_out = _split_view(view, data)
        trained += view_trained
        held_out += view_held_out
    return _with_clips(footage, trained), _with_clips(footage, held_out)


def _split_view(clips: Sequence[Clip], data: DataConfig) -> tuple[list[Clip], list[Clip]]:
    """Split the clips of a view into clips to train on and clips that are held out.

    Whole clips are held out, evenly spread. If this would hold out no clip or all clips, the end of
    each clip is held out instead.
    """
    chosen = _evenly_spread(len(clips), _number_held_out(len(clips), data))
    if 0 < len(chosen) < len(clips):
        trained = [clip for index, clip in enumerate(clips) if index not in chosen]
        return trained, [clips[index] for index in sorted(chosen)]
    parts = [split_end(clip, data) for clip in clips]
    return [start for start, _ in parts], [end for _, end in parts if end]


def _number_held_out(clips: int, data: DataConfig) -> int:
    """Return how many whole clips of a view are held out. `clips` is the number of its clips.

    An image is a clip too. If there are `ENOUGH_IMAGES` images or more and `data.held_out` is above
    0, at least `FEWEST_HELD_OUT` images are held out, because a threshold cannot be computed from
    fewer images.
    """
    count = round(data.held_out * clips)
    if data.held_out and not data.history and clips >= ENOUGH_IMAGES:
        count = max(count, FEWEST_HELD_OUT)
    return count


def _evenly_spread(total: int, count: int) -> set[int]:
    return {int((i + 0.5) * total / count) for i in range(count)}


def split_end(clip: Clip, data: DataConfig) -> tuple[Clip, Clip | None]:
    """Split a clip into a start and an end. The end has the share `data.held_out` of the frames.

    If the start or the end would be shorter than a sample (see `hold_out`), the clip is not split,
    and the end is None.
    """
    shortest = max(data.history + 1, data.tiles**2)
    first = round((1 - data.held_out) * clip.length)
    if min(first, clip.length - first) < shortest:
        return clip, None
    end = replace(clip, start=clip.start + first, length=clip.length - first)
    return replace(clip, length=first), end


def _with_clips(footage: Footage, clips: Sequence[Clip]) -> Footage:
    return replace(footage, clips=tuple(sorted(clips, key=lambda clip: clip.start)))
