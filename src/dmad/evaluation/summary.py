"""The content of the report page of an evaluation, as arrays and text.

The module `dmad.report` makes an HTML page of this content. Parts that are None or empty are not
shown on the page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from dmad.errors import require
from dmad.evaluation.table import Table


@dataclass(frozen=True, eq=False)
class Series:
    """The scores of one clip, frame by frame, or of all test images.

    Raises:
        DmadError: The arrays have different lengths.
    """

    name: str
    score: np.ndarray  # (N,) calibrated if there is a threshold, else raw; NaN: no score
    reconstruction: np.ndarray  # (N,) standardised term; the raw score if this is the only term
    deformation: np.ndarray | None  # (N,) standardised term; None: the score has one term
    labels: np.ndarray | None  # (N,) above 0 for abnormal frames
    events: Sequence[tuple[int, int]] | None  # detected events [start, end); None: no threshold
    names: Sequence[str] = ()  # names of the frames, if they are image files

    def __post_init__(self) -> None:
        parts = (self.score, self.reconstruction, self.deformation, self.labels)
        lengths = [len(part) for part in parts if part is not None]
        require(
            len(set(lengths)) == 1,
            f"clip {self.name} has parts of {lengths} frames; give parts of the same length",
        )


@dataclass(frozen=True, eq=False)
class Panel:
    """Pictures that explain one event or image."""

    title: str  # such as "Test004, frame 123 (12.3 s)"
    caption: str
    image: np.ndarray  # (H, W, 3) uint8: tiles of the same width, side by side
    tiles: Sequence[str] = ("input", "reference", "deformation", "error")  # names of the tiles


@dataclass(frozen=True, eq=False)
class Report:
    """The content of the report page of an evaluation."""

    title: str
    subtitle: str
    headline: Sequence[tuple[str, str, str]]  # main results: value, name, remark
    tables: Sequence[Table]  # tables of results
    series: Sequence[Series]
    threshold: float | None  # threshold of `score` in the series
    fps: float | None  # frames per second
    panels: Sequence[Panel]  # wrong verdicts first, then the highest scores
    roc: Sequence[tuple[str, np.ndarray, np.ndarray]]  # name, false and true positive rate (K,)
    alarms: tuple[np.ndarray, np.ndarray] | None  # false alarms per hour, event recall (K,)
    history: Sequence[Mapping[str, float]]  # one entry per epoch: "epoch", losses and other values
    settings: Mapping[str, Any]  # nested
    fingerprint: Mapping[str, str]  # hashes and versions
    notes: Sequence[str] = ()  # warnings
    unit: Literal["frame", "image"] = "frame"  # what is scored
    folded: Sequence[str] = ()  # titles of tables whose rows are hidden until the user opens them
    terms: Sequence[str] = ("reconstruction", "deformation")  # names of the terms of the series
