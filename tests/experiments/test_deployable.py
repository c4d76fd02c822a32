import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from dmad.data.splits import load_split
from dmad.data.synthetic.anomalies import sequences
from dmad.experiments.deployable import KINDS, SCORED, compare, deployable
from dmad.inference.detector import load

RANDOM = np.random.default_rng(0)
KERNELS = [(8, 7), (16, 14), (32, 28)]


@pytest.fixture
def run(train_held_out):
    """A tiny run with a clip of 60 frames held out."""
    return train_held_out(60)


def terms(reconstruction: float, deformation: float):
    """Noise of unit size, and what the abnormal adds to it, for every kernel."""
    noise = RANDOM.normal(size=(2, 40, SCORED))
    return [(noise[0] + reconstruction, noise[1] + deformation) for _ in KERNELS]


def test_what_tells_the_anomalies_apart_wins():
    made = {"normal": terms(0, 0), "fast": terms(0, 4), "large": terms(4, 0)}
    found = {choice.name: choice for choice in compare(made, KERNELS, 0.2, 1.0)}
    assert found["Eq. 13 alone, raw"].fast > 0.99
    assert found["Eq. 12 alone, raw"].large > 0.99
    assert abs(found["Eq. 12 alone, raw"].fast - 0.5) < 0.2
    both = found["as shipped: the same, causal mean of 8"]
    assert min(both.fast, both.large) > 0.99


def test_every_choice_is_made_once():
    made = {kind: terms(0, 0) for kind in KINDS}
    names = [choice.name for choice in compare(made, KERNELS, 0.2, 0.5)]
    assert len(set(names)) == len(names)
    assert "weight 1" in names
    assert "weight 0.5" not in names


def test_it_runs_on_a_run_that_held_out_clips(run, tmp_path):
    found = deployable(run, tmp_path, count=4)
    detector, last = load(run), {}
    footage = load_split(detector.config.data, "held_out").footage
    for kind in KINDS:
        made = sequences(footage, 4 + SCORED - 1, 4, kind)
        pairs = zip(made.frames, made.scenes, strict=True)
        last[kind] = [detector(frames, scene).score[-1] for frames, scene in pairs]
    raw = {choice.name: choice for choice in found}["Eq. 14 raw"]
    for kind, value in (("fast", raw.fast), ("large", raw.large)):
        expected = roc_auc_score([0] * 4 + [1] * 4, [*last["normal"], *last[kind]])
        assert value == pytest.approx(expected)
    table = (tmp_path / "deployable.md").read_text()
    lines = [f"| {one.name} | {one.fast:.4f} | {one.large:.4f} |" for one in found]
    assert len(lines) > len(KERNELS)
    assert [line for line in lines if line not in table] == []
