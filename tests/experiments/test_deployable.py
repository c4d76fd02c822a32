"""Scores for a camera, compared on synthetic anomalies."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from dmad.api import load
from dmad.data.splits import load_split
from dmad.data.synthetic.anomalies import sequences
from dmad.experiments.deployable import (
    KINDS,
    SCORED_FRAMES,
    SHIPPED_WINDOW,
    Shipped,
    compare_scores,
    deployable,
)

RANDOM = np.random.default_rng(0)
KERNELS = [(8, 7), (16, 14), (32, 28)]


@pytest.fixture
def run(train_held_out):
    """A tiny run with a clip of 60 frames held out."""
    return train_held_out(60)


def terms(reconstruction: float, deformation: float):
    """Noise of unit size plus a constant in each term, for every kernel."""
    noise = RANDOM.normal(size=(2, 40, SCORED_FRAMES))
    return [(noise[0] + reconstruction, noise[1] + deformation) for _ in KERNELS]


def test_a_term_that_is_higher_for_an_anomaly_finds_it():
    made = {"normal": terms(0, 0), "fast": terms(0, 4), "large": terms(4, 0)}
    shipped = Shipped(alpha=0.2, weight=1.0, window=SHIPPED_WINDOW)
    rows = {row.name: row for row in compare_scores(made, KERNELS, shipped)}
    assert rows["Eq. 13 alone, raw"].fast > 0.99
    assert rows["Eq. 12 alone, raw"].large > 0.99
    assert abs(rows["Eq. 12 alone, raw"].fast - 0.5) < 0.2
    both = rows["as shipped: the same, causal mean of 8"]
    assert min(both.fast, both.large) > 0.99


def test_every_choice_has_one_row():
    made = {kind: terms(0, 0) for kind in KINDS}
    shipped = Shipped(alpha=0.2, weight=0.5, window=SHIPPED_WINDOW)
    names = [row.name for row in compare_scores(made, KERNELS, shipped)]
    assert len(set(names)) == len(names)
    assert "weight 1" in names
    assert "weight 0.5" not in names


def test_a_run_with_held_out_clips_gives_a_table(run, tmp_path):
    rows = deployable(run, tmp_path, count=4)
    detector, last = load(run), {}
    footage = load_split(detector.config.data, "held_out").footage
    for kind in KINDS:
        made = sequences(footage, 4 + SCORED_FRAMES - 1, 4, kind)
        pairs = zip(made.frames, made.scenes, strict=True)
        last[kind] = [detector(frames, scene).score[-1] for frames, scene in pairs]
    raw = next(row for row in rows if row.name == "Eq. 14 raw")
    for kind, value in (("fast", raw.fast), ("large", raw.large)):
        expected = roc_auc_score([0] * 4 + [1] * 4, [*last["normal"], *last[kind]])
        assert value == pytest.approx(expected)
    table = (tmp_path / "deployable.md").read_text()
    lines = [f"| {row.name} | {row.fast:.4f} | {row.large:.4f} |" for row in rows]
    assert len(lines) > len(KERNELS)
    assert [line for line in lines if line not in table] == []
