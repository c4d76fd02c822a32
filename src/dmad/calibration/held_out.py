"""Held-out footage: raw score terms of normal clips that the model was not trained on."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage, stats

from dmad.calibration.standardisation import Scorer
from dmad.checked_files import read_npz
from dmad.data.footage import same_rate
from dmad.data.series import causal, split_clips
from dmad.errors import DmadError, require
from dmad.files import write_atomically

MAX_FOLDS = 20  # with more clips than this, several clips are left out at once
PARTS_OF_A_SINGLE_CLIP = 2  # a single clip is cut into this many parts, used as clips
BLOCKS = 20  # fewest blocks of a bootstrap; if there are fewer clips, they are cut into parts
FEWEST_DEGREES = 0.5  # fewest degrees of freedom; near 0 with one long and one very short clip
QUANTILE = 0.9  # quantile at which Student's t and the normal distribution are compared


@dataclass(frozen=True, eq=False)
class HeldOut:
    """The two raw terms of the score (Eq. 14 or 22) for normal footage: N frames in K clips.

    Raises:
        DmadError: The lengths do not fit together, fps is not above 0, or fewer than two frames
            have a score.
    """

    reconstruction: np.ndarray  # (N,) first term; NaN if a frame has no score
    deformation: np.ndarray  # (N,) second term before α
    clip_lengths: np.ndarray  # (K,) number of frames of each clip; their sum is N
    fps: float  # frames per second
    digests: np.ndarray = field(default_factory=lambda: np.array([], "U64"))  # (K,) one per clip

    def __post_init__(self) -> None:
        counts = (len(self.reconstruction), len(self.deformation), int(np.sum(self.clip_lengths)))
        require(
            len(set(counts)) == 1,
            f"held-out footage has {counts[0]} reconstruction terms, {counts[1]} deformation terms "
            f"and clips of {counts[2]} frames in total; give the same number of each",
        )
        require(
            self.fps > 0, f"the footage has {self.fps} frames per second; give a number above 0"
        )
        require(
            self.scored_frames >= 2,
            f"{self.scored_frames} of {counts[0]} held-out frames have a score; "
            "give more normal footage",
        )

    @classmethod
    def read(cls, path: Path) -> HeldOut:
        """Read the footage that `write` stored in a file.

        Raises:
            DmadError: The file is damaged.
        """
        advice = "delete it and calibrate on normal footage again"
        try:
            values, _ = read_npz(path, [item.name for item in fields(cls)], advice)
            values["fps"] = float(values["fps"])
            lengths = values["clip_lengths"]
            require(lengths.ndim == 1 and bool((lengths > 0).all()), "a clip has no frames")
            return cls(**values)
        except (DmadError, ValueError, KeyError, TypeError) as error:
            raise DmadError(f"{path} is damaged; {advice}") from error

    def write(self, path: Path, more: Mapping[str, np.ndarray] | None = None) -> None:
        """Write all fields, and the arrays in `more`, into a `.npz` file."""
        content = io.BytesIO()
        arrays: dict[str, Any] = {item.name: getattr(self, item.name) for item in fields(self)}
        np.savez(content, **arrays, **dict[str, Any](more or {}))
        write_atomically(path, content.getvalue())

    def joined(self, other: HeldOut) -> HeldOut:
        """Return footage with the clips of this footage, followed by the clips of `other`.

        Raises:
            DmadError: The frame rates differ.
        """
        check_rate(other.fps, self.fps)
        return HeldOut(
            reconstruction=np.concatenate([self.reconstruction, other.reconstruction]),
            deformation=np.concatenate([self.deformation, other.deformation]),
            clip_lengths=np.concatenate([self.clip_lengths, other.clip_lengths]),
            fps=self.fps,
            digests=np.concatenate([self.digests, other.digests]),
        )

    def as_images(self) -> HeldOut:
        """Return the same terms, but each frame is an image.

        An image is a clip of one frame, at 1 frame per second.
        """
        count = len(self.reconstruction)
        return HeldOut(self.reconstruction, self.deformation, np.ones(count, int), 1.0)

    @cached_property
    def scored(self) -> np.ndarray:
        """(N,) True if a frame has both terms."""
        return np.asarray(np.isfinite(self.reconstruction + self.deformation))

    @cached_property
    def _scored_lengths(self) -> np.ndarray:
        """(K,) number of scored frames of each clip."""
        return np.array([clip.sum() for clip in split_clips(self.scored, self.clip_lengths)])

    @property
    def scored_clips(self) -> int:
        """Number of clips with at least one scored frame."""
        return int(np.count_nonzero(self._scored_lengths))

    @property
    def scored_frames(self) -> int:
        """Number of scored frames."""
        return int(self.scored.sum())

    @property
    def hours(self) -> float:
        """Duration of the scored frames in hours."""
        return self.scored_frames / self.fps / 3600

    @cached_property
    def clip_index(self) -> np.ndarray:
        """(N,) index of the clip of each scored frame, from 0; -1 for other frames.

        A single clip is cut into parts, which are used as clips.
        """
        return self._numbered_parts(PARTS_OF_A_SINGLE_CLIP if self.scored_clips == 1 else 1)

    @cached_property
    def block_index(self) -> np.ndarray:
        """(N,) index of the block of each scored frame, from 0; -1 for other frames.

        A block is a clip, or a part of a clip if there are few clips. The bootstrap, which
        estimates how sure the threshold is, draws random blocks.
        """
        return self._numbered_parts(1 if self.scored_clips >= BLOCKS else BLOCKS)

    def _numbered_parts(self, least: int) -> np.ndarray:
        """Cut the clips into parts. Return the number of the part for each frame, (N,) from 0.

        There are at least `least` parts, if the clips have enough frames with a score. For a frame
        without a score, the number is -1.
        """
        parts_per_clip = -(-least // self.scored_clips)
        parts = [
            clip * parts_per_clip + np.arange(length) * parts_per_clip // length
            for clip, length in enumerate(self._scored_lengths)
            if length
        ]
        index = np.full(len(self.scored), -1)
        index[self.scored] = np.unique(np.concatenate(parts), return_inverse=True)[1]
        return index

    def cross_scores(self, weight: float, window: int) -> np.ndarray:
        """Return smoothed scores (N,). NaN: the frame has no score.

        Each clip is treated like new footage: it is standardised with the centre and the scale of
        other clips. So the scores show how much clips differ.

        Args:
            weight: Weight of the standardised deformation; the reconstruction has weight 1.
            window: Number of frames over which scores are averaged.
        """
        combined = np.full(len(self.scored), np.nan)
        folds = self._folds
        for fold in np.unique(folds[self.scored]):
            own = self.scored & (folds == fold)
            rest = self.scored & (folds != fold)
            scorer = Scorer.fit(self.reconstruction[rest], self.deformation[rest], weight)
            combined[own] = scorer.combine(self.reconstruction[own], self.deformation[own])
        return causal(combined, window, self.clip_lengths)

    @cached_property
    def _folds(self) -> np.ndarray:
        """(N,) index of the fold of each scored frame; -1 for other frames.

        The frames of a fold are standardised with the frames of the other folds. A fold is a clip
        or, with more than `MAX_FOLDS` clips, a random group of clips. Groups are random because
        clips may have a regular order, such as one clip for each hour of a day. If a group took
        every twentieth clip, all its clips could be alike. Then the group would differ more from
        the other clips than new footage differs from all clips.
        """
        clips = int(self.clip_index.max()) + 1
        groups = np.random.default_rng(0).permutation(clips) % MAX_FOLDS
        return np.where(self.clip_index < 0, -1, groups[self.clip_index])

    def few_clips_margin(self, scores: np.ndarray) -> float:
        """Return how much the threshold is raised because there are only a few clips.

        A few clips do not show well how much clips differ. The margin is a factor times the
        standard deviation of the median scores of the clips. A long clip counts more than a short
        clip. The standard deviation is reduced, because each clip was standardised with the other
        clips only, which makes clips differ more. The factor is the 90 % quantile of Student's t
        minus the 90 % quantile of the normal distribution: 1.8 for two clips, 0.25 for five clips,
        0.01 for a hundred clips.

        Args:
            scores: (N,) from `cross_scores`. The margin has the same unit.
        """
        clip_index = self.clip_index[self.scored]
        clips, frames = np.unique(clip_index, return_counts=True)
        medians = ndimage.median(scores[self.scored], clip_index, clips)
        share = frames / frames.sum()
        effective = 1 / (share**2).sum()  # so many clips of equal length would show as much
        freedom = max(effective - 1, FEWEST_DEGREES)
        variance = (share * (medians - share @ medians) ** 2).sum() * (freedom + 1) / freedom
        scatter = np.sqrt(variance) * (1 - 1 / len(clips))
        excess = stats.t.ppf(QUANTILE, freedom) - stats.norm.ppf(QUANTILE)
        return float(scatter * excess)


def check_rate(new: float, known: float) -> None:
    """Check that new clips have the frame rate of other footage.

    Args:
        new: Frames per second of the new clips.
        known: Frames per second of the other footage.

    Raises:
        DmadError: The frame rates differ.
    """
    require(
        same_rate(new, known),
        f"the new clips have {new:g} frames per second, the footage has {known:g}; "
        "give clips that `dmad watch` stored, or give the fps",
    )
