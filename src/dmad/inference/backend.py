"""The interface of a backend, which computes scores: a PyTorch network or an exported graph."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

# Names of the outputs that are scores or maps. All other outputs are drawings.
SCORES_AND_MAPS = ("terms", "map", "reconstruction_map", "deformation_map")


class Backend(Protocol):
    """Computes scores, maps and drawings of a batch of windows."""

    templates: NDArray[np.float32] | None  # (S, C, H, W) in [-1, 1] of each view, or None

    def __call__(
        self, windows: NDArray[np.uint8], backgrounds: NDArray[np.float32] | None
    ) -> Mapping[str, np.ndarray]:
        """Score a batch.

        Args:
            windows: (B, T + 1, H, W, C): the T frames before each frame, and the frame itself;
                (B, 1, H, W, C) for single images.
            backgrounds: Templates in [-1, 1]: (B, C, H, W), or (1, C, H, W) if all windows have the
                same template. None: the template of the first view, if the model has templates.

        Returns:
            `terms` (B, 3 or 6): the raw score, its two terms and, for video, the three frame scores
            of the authors' released code. `reconstruction_map` and `deformation_map` (B, H, W). All
            other entries are drawings: arrays, such as fields, that are needed only for pictures.
            All arrays are float32.
        """


class LazyArrays(Mapping[str, np.ndarray]):
    """Arrays by name. An array is computed or copied when it is read for the first time.

    Args:
        names: The names.
        read: Function that returns the array of a name.
    """

    def __init__(self, names: Iterable[str], read: Callable[[str], np.ndarray]) -> None:
        self._names, self._read = tuple(names), read
        self._arrays: dict[str, np.ndarray] = {}

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._names:
            raise KeyError(name)
        if name not in self._arrays:
            self._arrays[name] = self._read(name)
        return self._arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
