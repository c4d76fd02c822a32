"""Background templates (x_bg): the median of a view's training frames, or of its past frames."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dmad.data.footage import Footage, scene_of_frames, thin
from dmad.data.reading.frame_format import Frame, Frames

SAMPLES = 96  # a median is computed from at most this many frames
REFRESH = 32  # a template from past frames is computed again after this many frames


def template_index(scene: str, scenes: Sequence[str]) -> int | None:
    """Index of the template of a view; None if the model was not trained on this view.

    If the model knows only one view, a clip without the name of a view counts as showing this view.
    """
    if not scene and len(scenes) == 1:
        return 0
    return scenes.index(scene) if scene in scenes else None


def templates(footage: Footage, scenes: Sequence[str]) -> NDArray[np.float32]:
    """One template per view, (S, C, H, W) in [-1, 1], from evenly spread frames of the view."""
    scene_indices = scene_of_frames(footage, scenes)
    medians = []
    for index in range(len(scenes)):
        sample = thin(np.flatnonzero(scene_indices == index), SAMPLES)
        medians.append(median_template(footage.frames[sample]))
    return np.stack(medians)


def median_template(frames: Frames) -> NDArray[np.float32]:
    """Median of each pixel over time: (N, H, W, C) uint8 to (C, H, W) float32 in [-1, 1]."""
    median: NDArray[np.float32] = np.median(frames, axis=0).astype(np.float32)
    median = median.transpose(2, 0, 1)
    median = median / np.float32(127.5) - np.float32(1)
    return median


class PastFrames:
    """Keeps a sample of all past frames, and computes their median.

    The sample has at most `SAMPLES` frames. When the sample is full, every second frame is dropped
    from it, and from then on only half as many new frames are added. So memory is limited, and the
    sample covers all past frames evenly.
    """

    def __init__(self) -> None:
        self.kept: list[Frame] = []
        self.spacing = 1
        self.seen = 0
        self._median: NDArray[np.float32] | None = None

    def add_frame(self, frame: Frame) -> None:
        """Add the next frame (H, W, C)."""
        if self.seen % self.spacing == 0:
            self.kept.append(np.array(frame))
        self.seen += 1
        if self.until_refresh == REFRESH:
            self._median = None
        if len(self.kept) > SAMPLES:
            self.kept = self.kept[::2]
            self.spacing *= 2

    @property
    def until_refresh(self) -> int:
        """Number of frames to add until the median is computed again, 1 to `REFRESH`."""
        return REFRESH - self.seen % REFRESH

    def median(self) -> NDArray[np.float32]:
        """Median (C, H, W) in [-1, 1] of the sample.

        It is computed at the first call, and again at the first call after each `REFRESH` frames.
        At least one frame must have been added.
        """
        if self._median is None:
            self._median = median_template(np.stack(self.kept))
        return self._median
