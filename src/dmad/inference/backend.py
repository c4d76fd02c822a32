"""What computes the scores of a detector: a network of PyTorch, or an exported graph."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

SCORES_AND_MAPS = ("terms", "map", "reconstruction_map", "deformation_map")  # others are drawings


class Backend(Protocol):
    """Computes scores, maps and drawings of a batch of windows."""

    templates: NDArray[np.float32] | None  # (S, C, H, W) in [-1, 1]: the background of each view

    def __call__(
        self, windows: NDArray[np.uint8], backgrounds: NDArray[np.float32] | None
    ) -> Mapping[str, np.ndarray]:
        """Judge a batch.

        Args:
            windows: (B, T + 1, H, W, C): each frame after the T frames before it; (B, 1, H, W, C)
                for single images.
            backgrounds: Templates in [-1, 1]: (B, C, H, W), or (1, C, H, W) if all windows have the
                same. None: the template of the first view, if the model has templates.

        Returns:
            `terms` (B, 3 or 6): the raw score, its two terms, and of video the three terms of the
            released code. `reconstruction_map` and `deformation_map` (B, H, W). The drawings of the
            form. All float32.
        """


class LazyArrays(Mapping[str, np.ndarray]):
    """Arrays by name, each computed or copied when it is first read.

    Args:
        names: The names.
        read: Returns the array of a name.
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
