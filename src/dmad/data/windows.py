"""Training samples: windows of T past frames and the frame to predict, or single images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, DistributedSampler

from dmad.data.crops import MovingCrops
from dmad.data.footage import Clip, Footage, scene_of_frames, thin
from dmad.data.random_deformations import RandomDeformations


class Batch(NamedTuple):
    """A batch of windows. It is a tuple because Lightning moves tuples to devices."""

    frames: Tensor  # (B, T + 1, H, W, C) uint8, oldest first; (B, 1, H, W, C) for images
    scene: Tensor  # (B,) int64: index of the view
    features: tuple[Tensor, ...] = ()  # 3 x (B, C_i, h_i, w_i) of the teacher, if stored
    corner: Tensor | None = None  # (B, 2) int64: x and y of each crop in its frame, in pixels


def window_starts(clips: Sequence[Clip], history: int) -> np.ndarray:
    """Return the index of the first frame of each window, (windows,).

    A window has `history` + 1 frames of the same clip.
    """
    starts = [np.arange(clip.start, clip.start + clip.length - history) for clip in clips]
    return np.concatenate(starts) if starts else np.empty(0, int)


class Windows(Dataset[Batch]):
    """A data set of windows of decoded footage. A whole batch is read at once.

    In epoch e, the index of a window is its number plus e times the number of windows. So an index
    states the epoch, and each epoch can use other crops and deformations.

    Args:
        footage: Decoded frames.
        history: T, the number of past frames of a window.
        scenes: Names of the views, in the order of the templates.
        limit: Use at most this many windows, evenly spread. 0 uses all.
        features: Stored features of the teacher for all N frames: (N, C_i, h_i, w_i) for each
            stage i of the teacher.
        crops: Chooses the place of each crop. None: the windows show whole frames.
        deformations: Deforms the last frame of each window at random. None: no frame is deformed.
    """

    def __init__(
        self,
        footage: Footage,
        history: int,
        scenes: Sequence[str] = ("",),
        limit: int = 0,
        features: Sequence[np.ndarray] = (),
        crops: MovingCrops | None = None,
        deformations: RandomDeformations | None = None,
    ) -> None:
        self.features, self.crops, self.deformations = features, crops, deformations
        self.frames = footage.frames
        self.starts = thin(window_starts(footage.clips, history), limit)
        self.steps = np.arange(history + 1)
        self.scene = scene_of_frames(footage, scenes)

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, index: int) -> Batch:
        return self.__getitems__([index])

    def __getitems__(self, indices: list[int]) -> Batch:
        """Read the windows with the given indices as one batch."""
        epochs, numbers = np.divmod(indices, len(self.starts))
        starts = self.starts[numbers]
        scene = torch.from_numpy(self.scene[starts])
        windows, epoch = starts[:, None] + self.steps, int(epochs[0])
        corner = None
        if self.crops is not None:
            corners = self.crops.corners(windows[:, -1], epoch)
            frames = torch.from_numpy(self._cropped(windows, corners, self.crops.crop))
            corner = torch.from_numpy(corners)
        else:
            frames = torch.from_numpy(self.frames[windows])
        if self.deformations is not None:
            frames[:, -1] = self.deformations.apply(frames[:, -1], windows[:, -1], epoch)
        features = tuple(torch.from_numpy(stage[starts]) for stage in self.features)
        return Batch(frames, scene, features, corner)

    def _cropped(self, windows: np.ndarray, corner: np.ndarray, size: int) -> np.ndarray:
        """Read the same crop of all frames of each window: (B, T + 1, size, size, C)."""
        crops = [
            self.frames[frames[0] : frames[-1] + 1, y : y + size, x : x + size]
            for frames, (x, y) in zip(windows, corner, strict=True)
        ]
        return np.stack(crops)


class EpochSampler(DistributedSampler[Any]):
    """Shuffles the windows of `Windows` in each epoch, and shares them among the processes."""

    def __iter__(self) -> Iterator[Any]:
        """Return the indices for this process in this epoch. `Windows` describes the indices."""
        first = self.epoch * len(self.dataset)  # type: ignore[arg-type]
        return (first + index for index in super().__iter__())


def as_is(batch: Any) -> Any:
    """Return a batch unchanged, as the `collate_fn` of a loader: `Windows` gives whole batches."""
    return batch


def to_model(frames: Tensor) -> tuple[Tensor, Tensor]:
    """Convert frames to the input and target of the model.

    Args:
        frames: (B, T + 1, H, W, C) uint8; (B, 1, H, W, C) for single images.

    Returns:
        Input (B, T·C, H, W) and target (B, C, H, W), float32 in [-1, 1]. For single images, input
        and target are the same.
    """
    x = frames.permute(0, 1, 4, 2, 3).float().div(127.5).sub(1)
    past = x[:, :-1] if x.shape[1] > 1 else x
    return past.flatten(1, 2), x[:, -1]
