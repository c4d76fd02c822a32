"""Whether a camera still sees its scene: black, frozen, blocked, moved, or in another light.

Found from the template x_bg and from the frames themselves, apart from any anomaly score. A frame
that looks wrong is not to be scored at once; after `CONFIRM` seconds of them the state is told.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy.ndimage import gaussian_filter

from dmad.data.templates import Past
from dmad.inference.detector import Detector

State = Literal["ok", "black", "frozen", "blocked", "moved", "light"]

CONFIRM = 1.0  # seconds that a state must last before it is told, and before it is over

FINEST = 128  # pixels on a side that are looked at

BLACK = 30.0  # grey value below which nearly all of a black frame lies

CHANGED = 1  # grey values by which no pixel of a frozen frame differs from the last

TILES = 8  # a side, of which most must be covered or lit otherwise

FEW_TILES = 8  # with texture, below which nothing is said of covers

TEXTURE = 1.0  # grey values; standard deviation of a tile with texture

ALIKE = 0.3  # correlation below which a tile is covered

MOST = 0.6  # share of tiles

FITS = 0.2  # correlation from which on a view that has moved is known again

AHEAD = 0.02  # correlation by which the best place must be better than its own

FAINT = 0.3  # share of the scene's detail below which no place can be told

NEAR = 2  # pixels; a smaller shift is no move

LIGHTER = 1.4  # ratio of the light to its recent level

LASTING = 60.0  # seconds over which that level follows

KNOWN = 16  # frames after which a template from the past is used

SPARSE = 1.0  # seconds between its frames


def known_template(detector: Detector, scene: str) -> np.ndarray | None:
    """x_bg of a view trained on, (H, W, C) in grey values; None where there is none."""
    if detector.needs_template(scene):
        return None
    found = detector.background(scene, None)
    if found is None:
        return None
    template: np.ndarray = found[0].add(1).mul(127.5).permute(1, 2, 0).cpu().numpy()
    return template


class Health:
    """The state of one camera.

    Args:
        template: x_bg of the view, (H, W, C) in grey values; from its own past where None.
    """

    def __init__(self, template: np.ndarray | None = None) -> None:
        self.state: State = "ok"  # as told
        self._seen: State = "ok"  # of the last frame
        self._since = -np.inf  # seconds: since when it looks like that
        self._bad = np.inf  # since when it has not been right for long
        self._faulty = -np.inf  # when it last was not
        self._past = None if template is None else _Scene(template)
        self._own = Past() if template is None else None
        self._own_time = -np.inf
        self._last: np.ndarray | None = None
        self._level: np.ndarray | None = None  # (TILES, TILES) light of late
        self._time = 0.0

    def push(self, frame: np.ndarray, now: float) -> bool:
        """Take in a frame (H, W, C) uint8 of a time in seconds.

        Returns:
            Whether it may be scored; `state` says what is told.
        """
        if (back := now - self._time) < 0:  # the clock was set
            self._time, self._since, self._own_time, self._bad, self._faulty = (
                then + back
                for then in (self._time, self._since, self._own_time, self._bad, self._faulty)
            )
        grey = reduced(frame)
        seen = self._look(grey)
        if seen != self._seen:
            self._seen, self._since = seen, now
        if seen not in ("ok", "frozen"):  # single copies are no fault
            self._bad, self._faulty = min(self._bad, now), now
        elif now - self._faulty >= CONFIRM:
            self._bad = np.inf
        if self.state == "frozen" and seen != "frozen":
            self.state = "ok"  # at once: a quiet view, much compressed, may only have been still
        since = self._faulty if seen == "ok" else self._since
        if self.state == "ok" and seen != "frozen":
            since = min(since, self._bad)  # faults may take turns
        if seen != self.state and now - since >= CONFIRM:
            self.state = seen
        if seen == "ok":
            self._learn(frame, grey, now)
        self._last, self._time = grey, now
        return seen == self.state == "ok"

    @property
    def hesitates(self) -> bool:
        """Whether the frame is only a copy of the one before, as cameras send now and then."""
        return self.state == "ok" and self._seen == "frozen"

    def _look(self, grey: np.ndarray) -> State:
        if np.quantile(grey, 0.99) < BLACK and not (self._past and self._past.dark):
            return "black"
        if self._last is not None and np.abs(grey - self._last).max() <= CHANGED:
            return "frozen"
        if self._past:
            detail = fine(grey)
            if self._past.has_moved(detail):
                return "moved"
            if self._past.is_blocked(detail):
                return "blocked"
        return "light" if self._is_lit_otherwise(grey) else "ok"

    def _is_lit_otherwise(self, grey: np.ndarray) -> bool:
        if self._level is None:
            return False
        ratio = (tiles(grey).mean((1, 3)) + 4) / (self._level + 4)
        return bool(max((ratio > LIGHTER).mean(), (ratio < 1 / LIGHTER).mean()) > MOST)

    def _learn(self, frame: np.ndarray, grey: np.ndarray, now: float) -> None:
        """Follow the light, and see the scene without a template of its own."""
        level = tiles(grey).mean((1, 3))
        share = 1.0 if self._level is None else min((now - self._time) / LASTING, 1.0)
        self._level = level if self._level is None else self._level + share * (level - self._level)
        if self._own is None or now - self._own_time < SPARSE:
            return
        self._own.push(frame)
        self._own_time = now
        if self._own.seen >= KNOWN and self._own.seen % KNOWN == 0:
            median = 127.5 * (self._own.median() + 1)
            self._past = _Scene(median.transpose(1, 2, 0))


class _Scene:
    """The template, prepared for comparison."""

    def __init__(self, template: np.ndarray) -> None:
        grey = reduced(template)
        self.dark = bool(np.quantile(grey, 0.99) < 2 * BLACK)
        self.detail = fine(grey)
        self.textured = tiles(self.detail).std((1, 3)) > TEXTURE
        self._window, self._weight = faded(len(grey)), np.float32(1)
        size = np.abs(self._transform(self.detail))
        self._weight = 1 / np.sqrt(size + np.median(size) + 1e-6)
        self._spectrum = self._transform(self.detail)

    def _transform(self, detail: np.ndarray) -> np.ndarray:
        """Its spectrum, in which long edges, which fit anywhere along them, weigh less."""
        return np.asarray(np.fft.rfft2(detail * self._window) * self._weight)

    def has_moved(self, detail: np.ndarray) -> bool:
        """Whether the frame fits the scene at another place, and not at its own."""
        spectrum = self._transform(detail)
        pairs = ((spectrum, self._spectrum), (spectrum, spectrum), (self._spectrum,) * 2)
        fit, own, scene = (np.fft.irfft2(a * b.conj(), detail.shape) for a, b in pairs)
        fit = fit / (np.sqrt(own[0, 0] * scene[0, 0]) + 1e-6)
        place = np.unravel_index(fit.argmax(), fit.shape)
        away = max(min(int(p), len(fit) - int(p)) for p in place)
        near = np.roll(fit, (NEAR, NEAR), (0, 1))[: 2 * NEAR + 1, : 2 * NEAR + 1]
        fits = fit.max() > max(FITS, float(near.max()) + AHEAD)
        return away > NEAR and bool(fits) and detail.std() > FAINT * self.detail.std()

    def is_blocked(self, detail: np.ndarray) -> bool:
        """Whether most of the scene's texture is not to be seen."""
        if self.textured.sum() < FEW_TILES:
            return False
        here, there = tiles(detail), tiles(self.detail)
        norm = np.sqrt((here**2).sum((1, 3)) * (there**2).sum((1, 3))) + 1e-6
        alike = (here * there).sum((1, 3)) / norm
        return bool((alike[self.textured] < ALIKE).mean() > MOST)


def reduced(frame: np.ndarray) -> np.ndarray:
    """Grey values (h, w) float32 of a frame (H, W, C), at most `FINEST` pixels on a side."""
    grey = frame.mean(2, dtype=np.float32)
    step = max(1, len(grey) // FINEST)
    side = len(grey) // step // TILES * TILES
    blocks = grey[: side * step, : side * step].reshape(side, step, side, step)
    return np.asarray(blocks.mean((1, 3)))


def fine(grey: np.ndarray) -> np.ndarray:
    """What is neither noise nor light: details of one to four pixels, (h, w)."""
    return np.asarray(gaussian_filter(grey, 1, truncate=3) - gaussian_filter(grey, 4, truncate=2))


def tiles(image: np.ndarray) -> np.ndarray:
    """An image (h, w) as (TILES, h', TILES, w')."""
    side = len(image) // TILES
    return image.reshape(TILES, side, TILES, side)


def faded(side: int) -> np.ndarray:
    """A window (side, side) that fades out over the outer eighth, so that borders do not count."""
    edge = np.minimum(np.arange(side) + 0.5, side - np.arange(side) - 0.5) / (side / 8)
    ramp = np.sin(np.pi / 2 * np.clip(edge, 0, 1)) ** 2
    return np.asarray(np.outer(ramp, ramp), np.float32)
