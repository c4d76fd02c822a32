"""RBDC and TBDC: metrics of abnormal regions and their tracks, not only of frames.

They come from Ramachandra and Jones, Street Scene: A new dataset and evaluation protocol for video
anomaly detection, WACV 2020. This module defines the details that the paper does not define.

- A region is the bounding box of pixels that touch at a side or a corner. True regions come from
  a mask, and detected regions from the scores above a threshold. Objects that touch in a mask are
  one region.
- A true region is found if its IoU (intersection over union) with a detected region is at least
  beta. A detected region is false if its IoU with every true region of the frame is below beta. One
  detected region may find several true regions, and several detected regions may find the same true
  region.
- A track is a chain of true regions. A region continues a track if it shares a pixel with a region
  of the previous frame of the clip. A track is found if at least a share alpha of its regions is
  found. If objects meet, they have one track. If an object disappears for a frame, a new track
  starts.
- A lower threshold does not always give a higher rate. So for each number of false regions per
  frame, the curve has the best rate of all thresholds with at most this number. It starts at (0, 0)
  and has straight lines between thresholds. After the last threshold with at most one false region
  per frame, the curve is constant. Thresholds with more false regions are not used.
- A frame whose score map has only NaN has no score. The frame and its true regions are left out of
  the rates, but tracks continue through it. Other NaN pixels are below every threshold.
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
from dmad.evaluation.pixel_metrics import TOUCHING, area_up_to

Frames = Iterable[tuple[np.ndarray, np.ndarray]]

SCORES_PER_FRAME = 16  # number of scores of a frame from which thresholds are chosen


@dataclass(frozen=True, eq=False)
class RegionCriteria:
    """RBDC and TBDC, and the points of their curves."""

    rbdc: float  # area under region_rate up to one false region per frame, in [0, 1]
    tbdc: float  # area under track_rate up to one false region per frame, in [0, 1]
    regions: int  # number of true regions
    tracks: int  # number of true tracks
    frames: int  # number of frames with a score
    thresholds: np.ndarray  # (T,) falling; those with at most one false region per frame
    false_per_frame: np.ndarray  # (T,) false regions per frame, in [0, 1]
    region_rate: np.ndarray  # (T,) share of true regions found
    track_rate: np.ndarray  # (T,) share of true tracks found


def region_criteria(
    frames: Frames,
    clip_lengths: Sequence[int] | np.ndarray,
    points: int = 100,
    alpha: float = 0.1,
    beta: float = 0.1,
) -> RegionCriteria:
    """Return RBDC and TBDC of score maps, as described at the top of this module.

    The results depend only on the order of the scores.

    Args:
        frames: A score map (H, W) and a mask (H, W) for each frame. Larger scores are more
            anomalous. Masks are True for abnormal pixels. `frames` is iterated twice, and no map is
            kept. So it can load the frames one by one.
        clip_lengths: Number of frames of each clip.
        points: Approximate number of thresholds. Half of them are quantiles of the maxima of the
            frames, half are quantiles of scores at geometrically spaced ranks of each frame.
        alpha: Share of the regions of a track that must be found, in (0, 1].
        beta: Smallest IoU at which a region is found, in (0, 1].

    Raises:
        DmadError: `frames` can be iterated only once or does not fit the clip lengths, `alpha` or
            `beta` is not in (0, 1], a map and its mask differ in size, a score is infinite, no
            frame has a score, or no frame with a score has an abnormal pixel.
    """
    require(iter(frames) is not frames, "the frames can be iterated only once; give a list")
    require(0 < alpha <= 1 and 0 < beta <= 1, f"alpha {alpha}, beta {beta}; give them in (0, 1]")
    top = [top_scores(scores, SCORES_PER_FRAME) for scores, _ in frames]
    total = int(np.sum(clip_lengths))
    require(len(top) == total, f"{len(top)} frames for clips of {total} in total; give one each")
    scored_frames = sum(len(scores) > 0 for scores in top)
    search = _RegionSearch(choose_thresholds(top, points), scored_frames, beta)
    for (scores, mask), is_first in zip(frames, _first_of_clip(clip_lengths), strict=True):
        search.add_frame(scores, np.asarray(mask, bool), is_first)
    return search.result(alpha)


def choose_thresholds(top: Sequence[np.ndarray], points: int) -> np.ndarray:
    """Return about `points` falling thresholds (T,), chosen from the `top_scores` of each frame."""
    scored = [scores for scores in top if len(scores)]
    require(len(scored) > 0, "no score map holds a score; score the frames first")
    shares = np.linspace(0, 1, max(points // 2, 2))
    maxima = np.array([scores[0] for scores in scored])
    of_maxima = np.quantile(maxima, shares, method="inverted_cdf")
    of_all = np.quantile(np.concatenate(scored), shares, method="inverted_cdf")
    return np.unique(np.concatenate([of_maxima, of_all]))[::-1]


def boxes(labels: np.ndarray) -> np.ndarray:
    """Return boxes (n, 4) of the regions 1 to n in labels (H, W): top, left, bottom, right.

    Bottom and right are exclusive.
    """
    corners = [(y.start, x.start, y.stop, x.stop) for y, x in find_objects(labels)]
    return np.array(corners, int).reshape(-1, 4)


def iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the intersection over union of boxes (n, 4) with boxes (m, 4): (n, m), in [0, 1]."""
    start = np.maximum(first[:, None, :2], second[:, :2])
    end = np.minimum(first[:, None, 2:], second[:, 2:])
    intersection = np.maximum(end - start, 0).prod(-1)
    first_area = (first[:, 2:] - first[:, :2]).prod(-1)
    second_area = (second[:, 2:] - second[:, :2]).prod(-1)
    overlap: np.ndarray = intersection / (first_area[:, None] + second_area - intersection)
    return overlap


def area_under(false_per_frame: np.ndarray, rate: np.ndarray) -> float:
    """Return the area under the curve of T points, in [0, 1].

    `false_per_frame` (T,) and `rate` (T,) are the points. The top of this module describes the
    curve between them.
    """
    order = np.lexsort((rate, false_per_frame))
    best_rate = np.maximum.accumulate(rate[order])
    return area_up_to(1, np.append(0, false_per_frame[order]), np.append(0, best_rate))


def _first_of_clip(clip_lengths: Sequence[int] | np.ndarray) -> Iterator[bool]:
    return (frame == 0 for length in clip_lengths for frame in range(length))


class _RegionSearch:
    """Collects true regions and tracks frame by frame, and the thresholds that find them."""

    def __init__(self, thresholds: np.ndarray, scored_frames: int, beta: float) -> None:
        self.thresholds = thresholds
        self.scored_frames = scored_frames
        self.beta = beta
        self.false_regions = np.zeros(len(thresholds), int)  # so far, for each threshold
        self.found: list[np.ndarray] = []  # for each true region: (T,) found by which thresholds
        self.is_scored: list[bool] = []  # for each true region: its frame has a score
        self.links = [np.empty((0, 2), int)]  # pairs of true regions that belong to one track
        self.regions_before = np.empty(0, int)  # (H, W) true regions of the last frame; none = -1

    def add_frame(self, scores: np.ndarray, mask: np.ndarray, is_first: bool) -> None:
        """Add the next frame. `is_first` is True for the first frame of a clip."""
        require(
            scores.shape == mask.shape,
            f"score map {scores.shape} for mask {mask.shape}; give both the same size",
        )
        check_finite(scores)
        labels, count = label(mask, TOUCHING)
        regions = np.where(mask, labels + (len(self.found) - 1), -1)
        if not is_first:
            self._link_to_frame_before(regions)
        self.regions_before = regions
        self.is_scored += [not np.isnan(scores).all()] * count
        self.found += list(self._find(scores, boxes(labels)))

    def _link_to_frame_before(self, regions: np.ndarray) -> None:
        both = (regions >= 0) & (self.regions_before >= 0)
        pairs = np.stack([self.regions_before[both], regions[both]], 1)
        self.links.append(np.unique(pairs, axis=0))

    def _find(self, scores: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """Return a bool array (n, T): True if a threshold finds a true region of the frame.

        `truth` (n, 4) are the boxes of the n true regions. False regions are counted too.
        """
        found = np.zeros((len(truth), len(self.thresholds)), bool)
        is_used = (self.thresholds < np.nanmax(scores, initial=-np.inf)) & self._is_kept()
        for index in np.flatnonzero(is_used):
            detected = boxes(label(scores > self.thresholds[index], TOUCHING)[0])
            match = iou(truth, detected) >= self.beta
            found[:, index] = match.any(1)
            self.false_regions[index] += (~match.any(0)).sum()
        return found

    def _is_kept(self) -> np.ndarray:
        """Return a bool array (T,), True for thresholds with at most one false region per frame.

        The number of false regions per frame is the mean of all frames so far that have a score.
        """
        kept: np.ndarray = self.false_regions <= self.scored_frames
        return kept

    def result(self, alpha: float) -> RegionCriteria:
        """Return RBDC and TBDC of all frames so far, and the points of their curves.

        `alpha` is the share of the regions of a track that must be found.
        """
        is_scored, kept = np.array(self.is_scored, bool), self._is_kept()
        require(
            any(is_scored), "no frame with a score holds an abnormal pixel; give masks with some"
        )
        found = np.array(self.found)[is_scored][:, kept]
        tracks = self._track_index()[is_scored]
        found_shares = np.array([found[tracks == track].mean(0) for track in np.unique(tracks)])
        false_per_frame = self.false_regions[kept] / self.scored_frames
        region_rate = found.mean(0)
        track_rate = (found_shares >= alpha).mean(0)
        return RegionCriteria(
            rbdc=area_under(false_per_frame, region_rate),
            tbdc=area_under(false_per_frame, track_rate),
            regions=len(found),
            tracks=len(found_shares),
            frames=self.scored_frames,
            thresholds=self.thresholds[kept],
            false_per_frame=false_per_frame,
            region_rate=region_rate,
            track_rate=track_rate,
        )

    def _track_index(self) -> np.ndarray:
        """Return the index (regions,) of the track of each true region."""
        first, second = np.concatenate(self.links).T
        size = (len(self.found), len(self.found))
        graph = coo_array((np.ones(len(first), int), (first, second)), size)
        tracks: np.ndarray = connected_components(graph, directed=False)[1]
        return tracks
