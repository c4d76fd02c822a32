"""Measures what a model of video does: how far it deforms, and what its reference explains.

Only moving pixels are measured, because the background explains all others.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
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
        """Return cells of a table: the mean displacement, and two shares of the motion.

        The shares are those that the reference and the prediction explain.
        """
        if not len(self.motion):
            return ("–",) * 4
        motion = self.motion.sum()
        return (
            f"{self.displacement.mean():.2f} px",
            f"{np.quantile(self.displacement, 0.9):.2f} px",
            f"{1 - self.unexplained.sum() / motion:.0%}",
            f"{1 - self.error.sum() / motion:.0%}",
        )


@dataclass(frozen=True, eq=False)
class Backgrounds:
    """What each view looks like where nothing moves."""

    scenes: tuple[str, ...]
    pictures: np.ndarray  # (S, C, H, W) in [-1, 1]

    def of_scene(self, scene: str) -> np.ndarray | None:
        """Return the background of a view. None if the view was not in the training."""
        index = template_index(scene, self.scenes)
        return None if index is None else self.pictures[index]


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
    """Measure how far moving pixels are deformed, and write `fields.md`.

    The frames come from held-out normal clips, and from the test split if it has labels.

    A pixel is moving if it differs from the background by more than 20 of 255. The background is
    the template of the model. For a model without templates, it is the median of the training
    frames. The share that a picture explains is 1 - sum |frame - picture| / sum |frame -
    background| over moving pixels. The reference is measured after its deformation. It does not
    include the background. With a binary mask, there is an exception: the reference is the
    background where the mask is 0.

    Args:
        run: Run folder of a video model with deformation heads.
        out: Folder to write to.
        count: Number of frames of each split. They are evenly spread.
        root: Folder of the data set. None: the same folder as in training.
        cache: Folder for decoded frames.

    Raises:
        DmadError: The model has no deformation heads.
    """
    detector = load(run)
    config = detector.config
    usable = config.data.history > 0 and config.model.reductions
    require(bool(usable), f"{run} needs past frames and deformation heads")
    data = with_locations(config.data, root, cache)
    views = _backgrounds(detector, data)
    held_out = load_split(data, "held_out")
    rows = [("held-out normal frames", *_normal(detector, held_out, views, count))]
    for name, pixels in _labelled(detector, data, views, count).items():
        rows.append((name, *pixels.cells()))
    table = Table("What moves, and what explains it", COLUMNS, rows)
    print_table(table)
    write_table(table, out / "fields")
    return table


def _backgrounds(detector: Detector, data: DataConfig) -> Backgrounds:
    if detector.backend.templates is not None:
        return Backgrounds(detector.scenes, detector.backend.templates)
    train = load_split(data, "train")
    return Backgrounds(train.scenes, templates(train.footage, train.scenes))


def _normal(
    detector: Detector, held_out: LabelledFootage, views: Backgrounds, count: int
) -> tuple[str, ...]:
    parts = [pixels for _, pixels in measured(detector, held_out, views, count)]
    return MovingPixels.join(parts).cells()


def _labelled(
    detector: Detector, data: DataConfig, views: Backgrounds, count: int
) -> dict[str, MovingPixels]:
    """The moving pixels of normal and abnormal test frames. Empty without a labelled test split."""
    try:
        test = load_split(data, "test")
    except DmadError as error:
        logger.warning("only held-out frames are measured: %s", error)
        return {}
    if test.labels is None:
        return {}
    parts: dict[str, list[MovingPixels]] = {"normal test frames": [], "abnormal test frames": []}
    for index, pixels in measured(detector, test, views, count):
        abnormal = bool(test.labels[index])
        parts["abnormal test frames" if abnormal else "normal test frames"].append(pixels)
    return {name: MovingPixels.join(some) for name, some in parts.items() if some}


def measured(
    detector: Detector, split: LabelledFootage, views: Backgrounds, count: int
) -> Iterator[tuple[int, MovingPixels]]:
    """Yield the index and the moving pixels of evenly spread frames of known views.

    Args:
        detector: A model of video.
        split: The footage.
        views: The background of each view.
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
            if (template := views.of_scene(scene)) is not None
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
