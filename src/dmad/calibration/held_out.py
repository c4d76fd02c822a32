"""Normal footage held out of training, each clip standardised by the others."""

from __future__ import annotations

import io
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from scipy import ndimage, stats

from dmad.calibration.standardisation import Scorer
from dmad.data.footage import same_rate
from dmad.data.series import causal, split_clips
from dmad.errors import DmadError, require
from dmad.files import write_whole

FOLDS = 20  # at most; with more clips several are left out at once

PIECES = 2  # a single clip is cut into so many, which stand for clips

BLOCKS = 20  # stretches that a bootstrap draws from, where there are fewer clips

QUANTILE = 0.9  # at which Student's and the normal quantile are compared


@dataclass(frozen=True)
class HeldOut:
    """Raw terms of normal footage.

    Raises:
        DmadError: Lengths that do not fit, fps not above 0, fewer than two frames with a score.
    """

    reconstruction: np.ndarray  # (N,): first term of Eq. 14, NaN where a frame has no score
    deformation: np.ndarray  # (N,): its second, before α
    clip_lengths: np.ndarray  # (K,) frames, summing to N
    fps: float  # frames a second
    digests: np.ndarray = field(default_factory=lambda: np.array([], "U64"))  # (K,) of each clip

    def __post_init__(self) -> None:
        counts = (len(self.reconstruction), len(self.deformation), int(np.sum(self.clip_lengths)))
        require(
            len(set(counts)) == 1,
            f"held-out footage has {counts[0]} reconstruction terms, {counts[1]} deformation terms "
            f"and clips of {counts[2]} frames together; give as many of each",
        )
        require(self.fps > 0, f"the footage has {self.fps} frames a second; give a number above 0")
        require(
            self.frames >= 2,
            f"{self.frames} of {counts[0]} held-out frames have a score; give more normal footage",
        )

    @classmethod
    def read(cls, path: Path) -> HeldOut:
        """From a file that `write` made."""
        try:
            with np.load(path) as file:
                found = {f.name: file[f.name] for f in fields(cls) if f.name in file}
                return cls(**found | {"fps": float(found["fps"])})
        except (OSError, ValueError, KeyError, TypeError, BadZipFile) as error:
            raise DmadError(
                f"{path} is damaged; delete it, and calibrate on normal footage anew"
            ) from error

    def write(self, path: Path) -> None:
        """All of it into a `.npz` file."""
        content = io.BytesIO()
        np.savez(content, **{f.name: getattr(self, f.name) for f in fields(self)})
        write_whole(path, content.getvalue())

    def joined(self, other: HeldOut) -> HeldOut:
        """With more clips of the same rate behind its own."""
        require(
            same_rate(other.fps, self.fps),
            f"clips of {other.fps:g} frames a second beside footage of {self.fps:g}; give films "
            "that `dmad watch` made, or say --fps",
        )
        names = ("reconstruction", "deformation", "clip_lengths", "digests")
        first, second, lengths, digests = (
            np.concatenate([getattr(self, name), getattr(other, name)]) for name in names
        )
        return HeldOut(first, second, lengths, self.fps, digests)

    @cached_property
    def known(self) -> np.ndarray:
        """(N,) whether a frame has both terms."""
        return np.asarray(np.isfinite(self.reconstruction + self.deformation))

    @cached_property
    def lengths(self) -> np.ndarray:
        """(K,) known frames of each clip."""
        clips = split_clips(self.known, self.clip_lengths)
        return np.array([clip.sum() for clip in clips])

    @property
    def clips(self) -> int:
        """Clips with a known frame."""
        return int(np.count_nonzero(self.lengths))

    @property
    def frames(self) -> int:
        """Known frames."""
        return int(self.known.sum())

    @property
    def hours(self) -> float:
        """Known footage."""
        return self.frames / self.fps / 3600

    @cached_property
    def owner(self) -> np.ndarray:
        """(N,) the clip of each known frame, from 0; pieces stand for clips where there is one."""
        return self._cut(PIECES if self.clips == 1 else 1)

    @cached_property
    def block(self) -> np.ndarray:
        """(N,) the stretch of each known frame, from 0: a clip, or part of one where few."""
        return self._cut(1 if self.clips >= BLOCKS else BLOCKS)

    def _cut(self, least: int) -> np.ndarray:
        """(N,) index of equal pieces of the clips, `least` or more of them; -1 where not known."""
        each = -(-least // self.clips)
        pieces = [k * each + np.arange(n) * each // n for k, n in enumerate(self.lengths) if n]
        index = np.full(len(self.known), -1)
        index[self.known] = np.unique(np.concatenate(pieces), return_inverse=True)[1]
        return index

    def pooled(self, weight: float, window: int) -> np.ndarray:
        """Scores (N,) of each clip standardised by the others, smoothed; NaN where not known.

        A fresh clip was not among those that set centre and scale; neither is any here, so that
        the pooled scores hold the scatter from clip to clip.

        Args:
            weight: As `Scorer` takes it.
            window: As `Scorer` takes it.
        """
        combined, folds = np.full(len(self.known), np.nan), self.owner % FOLDS
        for fold in np.unique(folds[self.known]):
            own, rest = (self.known & (folds == fold)), (self.known & (folds != fold))
            scorer = Scorer.fit(self.reconstruction[rest], self.deformation[rest], weight)
            combined[own] = scorer.combine(self.reconstruction[own], self.deformation[own])
        return causal(combined, window, self.clip_lengths)

    def margin(self, pooled: np.ndarray) -> float:
        """What a threshold must rise because the scatter between clips is known from few.

        The scatter is the standard deviation of the clips' median scores, brought back from
        leaving each out. Times it: the excess of Student's 90 % quantile over the normal one, 1.8
        with two clips, 0.25 with five, 0.01 with a hundred. Scores in, score units out.
        """
        owner = self.owner[self.known]
        clips = np.unique(owner)
        medians = ndimage.median(pooled[self.known], owner, clips)
        scatter = np.std(medians, ddof=1) * (1 - 1 / len(clips))
        few = stats.t.ppf(QUANTILE, len(clips) - 1) - stats.norm.ppf(QUANTILE)
        return float(scatter * few)
