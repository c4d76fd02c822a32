"""Region- and track-based detection criteria: were the right things found, not only their frames?

Ramachandra and Jones, Street Scene: A new dataset and evaluation protocol for video anomaly
detection, WACV 2020. What the paper leaves open is settled as follows.

- A region is the bounding box of pixels that touch at a side or a corner: of a mask (the truth), or
  of scores above a threshold (detected). Objects that touch in a mask are one region.
- A true region is detected if its IoU with a detected region is at least beta; a detected region is
  false if its IoU with every true region of the frame is below beta. One detected region may
  detect several true ones, and several may detect the same.
- A track is what a chain of true regions makes that share a pixel from one frame of a clip to the
  next. It is detected if at least a share alpha of its regions is. Where objects meet, their tracks
  become one; an object that vanishes for a frame starts a new one.
- The curve gives, for each number of false regions per frame, the best rate of any threshold with
  no more of them, since neither falls or rises steadily with the threshold. It is linear between
  thresholds, starts at (0, 0), and goes on level after the last threshold with at most one false
  region per frame. Thresholds with more are given up.
- A frame whose map is all NaN has no score: neither it nor its true regions count, though tracks
  run through it. Other NaN pixels lie below every threshold.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import find_objects, label
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from dmad.data.series import check_finite
from dmad.errors import require
from dmad.evaluation.metrics import top_scores
from dmad.evaluation.pixel_metrics import EIGHT, area_up_to

Frames = Iterable[tuple[np.ndarray, np.ndarray]]

RANKS = 16  # scores that a frame proposes as thresholds


@dataclass(frozen=True)
class RegionCriteria:
    """RBDC and TBDC, and the points of their curves."""

    rbdc: float  # area under region_rate for at most one false region per frame, in [0, 1]
    tbdc: float  # the same under track_rate
    regions: int  # true regions
    tracks: int  # true tracks
    frames: int  # frames with a score
    thresholds: np.ndarray  # (T,) falling; those with at most one false region per frame
    false_per_frame: np.ndarray  # (T,) false regions per frame, in [0, 1]
    region_rate: np.ndarray  # (T,) share of true regions detected
    track_rate: np.ndarray  # (T,) share of tracks detected


def region_criteria(
    frames: Frames,
    clip_lengths: Sequence[int] | np.ndarray,
    points: int = 100,
    alpha: float = 0.1,
    beta: float = 0.1,
) -> RegionCriteria:
    """RBDC and TBDC of score maps; the module says how. Only the order of the scores counts.

    Args:
        frames: One (score map, mask) per frame, each (H, W); scores larger = more anomalous, masks
            True = abnormal. It is gone through twice and may read each frame as it is asked for;
            no map is kept.
        clip_lengths: Frames of each clip.
        points: Thresholds tried, about: half are quantiles of the frames' maxima, half of scores
            at geometrically spaced ranks of each frame.
        alpha: Share of its regions that makes a track detected, in (0, 1].
        beta: IoU that makes a region detected, in (0, 1].

    Raises:
        DmadError: Frames that can be gone through only once, or are not as many as the clips have;
            a map and a mask of two sizes; an infinite score; no frame with a score, or no abnormal
            pixel in one.
    """
    require(iter(frames) is not frames, "frames can be gone through only once; give a list")
    require(0 < alpha <= 1 and 0 < beta <= 1, f"alpha {alpha}, beta {beta}; give them in (0, 1]")
    top = [top_scores(scores, RANKS) for scores, _ in frames]
    total = int(np.sum(clip_lengths))
    require(len(top) == total, f"{len(top)} frames for clips of {total} in all; give one each")
    search = _Search(choose_thresholds(top, points), sum(len(scores) > 0 for scores in top), beta)
    for (scores, mask), first in zip(frames, _first_of_clip(clip_lengths), strict=True):
        search.update(scores, np.asarray(mask, bool), first)
    return search.result(alpha)


def choose_thresholds(top: Sequence[np.ndarray], points: int) -> np.ndarray:
    """About `points` thresholds (T,), falling, out of each frame's `top_scores`."""
    known = [scores for scores in top if len(scores)]
    require(len(known) > 0, "no score map holds a score; score the frames first")
    shares = np.linspace(0, 1, max(points // 2, 2))
    pools = [np.array([scores[0] for scores in known]), np.concatenate(known)]
    chosen = [np.quantile(pool, shares, method="inverted_cdf") for pool in pools]
    return np.unique(np.concatenate(chosen))[::-1]


def boxes(labels: np.ndarray) -> np.ndarray:
    """Boxes (n, 4) of regions 1 to n in labels (H, W): top, left, bottom, right; ends exclusive."""
    corners = [(y.start, x.start, y.stop, x.stop) for y, x in find_objects(labels)]
    return np.array(corners, int).reshape(-1, 4)


def iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes (n, 4) with boxes (m, 4): (n, m), in [0, 1]."""
    start = np.maximum(first[:, None, :2], second[:, :2])
    end = np.minimum(first[:, None, 2:], second[:, 2:])
    common = np.maximum(end - start, 0).prod(-1)
    areas = [(box[:, 2:] - box[:, :2]).prod(-1) for box in (first, second)]
    overlap: np.ndarray = common / (areas[0][:, None] + areas[1] - common)
    return overlap


def area_under(false_per_frame: np.ndarray, rate: np.ndarray) -> float:
    """Area under the curve of (T,) points, as the module describes it, in [0, 1]."""
    order = np.lexsort((rate, false_per_frame))
    best = np.maximum.accumulate(rate[order])
    return area_up_to(1, np.append(0, false_per_frame[order]), np.append(0, best))


def _first_of_clip(clip_lengths: Sequence[int] | np.ndarray) -> Iterator[bool]:
    return (frame == 0 for length in clip_lengths for frame in range(length))


class _Search:
    """True regions and tracks, and what each threshold finds of them, frame by frame."""

    def __init__(self, thresholds: np.ndarray, frames: int, beta: float) -> None:
        self.thresholds = thresholds
        self.frames = frames  # with a score
        self.beta = beta
        self.false = np.zeros(len(thresholds), int)  # false regions so far
        self.found: list[np.ndarray] = []  # of each true region (T,), by which thresholds
        self.scored: list[bool] = []  # of each true region, whether its frame has a score
        self.links = [np.empty((0, 2), int)]  # pairs of true regions that are of one track
        self.before = np.empty(0, int)  # (H, W) true regions of the frame before; none = -1

    def update(self, scores: np.ndarray, mask: np.ndarray, first: bool) -> None:
        """Take in the next frame, the first of its clip or not."""
        require(
            scores.shape == mask.shape,
            f"score map {scores.shape} for mask {mask.shape}; give both the same size",
        )
        check_finite(scores)
        labels, count = label(mask, EIGHT)
        self._link(np.where(mask, labels + (len(self.found) - 1), -1), first)
        self.scored += [not np.isnan(scores).all()] * count
        self.found += list(self._search(scores, boxes(labels)))

    def _link(self, regions: np.ndarray, first: bool) -> None:
        if not first:
            both = (regions >= 0) & (self.before >= 0)
            self.links.append(np.unique(np.stack([self.before[both], regions[both]], 1), axis=0))
        self.before = regions

    def _search(self, scores: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """Which true regions (n, 4) are found by which thresholds: (n, T)."""
        found = np.zeros((len(truth), len(self.thresholds)), bool)
        worth = (self.thresholds < np.nanmax(scores, initial=-np.inf)) & self._kept()
        for index in np.flatnonzero(worth):
            detected = boxes(label(scores > self.thresholds[index], EIGHT)[0])
            match = iou(truth, detected) >= self.beta
            found[:, index] = match.any(1)
            self.false[index] += (~match.any(0)).sum()
        return found

    def _kept(self) -> np.ndarray:
        kept: np.ndarray = self.false <= self.frames
        return kept

    def result(self, alpha: float) -> RegionCriteria:
        """Rates and areas over all frames so far."""
        scored, kept = np.array(self.scored, bool), self._kept()
        require(any(scored), "no frame with a score holds an abnormal pixel; give masks with some")
        found = np.array(self.found)[scored][:, kept]
        tracks = self._tracks()[scored]
        shares = [found[tracks == track].mean(0) for track in np.unique(tracks)]
        false = self.false[kept] / self.frames
        region_rate, track_rate = found.mean(0), (np.array(shares) >= alpha).mean(0)
        return RegionCriteria(
            rbdc=area_under(false, region_rate),
            tbdc=area_under(false, track_rate),
            regions=len(found),
            tracks=len(shares),
            frames=self.frames,
            thresholds=self.thresholds[kept],
            false_per_frame=false,
            region_rate=region_rate,
            track_rate=track_rate,
        )

    def _tracks(self) -> np.ndarray:
        """The track of each true region: (regions,)."""
        first, second = np.concatenate(self.links).T
        size = (len(self.found), len(self.found))
        graph = coo_array((np.ones(len(first), int), (first, second)), size)
        tracks: np.ndarray = connected_components(graph, directed=False)[1]
        return tracks
