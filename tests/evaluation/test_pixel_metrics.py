from itertools import pairwise

import numpy as np
import pytest
from scipy.ndimage import label
from sklearn.metrics import roc_auc_score

from dmad.errors import DmadError
from dmad.evaluation.pixel_metrics import PixelMetrics, ScoreHistogram, area_up_to


def make(count: int, size: int, seed: int = 0, places: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Score maps with ties, some NaN, and masks of 0 to 3 rectangles, which may touch."""
    random = np.random.default_rng(seed)
    masks = np.zeros((count, size, size), bool)
    for mask in masks:
        for _ in range(random.integers(0, 4)):
            top, left = random.integers(0, size - 2, 2)
            height, width = random.integers(1, size // 2, 2)
            mask[top : top + height, left : left + width] = True
    maps = np.round(random.normal(size=masks.shape) + masks, places)
    maps[random.random(masks.shape) < 0.02] = np.nan
    return maps, masks


def collected(maps, masks, max_scores: int = 2**20) -> PixelMetrics:
    """The metrics of some maps."""
    metrics = PixelMetrics(max_scores)
    for scores, mask in zip(maps, masks, strict=True):
        metrics.update(scores, mask)
    return metrics


def slow_aupro(maps: np.ndarray, masks: np.ndarray, limit: float) -> float:
    """AUPRO, computed one region and one threshold at a time."""
    known = ~np.isnan(maps)
    regions = []
    for scores, mask in zip(maps, masks, strict=True):
        labels, count = label(mask, np.ones((3, 3)))
        regions += [scores[(labels == index) & ~np.isnan(scores)] for index in range(1, count + 1)]
    normal = maps[known & ~masks]
    points = [(0.0, 0.0)]
    for threshold in sorted(set(maps[known]), reverse=True):
        overlap = np.mean([(region >= threshold).mean() for region in regions if len(region)])
        points.append(((normal >= threshold).mean(), overlap))
    area = 0.0
    for (x0, y0), (x1, y1) in pairwise(points):
        end = min(x1, limit)
        if x0 < end:
            y_end = y0 + (y1 - y0) * (end - x0) / (x1 - x0)
            area += (end - x0) * (y0 + y_end) / 2
    return area / limit


@pytest.mark.parametrize("seed", range(4))
def test_small_maps_match_slow_computations(seed):
    maps, masks = make(6, 12, seed)
    known = ~np.isnan(maps)
    metrics = collected(maps, masks)
    assert metrics.auroc() == pytest.approx(roc_auc_score(masks[known], maps[known]))
    for limit in (0.05, 0.3, 1):
        assert metrics.aupro(limit) == pytest.approx(slow_aupro(maps, masks, limit))


def test_reading_results_in_between_changes_nothing():
    maps, masks = make(6, 12)
    metrics = PixelMetrics()
    for scores, mask in zip(maps, masks, strict=True):
        metrics.update(scores, mask)
        if masks[0].any():
            metrics.aupro()
    assert metrics.aupro() == pytest.approx(collected(maps, masks).aupro())


@pytest.mark.parametrize("change", [lambda s: s + 30, lambda s: 1e6 * s, np.exp])
@pytest.mark.parametrize("max_scores", [50, 2**20])
def test_only_the_order_of_the_scores_matters(change, max_scores):
    maps, masks = make(10, 24, places=3)
    results = []
    for scores in (maps, change(maps)):
        results.append(collected(scores, masks, max_scores).to_dict())
    assert results[0] == results[1]


def test_perfect_constant_and_opposite_maps():
    mask = np.zeros((20, 20), bool)
    mask[3:6, 4:9] = mask[12, 12] = True
    found = [collected([m], [mask]).to_dict() for m in (mask, 0.0 * mask, ~mask)]
    values = [tuple(figures.values()) for figures in found]
    assert values == [(1, 1), (0.5, pytest.approx(0.15)), (0, 0)]


def test_small_regions_count_as_much_as_large_ones():
    mask = np.zeros((20, 20), bool)
    mask[:10, :10] = mask[15, 15] = True
    found = np.zeros((20, 20))
    found[15, 15] = 1  # one pixel of 101, one region of two
    expected = 0.5 + 0.5 * 0.15  # from (0, 0.5) on a straight line to (1, 1)
    assert collected([found], [mask]).aupro() == pytest.approx(expected)


def test_pixels_that_touch_at_a_corner_are_one_region():
    mask = np.zeros((8, 8), bool)
    mask[2, 2] = mask[3, 3] = True
    scores = np.zeros((8, 8))
    scores[2, 2] = 1
    mask[6, 6] = True
    assert collected([scores], [mask]).aupro(1) == pytest.approx((0.25 + 1) / 2)


def test_fifty_maps_with_merged_scores_are_close_to_exact():
    maps, masks = make(50, 64, places=6)
    known = ~np.isnan(maps)
    exact = roc_auc_score(masks[known], maps[known])
    fine = collected(maps, masks)
    assert fine.auroc() == pytest.approx(exact, abs=1e-12)  # fewer scores than the limit
    coarse = collected(maps, masks, max_scores=4000)
    merges = maps.size / 4 / 4000
    assert coarse.auroc() == pytest.approx(exact, abs=merges / 4000)
    assert coarse.auroc() != exact
    assert coarse.aupro() == pytest.approx(fine.aupro(), abs=merges / 4000 / 0.3)


def test_histogram_stays_small_and_close():
    random = np.random.default_rng(0)
    scores, weights = random.normal(size=100_000), random.random(100_000)
    histogram = ScoreHistogram(max_scores=1000)
    for start in range(0, 100_000, 500):
        histogram.add(scores[start : start + 500], weights[start : start + 500])
        assert histogram._new_scores < 4000
    found, mass = histogram.scores_and_weights()
    assert len(found) <= 1000
    assert (np.diff(found) > 0).all()
    assert mass.sum() == pytest.approx(weights.sum())
    for threshold in (-3, -1, 0, 0.5, 2):
        exact = weights[scores >= threshold].sum()
        assert abs(mass[found >= threshold].sum() - exact) / weights.sum() < 26 / 1000


def test_histogram_is_exact_over_few_different_scores():
    histogram = ScoreHistogram(max_scores=3)
    for value in [2.0, 1, 1, 3, 2, 2] * 9:
        histogram.add(np.array([value]), np.array([0.5]))
    scores, weights = histogram.scores_and_weights()
    assert scores.tolist() == [1, 2, 3]
    assert weights.tolist() == [9, 13.5, 4.5]


def test_a_map_without_scores_changes_nothing():
    maps, masks = make(4, 12)
    empty = np.full((12, 12), np.nan)
    more = collected([*maps, empty, empty], [*masks, masks[1], ~masks[1]])
    assert more.to_dict() == collected(maps, masks).to_dict()


@pytest.mark.parametrize("metric", [PixelMetrics.auroc, PixelMetrics.aupro])
def test_masks_with_one_kind_of_pixels_are_refused(metric):
    for mask in (np.zeros((4, 4)), np.ones((4, 4))):
        with pytest.raises(DmadError, match="one kind"):
            metric(collected([np.ones((4, 4))], [mask]))
    with pytest.raises(DmadError, match="one kind"):
        metric(PixelMetrics())


def test_bad_input_is_refused():
    some = np.eye(4, dtype=bool)
    with pytest.raises(DmadError, match=r"\(4, 4\) for a mask \(4, 5\)"):
        PixelMetrics().update(np.ones((4, 4)), np.ones((4, 5), bool))
    with pytest.raises(DmadError, match="1 of 16 scores are infinite"):
        PixelMetrics().update(np.where(np.arange(16).reshape(4, 4) == 3, np.inf, 0), some)
    with pytest.raises(DmadError, match=r"give one in \(0, 1\]"):
        collected([np.ones((4, 4))], [some]).aupro(0)


def test_the_area_continues_at_the_last_height_of_the_curve():
    x, y = np.array([0, 0, 0.5]), np.array([0, 0.2, 0.4])
    assert area_up_to(1, x, y) == pytest.approx(0.5 * 0.3 + 0.5 * 0.4)
    assert area_up_to(0.25, x, y) == pytest.approx(0.25)
    assert area_up_to(0.5, x, y) == pytest.approx(0.3)
