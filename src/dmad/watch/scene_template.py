"""Compares frames with the background template, to detect that a camera was moved or covered."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

SIDE = 128  # pixels; before frames are compared, they are reduced to this side or a larger one
TILES = 8  # number of tiles along each side of a frame
MOST_TILES = 0.6  # share; if more tiles change, a camera is covered, or its light has changed
BLACK = 30.0  # a frame is black if 99 % of its grey values are below this
TEXTURE = 1.0  # a tile has texture if the standard deviation of its grey values is larger
FEWEST_TEXTURED = 8  # with fewer textured tiles, a covered camera cannot be detected
COVERED = 0.3  # a tile is covered if its correlation with the scene is lower
SAME_SCENE = 0.2  # a shifted scene must have a higher correlation than this
BETTER = 0.02  # the correlation of a shifted scene must be this much higher than without a shift
FAINT = 0.3  # if a frame has a smaller share of the scene's details, it does not count as moved
STILL = 2  # pixels; a shift up to this does not count as moved


class SceneTemplate:
    """A background template that is prepared for comparison with frames.

    The scene is what the template shows.

    Args:
        template: (H, W, C) in grey values, 0 to 255.
    """

    def __init__(self, template: np.ndarray) -> None:
        grey = to_grey(template)
        self.is_dark = bool(np.quantile(grey, 0.99) < 2 * BLACK)
        self.details = details(grey)
        self.textured = tiles(self.details).std((1, 3)) > TEXTURE  # (TILES, TILES)
        self._window = fading_window(len(grey))
        self._weight: np.ndarray | np.float32 = np.float32(1)
        size = np.abs(self._spectrum_of(self.details))
        # Long edges fit anywhere along their length, so their frequencies weigh less.
        self._weight = 1 / np.sqrt(size + np.median(size) + 1e-6)
        self._spectrum = self._spectrum_of(self.details)

    def has_moved(self, frame_details: np.ndarray) -> bool:
        """True if the details (h, w) of a frame match the scene best after a shift."""
        spectrum, shape = self._spectrum_of(frame_details), frame_details.shape
        correlation = _correlation(spectrum, self._spectrum, shape)
        frame_power = _correlation(spectrum, spectrum, shape)[0, 0]
        scene_power = _correlation(self._spectrum, self._spectrum, shape)[0, 0]
        correlation = correlation / (np.sqrt(frame_power * scene_power) + 1e-6)
        best = np.unravel_index(correlation.argmax(), shape)
        shift = max(min(int(p), len(correlation) - int(p)) for p in best)  # shifts wrap around
        unmoved = np.roll(correlation, (STILL, STILL), (0, 1))[: 2 * STILL + 1, : 2 * STILL + 1]
        needed = max(SAME_SCENE, float(unmoved.max()) + BETTER)
        has_enough_details = frame_details.std() > FAINT * self.details.std()
        return bool(shift > STILL and correlation.max() > needed and has_enough_details)

    def is_covered(self, frame_details: np.ndarray) -> bool:
        """True if a frame does not show most of the textured tiles of the scene.

        Args:
            frame_details: (h, w), the fine structure of the frame, as in `details`.
        """
        if self.textured.sum() < FEWEST_TEXTURED:
            return False
        here, there = tiles(frame_details), tiles(self.details)
        norm = np.sqrt((here**2).sum((1, 3)) * (there**2).sum((1, 3))) + 1e-6
        correlation = (here * there).sum((1, 3)) / norm
        return bool((correlation[self.textured] < COVERED).mean() > MOST_TILES)

    def _spectrum_of(self, image: np.ndarray) -> np.ndarray:
        return np.asarray(np.fft.rfft2(image * self._window) * self._weight)


def _correlation(first: np.ndarray, second: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return the correlation (h, w) of two images at every shift, from their spectra."""
    return np.asarray(np.fft.irfft2(first * second.conj(), shape))


def to_grey(frame: np.ndarray) -> np.ndarray:
    """Return a frame (H, W, C) in grey, reduced to (h, w); h and w are less than twice `SIDE`."""
    grey = frame.mean(2, dtype=np.float32)
    step = max(1, len(grey) // SIDE)
    side = len(grey) // step // TILES * TILES
    blocks = grey[: side * step, : side * step].reshape(side, step, side, step)
    return np.asarray(blocks.mean((1, 3)))


def details(grey: np.ndarray) -> np.ndarray:
    """Return the details of an image (h, w), which are structures of one to four pixels.

    The details are an image (h, w) without noise and gradual shading.
    """
    return np.asarray(gaussian_filter(grey, 1, truncate=3) - gaussian_filter(grey, 4, truncate=2))


def tiles(image: np.ndarray) -> np.ndarray:
    """Reshape an image (h, w) into tiles (TILES, h / TILES, TILES, w / TILES)."""
    side = len(image) // TILES
    return image.reshape(TILES, side, TILES, side)


def fading_window(side: int) -> np.ndarray:
    """Return weights (side, side) that are 1 inside, and fall to 0 in the eighth at each border.

    An image is multiplied by these weights, so that its borders are ignored.
    """
    edge = np.minimum(np.arange(side) + 0.5, side - np.arange(side) - 0.5) / (side / 8)
    ramp = np.sin(np.pi / 2 * np.clip(edge, 0, 1)) ** 2
    return np.asarray(np.outer(ramp, ramp), np.float32)
