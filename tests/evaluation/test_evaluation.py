import hashlib
import json

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from dmad.errors import DmadError
from dmad.evaluation.evaluate import clip_lengths_of, evaluate
from dmad.evaluation.ledger import blind_rows, blind_signals, paper_rows, published_ped2
from dmad.evaluation.metrics import micro_auroc
from dmad.evaluation.smoothing import min_max, min_max_per_clip

RANDOM = np.random.default_rng(0)
LENGTHS = np.array([12, 30, 7])
LABELS = RANDOM.integers(0, 2, 49)
CHANNELS = {n: RANDOM.random(49) for n in ("deformation", "reconstruction", "gradient")}


def slow_auroc(scores, labels) -> float:
    """Share of pairs in the right order; ties count half."""
    pairs = [(a, n) for a in scores[labels == 1] for n in scores[labels == 0]]
    return sum((a > n) + 0.5 * (a == n) for a, n in pairs) / len(pairs)


def test_auroc_with_ties_and_gaps():
    scores = RANDOM.integers(0, 6, 49).astype(float)
    scores[[0, 12, 42]] = np.nan
    known = ~np.isnan(scores)
    value = micro_auroc(scores, LABELS)
    assert value == pytest.approx(roc_auc_score(LABELS[known], scores[known]))
    assert value == pytest.approx(slow_auroc(scores[known], LABELS[known]))


@pytest.mark.parametrize("change", [lambda s: s + 30, lambda s: 1e6 * s, np.exp])
def test_auroc_ignores_monotone_changes(change):
    scores = np.round(RANDOM.normal(size=49), 2)
    assert micro_auroc(change(scores), LABELS) == micro_auroc(scores, LABELS)
    assert micro_auroc(-scores, LABELS) == pytest.approx(1 - micro_auroc(scores, LABELS))


@pytest.mark.parametrize("kind", [0, 1])
def test_labels_of_one_kind_are_refused(kind):
    with pytest.raises(DmadError, match="one kind"):
        micro_auroc(np.arange(5.0), np.full(5, kind))


def test_the_only_abnormal_frame_without_a_score_is_refused():
    with pytest.raises(DmadError, match="one kind"):
        micro_auroc(np.array([np.nan, 1.0, 2.0]), np.array([1, 0, 0]))


def test_scores_and_labels_of_two_lengths_are_refused():
    with pytest.raises(DmadError, match="4 scores for 5 labels"):
        micro_auroc(np.arange(4.0), np.array([0, 1, 0, 1, 0]))


def test_min_max_works_on_each_clip_alone():
    scaled = min_max_per_clip(np.array([1.0, 2, 3, 30, 10, 5, 5]), np.array([3, 2, 2]))
    assert scaled.tolist() == [0, 0.5, 1, 1, 0, 0, 0]
    assert min_max(np.array([4.0, 2])).tolist() == [1, 0]


def slow_ped2(channels, lengths, smooth: bool) -> list[float]:
    """The published protocol from its description, one number at a time."""
    weights = [1, 1, 1, 1, 1.2, 1.6, 1.2, 1, 1, 1, 1]
    total = [0.0] * sum(lengths)
    for name, factor in (("deformation", 0.2), ("reconstruction", 0.4), ("gradient", 0.6)):
        scaled, rest = [], list(channels[name])
        for length in lengths:
            clip, rest = rest[:length], rest[length:]
            scaled += [(value - min(clip)) / (max(clip) - min(clip)) for value in clip]
        padded = [0.0] * 5 + scaled + [scaled[-1]] * 5
        for i, value in enumerate(scaled):
            window = padded[i : i + 11]
            mean = sum(w * v for w, v in zip(weights, window, strict=True)) / sum(weights)
            near = sorted(range(11), key=lambda j, m=mean, v=window: abs(v[j] - m))[:5]
            smoothed = sum(weights[j] * window[j] for j in near) / 5
            total[i] += factor * (smoothed if smooth else value)
    return total


@pytest.mark.parametrize("smooth", [True, False])
def test_published_ped2_follows_its_description(smooth):
    expected = slow_ped2(CHANNELS, LENGTHS.tolist(), smooth)
    assert published_ped2(CHANNELS, LENGTHS, smooth) == pytest.approx(expected)


def test_published_rows_are_smoothed_and_unsmoothed():
    rows = paper_rows(CHANNELS, LABELS, LENGTHS)
    assert [row.block for row in rows] == ["paper", "paper"]
    assert rows[0].value == micro_auroc(published_ped2(CHANNELS, LENGTHS), LABELS)
    assert rows[1].value == micro_auroc(published_ped2(CHANNELS, LENGTHS, False), LABELS)


def test_blind_signals_know_nothing_but_the_lengths():
    signals = blind_signals(np.array([5, 1, 3]))
    assert signals["frame position t/T"].tolist() == [0, 0.25, 0.5, 0.75, 1, 0, 0, 0.5, 1]
    assert signals["clip centre bump"].tolist() == [
        -0.5,
        -0.25,
        0,
        -0.25,
        -0.5,
        -0.5,
        -0.5,
        0,
        -0.5,
    ]
    assert np.ptp(signals["constant"]) == 0
    rows = {row.signal: row.value for row in blind_rows(LABELS, LENGTHS)}
    assert rows["constant"] == 0.5


def test_clip_lengths_shrink_by_frames_without_a_score():
    known = np.array([0, 0, 1, 1, 1, 0, 0, 1], bool)
    assert clip_lengths_of(known, np.array([5, 3])).tolist() == [3, 1]


def test_evaluate_writes_ledger_and_scores(trained, normal_data, tmp_path):
    result = evaluate(trained, out=tmp_path)
    ledger = json.loads((tmp_path / "ledger.json").read_text())
    assert ledger.keys() == {"rows", "labels"}
    assert all(row.keys() == {"block", "signal", "metric", "value"} for row in ledger["rows"])
    assert all(0 <= row["value"] <= 1 for row in ledger["rows"])
    assert [row["value"] for row in ledger["rows"]] == [row.value for row in result.rows]
    assert {row["block"] for row in ledger["rows"]} == {"deployable", "blind"}
    labels = np.load(normal_data / "test" / "labels.npy").astype(np.uint8)
    digest = hashlib.sha256(labels.tobytes()).hexdigest()
    assert ledger["labels"] == {"name": "labels.npy", "sha256": digest}
    scores = np.load(tmp_path / "scores.npz", allow_pickle=False)
    assert scores["clip_lengths"].tolist() == [8, 8]
    assert scores["labels"].tolist() == labels.tolist()
    assert np.flatnonzero(np.isnan(scores["score"])).tolist() == [0, 1, 2, 3, 8, 9, 10, 11]
    raw = next(row["value"] for row in ledger["rows"] if row["signal"] == "Eq. 14 raw")
    assert raw == micro_auroc(scores["score"], labels)


def test_evaluate_writes_into_the_run_unless_told(trained):
    evaluate(trained)
    assert (trained / "evaluation" / "ledger.json").is_file()
    with pytest.raises(DmadError, match="--out"):
        evaluate(trained / "model.safetensors")


@pytest.mark.data
def test_published_scores_give_the_published_figure(data_root):
    path = data_root / "official_scores" / "ped2.npz"
    if not path.is_file():
        pytest.skip(f"no {path}")
    official = np.load(path, allow_pickle=False)
    labels, lengths = official["labels"], official["clip_lengths"]
    smooth, rough = (row.value for row in paper_rows(official, labels, lengths))
    assert smooth == pytest.approx(0.9969, abs=1e-4)
    assert rough == pytest.approx(0.9863, abs=1e-4)
    blind = {row.signal: row.value for row in blind_rows(labels, lengths)}
    assert blind["frame position t/T"] == pytest.approx(0.746, abs=0.002)
