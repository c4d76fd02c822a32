"""The weight of the deformation: nothing where the fields are noise, more where they tell."""

import numpy as np
import pytest

from dmad.forms.video.weight import COUNT, KINDS, SCORED, WEIGHTS, weigh, worth
from dmad.inference.detector import load
from dmad.runs import find_model, read_card
from dmad.thresholds import set_threshold


def terms(reconstruction: dict[str, float], deformation: dict[str, float]):
    """Noise of unit size, and what each kind adds to it."""
    random = np.random.default_rng(0)
    noise = random.normal(size=(2, COUNT, SCORED))
    return {
        kind: (noise[0] + reconstruction.get(kind, 0), noise[1] + deformation.get(kind, 0))
        for kind in KINDS
    }


def test_a_term_that_tells_nothing_only_harms() -> None:
    made = terms({"fast": 0.5, "large": 0.5}, {})
    assert sum(worth(made, 0.0)) > sum(worth(made, 2.0))


def test_a_term_that_tells_all_is_wanted() -> None:
    made = terms({}, {"fast": 2.0, "large": 2.0})
    assert sum(worth(made, 2.0)) > sum(worth(made, 0.0)) + 0.2


@pytest.fixture
def run(train_held_out):
    """A tiny run with a clip of 60 frames held out."""
    return train_held_out(60)


def test_the_weight_is_chosen_once_and_kept(run) -> None:
    set_threshold(run)
    card = read_card(find_model(run))
    assert set(card["weighing"]["auroc"]) == {f"{weight:g}" for weight in WEIGHTS}
    assert load(run).calibration.scorer.weight == card["weighing"]["weight"]


def test_the_weight_of_the_settings_stays_unless_another_is_clearly_better(
    run, monkeypatch
) -> None:
    detector, footage = load(run), held_out(run)
    found = {0.0: (0.8, 0.81), 0.2: (0.8, 0.8), 0.5: (0.8, 0.8), 1.0: (0.7, 0.9), 2.0: (0.1, 1.0)}
    monkeypatch.setattr("dmad.forms.video.weight.worth", lambda terms, weight: found[weight])
    assert weigh(detector, footage).weight == 0.5
    found[0.0] = (0.82, 0.82)
    assert weigh(detector, footage).weight == 0.0


def held_out(run):
    from dmad.data.splits import load_split

    return load_split(load(run).config.data, "held_out").footage


def test_clips_that_are_too_short_leave_it_as_it_is(train_held_out, logged):
    run = train_held_out(12)
    set_threshold(run)
    assert "no held-out clip has 34 frames, so score.weight stays 0.5" in logged()
    assert load(run).calibration.scorer.weight == 0.5
