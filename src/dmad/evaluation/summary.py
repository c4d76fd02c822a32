"""What a report holds. A part that is missing (None or empty) leaves no hole in the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from dmad.errors import require


@dataclass(frozen=True)
class Series:
    """One clip, frame by frame."""

    name: str
    score: np.ndarray  # (N,) the deployable score, NaN where missing
    reconstruction: np.ndarray  # (N,) standardised term
    deformation: np.ndarray  # (N,) standardised term
    labels: np.ndarray | None  # (N,) above 0 where the ground truth is abnormal
    events: Sequence[tuple[int, int]] | None  # found, frames [start, end); None: no threshold
    names: Sequence[str] = ()  # of each frame, where they have names, as images do

    def __post_init__(self) -> None:
        labels = [] if self.labels is None else [self.labels]
        parts = [self.score, self.reconstruction, self.deformation, *labels]
        lengths = [len(part) for part in parts]
        require(len(set(lengths)) == 1, f"clip {self.name} has parts of {lengths} frames; give one")


@dataclass(frozen=True)
class Block:
    """One table of the ledger."""

    name: str
    how_to_read: str  # one plain sentence
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]  # as many cells as columns; the first names the row

    def __post_init__(self) -> None:
        widths = {len(row) for row in self.rows} - {len(self.columns)}
        columns = len(self.columns)
        require(not widths, f"table {self.name} has {columns} columns and rows of {widths} cells")


@dataclass(frozen=True)
class Panel:
    """One explained event."""

    title: str  # "Test004, frame 123 (12.3 s)"
    caption: str
    image: np.ndarray  # (H, W, 3) uint8: the tiles side by side, all of one width
    tiles: Sequence[str] = ("input", "reference", "deformation", "error")  # written above them


@dataclass(frozen=True)
class Report:
    """All of it."""

    title: str
    subtitle: str
    headline: Sequence[tuple[str, str, str]]  # figure, what it is, small print
    blocks: Sequence[Block]
    series: Sequence[Series]
    threshold: float | None  # of the score
    fps: float | None  # frames a second
    panels: Sequence[Panel]  # strongest event first
    roc: Sequence[tuple[str, np.ndarray, np.ndarray]]  # name, false and true positive rate (K,)
    alarms: tuple[np.ndarray, np.ndarray] | None  # false alarms per hour, event recall (K,)
    history: Sequence[Mapping[str, float]]  # one an epoch: "epoch" and its figures
    settings: Mapping[str, Any]  # nested
    fingerprint: Mapping[str, str]
    notes: Sequence[str] = ()  # plain warnings
    unit: Literal["frame", "image"] = "frame"  # what has a score
