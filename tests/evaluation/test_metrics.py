import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from dmad.errors import DmadError
from dmad.evaluation.metrics import (
    average_precision,
    f1_max,
    macro_auroc,
    micro_auroc,
    roc,
    scored_frames,
    top_scores,
)

RANDOM = np.random.default_rng(7)
LENGTHS = np.array([60, 5, 80, 0, 55])
LABELS = RANDOM.integers(0, 2, 200)
LABELS[60:65] = 1  # a clip with one kind only
SCORES = np.round(RANDOM.normal(size=200) + LABELS, 1)  # with ties
SCORES[[0, 61, 65, 66, 199]] = np.nan
KNOWN = ~np.isnan(SCORES)
BARE, TRUTH = SCORES[KNOWN], LABELS[KNOWN]
MONOTONE = [lambda s: s + 30, lambda s: 1e6 * s, np.exp]
METRICS = [micro_auroc, average_precision, f1_max]


def slow_precision_recall() -> list[tuple[float, float]]:
    """Precision and recall at every threshold, the highest threshold first."""
    points = []
    for threshold in sorted(set(BARE), reverse=True):
        flagged = threshold <= BARE
        hits = (flagged & (TRUTH == 1)).sum()
        points.append((hits / flagged.sum(), hits / TRUTH.sum()))
    return points


def test_micro_auroc_is_the_share_of_pairs_in_the_right_order():
    pairs = [(a, n) for a in BARE[TRUTH == 1] for n in BARE[TRUTH == 0]]
    share = np.mean([(a > n) + 0.5 * (a == n) for a, n in pairs])
    assert micro_auroc(SCORES, LABELS) == pytest.approx(share)


def test_average_precision_is_the_area_of_a_step_function():
    steps = [(0.0, 0.0), *slow_precision_recall()]
    area = sum(p * (r - steps[i][1]) for i, (p, r) in enumerate(steps[1:]))
    assert average_precision(SCORES, LABELS) == pytest.approx(area)
    assert average_precision(SCORES, LABELS) == average_precision_score(TRUTH, BARE)


def test_f1_max_is_the_best_of_all_thresholds():
    best = max(f1_score(TRUTH, threshold <= BARE) for threshold in np.unique(BARE))
    assert f1_max(SCORES, LABELS) == pytest.approx(best)
    assert f1_max(np.arange(4.0), np.array([0, 0, 1, 1])) == 1
    assert f1_max(-np.arange(4.0), np.array([0, 0, 0, 1])) == pytest.approx(0.4)


def test_macro_auroc_averages_the_clips_with_both_kinds():
    result = macro_auroc(SCORES, LABELS, LENGTHS)
    clips = [(1, 60), (67, 145), (145, 199)]
    values = [roc_auc_score(LABELS[a:b], SCORES[a:b]) for a, b in clips]
    assert result.value == pytest.approx(np.mean(values))
    assert (result.averaged_clips, result.clips) == (3, 5)


def test_macro_auroc_needs_a_clip_with_both_kinds():
    with pytest.raises(DmadError, match="none of 2 clips"):
        macro_auroc(np.arange(6.0), np.array([0, 0, 0, 1, 1, 1]), [3, 3])
    with pytest.raises(DmadError, match="none of 1 clips"):
        macro_auroc(np.array([1, 2, np.nan]), np.array([0, 0, 1]), [3])


def test_the_roc_curve_is_correct_at_every_threshold():
    curve = roc(SCORES, LABELS)
    assert np.trapezoid(curve.tpr, curve.fpr) == pytest.approx(micro_auroc(SCORES, LABELS))
    assert (curve.fpr[0], curve.tpr[0], curve.fpr[-1], curve.tpr[-1]) == (0, 0, 1, 1)
    for fpr, tpr, threshold in zip(curve.fpr, curve.tpr, curve.thresholds, strict=True):
        assert fpr == pytest.approx((BARE[TRUTH == 0] >= threshold).mean())
        assert tpr == pytest.approx((BARE[TRUTH == 1] >= threshold).mean())


@pytest.mark.parametrize("change", MONOTONE)
def test_only_the_order_of_the_scores_matters(change):
    for metric in METRICS:
        assert metric(change(SCORES), LABELS) == metric(SCORES, LABELS)
    assert macro_auroc(change(SCORES), LABELS, LENGTHS) == macro_auroc(SCORES, LABELS, LENGTHS)
    assert np.array_equal(roc(change(SCORES), LABELS).tpr, roc(SCORES, LABELS).tpr)
    assert top_scores(change(SCORES), 9).tolist() == change(top_scores(SCORES, 9)).tolist()


@pytest.mark.parametrize("metric", [*METRICS, roc])
def test_bad_input_is_refused(metric):
    with pytest.raises(DmadError, match="3 scores for 2 labels"):
        metric(np.zeros(3), np.zeros(2))
    with pytest.raises(DmadError, match="one kind"):
        metric(np.array([1, 2, np.nan]), np.array([0, 0, 1]))
    with pytest.raises(DmadError, match="2 of 3 scores are infinite"):
        metric(np.array([1, np.inf, -np.inf]), np.array([0, 0, 1]))


def test_frames_without_a_score_are_left_out():
    scores, labels = scored_frames(SCORES, LABELS)
    assert scores.tolist() == BARE.tolist()
    assert labels.tolist() == (TRUTH == 1).tolist()


def test_clip_lengths_that_do_not_fit_are_refused():
    with pytest.raises(DmadError, match="sum to 3 for 200 frames"):
        macro_auroc(SCORES, LABELS, [1, 2])


def test_top_scores_fall_from_the_largest_to_the_smallest():
    scores = RANDOM.permutation(np.append(np.arange(1000.0), np.nan))
    top = top_scores(scores, 10)
    assert top.tolist() == [999, 998, 995, 990, 978, 954, 900, 785, 536, 0]
    assert top_scores(np.array([2.0, 2, 1]), 50).tolist() == [2, 1]
    assert len(top_scores(np.full(3, np.nan), 5)) == 0
