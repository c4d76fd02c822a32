"""Measures how far a video model deforms moving things, and how well the model predicts them.

Only moving pixels are measured. At all other pixels, the background already matches the frame.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from dmad.api import load
from dmad.config import DataConfig
from dmad.data.crops import DIFFERENT
from dmad.data.footage import LabelledFootage, thin
from dmad.data.locations import with_locations
from dmad.data.splits import load_split
from dmad.data.templates import template_index, templates
from dmad.errors import DmadError, require
from dmad.evaluation.table import Table
from dmad.experiments.tables import print_table, write_table
from dmad.inference.detector import Detector
from dmad.inference.maps import composed, in_pixels
from dmad.inference.result import JudgedFrames
from dmad.inference.windowing import Window
from dmad.model.deformation import warp

logger = logging.getLogger(__name__)

BATCH = 8


@dataclass(frozen=True, eq=False)
class MovingPixels:
    """Measurements of all moving pixels of some frames."""

    displacement: np.ndarray  # (P,): length of the composed field in pixels
    motion: np.ndarray  # (P,): |frame - background|, of 255
    unexplained: np.ndarray  # (P,): |frame - deformed reference|, of 255
    error: np.ndarray  # (P,): |frame - prediction|, of 255

    @classmethod
    def join(cls, parts: list[MovingPixels]) -> MovingPixels:
        """Return the pixels of several frames together."""
        names = ("displacement", "motion", "unexplained", "error")
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))

    def cells(self) -> tuple[str, ...]:
        """Return four results as text, for the last four of the `COLUMNS` of the table."""
        if not len(self.motion):
            return ("–",) * 4
        motion = self.motion.sum()
        return (
            f"{self.displacement.mean():.2f} px",
            f"{np.quantile(self.displacement, 0.9):.2f} px",
            f"{1 - self.unexplained.sum() / motion:.0%}",
            f"{1 - self.error.sum() / motion:.0%}",
        )


# Returns the background (C, H, W) of a view in [-1, 1]. None if the view was not in the training.
BackgroundOf = Callable[[str], np.ndarray | None]

COLUMNS = (
    "moving pixels of",
    "mean displacement",
    "90 % are below",
    "explained by the reference",
    "explained by the prediction",
)


def fields(
    run: Path, out: Path, count: int = 200, root: Path | None = None, cache: Path | None = None
) -> Table:
    """Measure how far a model deforms moving pixels, and write `fields.md`.

    The frames come from held-out normal clips, and from the test split if it has labels.

    A pixel is moving if it differs from the background by more than 20 (of 255). The background is
    the template of the model. For a model without templates, it is the median of the training
    frames.

    The table says which share of the motion an image explains. This share is 1 - sum |frame -
    image| / sum |frame - background|, over the moving pixels. It is 1 if the image matches the
    frame. The image is the prediction of the model, or the deformed reference. Usually the
    reference does not contain the background. If the model has a binary mask, the reference is the
    background at the pixels where the mask is 0.

    Args:
        run: Run folder of a video model with deformation heads.
        out: Folder to write to.
        count: Number of frames of each split. They are evenly spread.
        root: Folder of the data set. None: the same folder as in training.
        cache: Folder for decoded frames.

    Raises:
        DmadError: The model has no deformation heads, or does not use past frames.
    """
    detector = load(run)
    config = detector.config
    usable = config.data.history > 0 and config.model.reductions
    require(bool(usable), f"{run} needs past frames and deformation heads")
    data = with_locations(config.data, root, cache)
    background_of = _backgrounds(detector, data)
    held_out = load_split(data, "held_out")
    rows = [("held-out normal frames", *_normal(detector, held_out, background_of, count))]
    for name, pixels in _labelled(detector, data, background_of, count).items():
        rows.append((name, *pixels.cells()))
    table = Table("What moves, and what explains it", COLUMNS, rows)
    print_table(table)
    write_table(table, out / "fields")
    return table


def _backgrounds(detector: Detector, data: DataConfig) -> BackgroundOf:
    """Return a function that returns the background of a view.

    The backgrounds are the templates of the model. If the model has no templates, the backgrounds
    are computed from the training frames.
    """
    if detector.backend.templates is not None:
        return detector.template
    train = load_split(data, "train")
    pictures = templates(train.footage, train.scenes)

    def background_of(scene: str) -> np.ndarray | None:
        index = template_index(scene, train.scenes)
        return None if index is None else pictures[index]

    return background_of


def _normal(
    detector: Detector, held_out: LabelledFootage, background_of: BackgroundOf, count: int
) -> tuple[str, ...]:
    parts = [pixels for _, pixels in measured(detector, held_out, background_of, count)]
    return MovingPixels.join(parts).cells()


def _labelled(
    detector: Detector, data: DataConfig, background_of: BackgroundOf, count: int
) -> dict[str, MovingPixels]:
    """Return the moving pixels of normal and of abnormal test frames, by title.

    The result is empty if there is no test split, or if the test split has no labels.
    """
    try:
        test = load_split(data, "test")
    except DmadError as error:
        logger.warning("only held-out frames are measured: %s", error)
        return {}
    if test.labels is None:
        return {}
    parts: dict[str, list[MovingPixels]] = {"normal test frames": [], "abnormal test frames": []}
    for index, pixels in measured(detector, test, background_of, count):
        abnormal = bool(test.labels[index])
        parts["abnormal test frames" if abnormal else "normal test frames"].append(pixels)
    return {name: MovingPixels.join(some) for name, some in parts.items() if some}


def measured(
    detector: Detector, split: LabelledFootage, background_of: BackgroundOf, count: int
) -> Iterator[tuple[int, MovingPixels]]:
    """Choose evenly spread frames. Yield the index and the moving pixels of each frame.

    Frames of a view without background are left out.

    Args:
        detector: A model of video.
        split: The footage.
        background_of: Function that returns the background of a view. It returns None for a view
            that was not in the training.
        count: Number of frames.
    """
    history = detector.config.data.history
    places = [
        (index, clip.scene)
        for clip in split.footage.clips
        for index in range(clip.start + history, clip.start + clip.length)
    ]
    chosen = thin(np.arange(len(places)), count)
    for first in range(0, len(chosen), BATCH):
        batch = [places[place] for place in chosen[first : first + BATCH]]
        windows = [
            Window(index, tuple(split.footage.frames[index - history : index + 1]), template)
            for index, scene in batch
            if (template := background_of(scene)) is not None
        ]
        yield from _moving_pixels(detector.judge_windows(windows), windows)


def _moving_pixels(
    judged: JudgedFrames, windows: list[Window]
) -> Iterator[tuple[int, MovingPixels]]:
    total = composed(judged.drawings["offsets"])
    images = torch.from_numpy(np.array(judged.drawings["reference"]))
    reference = warp(images, torch.from_numpy(total)).numpy()
    lengths = np.hypot(*in_pixels(total).swapaxes(0, 1))
    prediction = judged.drawings["reconstructions"][:, -1]
    for row, window in enumerate(windows):
        assert window.background is not None
        frame = judged.frames[row].transpose(2, 0, 1) / 127.5 - 1
        motion, unexplained, error = (
            127.5 * np.abs(frame - picture).mean(0)
            for picture in (window.background, reference[row], prediction[row])
        )
        moving = motion > DIFFERENT
        yield (
            int(judged.index[row]),
            MovingPixels(lengths[row][moving], motion[moving], unexplained[moving], error[moving]),
        )
