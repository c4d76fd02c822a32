"""Crops to train on, placed where a frame differs from the background of its view."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dmad.data.footage import Footage, scene_of_frames
from dmad.data.reading.frame_format import Frame
from dmad.data.templates import templates

CELL = 16  # height and width in pixels of the cells in which motion is looked for
DIFFERENT = 20  # of 255: a pixel that differs more than this from the background is moving
MOVING_SHARE = 0.15  # a cell is moving if more than this share of its pixels is moving
ANYWHERE = 0.1  # share of the crops that are placed at random, with or without motion


class MovingCrops:
    """Chooses the place of a square crop in a frame. Most crops contain something that moves.

    Args:
        footage: The footage to train on.
        scenes: Names of the views.
        crop: Height and width of a crop in pixels.
        step: Crops begin at multiples of this number of pixels, so that the feature maps of a
            crop and of the whole frame have the same grid. The step is the factor by which the
            coarsest feature map is smaller than the frame.
        seed: Random seed.
    """

    def __init__(
        self, footage: Footage, scenes: Sequence[str], crop: int, step: int, seed: int
    ) -> None:
        backgrounds = 127.5 * (templates(footage, scenes) + 1)
        self.backgrounds = backgrounds.transpose(0, 2, 3, 1).astype(np.int16)  # (S, H, W, C)
        self.scene = scene_of_frames(footage, scenes)
        self.frames = footage.frames
        self.crop, self.step, self.seed = crop, step, seed

    def corners(self, frames: np.ndarray, epoch: int) -> np.ndarray:
        """Choose the upper left pixel of a crop in each frame. The choice differs between epochs.

        Args:
            frames: (B,) indices of frames.
            epoch: Number of the epoch.

        Returns:
            (B, 2) x and y in pixels.
        """
        return np.stack([self._corner(int(index), epoch) for index in frames])

    def _corner(self, index: int, epoch: int) -> NDArray[np.int64]:
        random = np.random.default_rng((self.seed, epoch, index))
        frame = self.frames[index]
        cells = np.argwhere(moving_cells(frame, self.backgrounds[self.scene[index]]))
        last = (np.array(frame.shape[1::-1]) - self.crop) // self.step  # along x and y, in steps
        if not len(cells) or random.random() < ANYWHERE:
            return random.integers(0, last + 1) * self.step
        cell = CELL * random.choice(cells)[::-1]  # x and y of its first pixel
        latest = np.clip(cell // self.step, 0, last)
        earliest = np.clip(-((self.crop - CELL - cell) // self.step), 0, latest)
        corner: NDArray[np.int64] = random.integers(earliest, latest + 1) * self.step
        return corner


def moving_cells(frame: Frame, background: np.ndarray) -> np.ndarray:
    """Return a bool array (rows, columns), True for each cell of a frame in which something moves.

    A cell is a square of `CELL` x `CELL` pixels.

    Args:
        frame: (H, W, C) uint8.
        background: (H, W, C) int16 with values of 0 to 255.
    """
    differs = (np.abs(frame - background) > DIFFERENT).any(2)
    rows, columns = (length // CELL for length in differs.shape)
    cells = differs[: rows * CELL, : columns * CELL].reshape(rows, CELL, columns, CELL)
    moving: np.ndarray = cells.mean((1, 3)) > MOVING_SHARE
    return moving
