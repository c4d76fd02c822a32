"""The weight of the deformation: 0 if the fields are noise, more if they measure the unusual."""

import numpy as np
import pytest

from dmad.api import load, set_threshold
from dmad.data.footage import footage_from_arrays
from dmad.data.splits import load_split
from dmad.data.synthetic.anomalies import sequences
from dmad.errors import DmadError
from dmad.forms.video.weight import (
    KINDS,
    SCORED_FRAMES,
    SEQUENCES,
    WEIGHTS,
    auroc_of_kinds,
    auroc_of_weight,
    check_length,
    choose_weight,
    clearly_best,
    sequence_terms,
)
from dmad.runs import find_model, read_card


def terms(reconstruction: dict[str, float], deformation: dict[str, float]):
    """Noise of unit size, and what each kind adds to it."""
    random = np.random.default_rng(0)
    noise = random.normal(size=(2, SEQUENCES, SCORED_FRAMES))
    return {
        kind: (noise[0] + reconstruction.get(kind, 0), noise[1] + deformation.get(kind, 0))
        for kind in KINDS
    }


def test_a_deformation_that_is_noise_lowers_the_auroc() -> None:
    noise = terms({"fast": 0.5, "large": 0.5}, {})
    assert sum(auroc_of_weight(noise, 0.0)) > sum(auroc_of_weight(noise, 2.0))


def test_a_deformation_that_measures_the_unusual_raises_the_auroc() -> None:
    measured = terms({}, {"fast": 2.0, "large": 2.0})
    assert sum(auroc_of_weight(measured, 2.0)) > sum(auroc_of_weight(measured, 0.0)) + 0.2


def test_fast_and_large_things_are_each_compared_with_normal_sequences() -> None:
    scores = {
        "normal": np.array([1.0, 2.0]),
        "fast": np.array([3.0, 4.0]),
        "large": np.array([0.0, 3.0]),
    }
    assert auroc_of_kinds(scores) == (1.0, 0.5)


@pytest.mark.parametrize(
    ("worth", "least", "expected"),
    [
        ({0.0: 1.61, 0.5: 1.6, 2.0: 1.1}, 0.0, 0.5),
        ({0.0: 1.64, 0.5: 1.6, 2.0: 1.1}, 0.0, 0.0),
        ({0.0: 1.64, 0.5: 1.6, 2.0: 1.7}, 0.0, 2.0),
        ({0.0: 1.64, 0.5: 1.6, 2.0: 1.1}, 0.05, 0.5),
    ],
    ids=["nearly as good", "better", "best of several", "not by the least gain"],
)
def test_the_usual_weight_stays_unless_another_is_clearly_better(worth, least, expected) -> None:
    assert clearly_best(worth, usual=0.5, least=least) == expected


def test_clips_must_be_long_enough_for_the_highest_speed(frames_of) -> None:
    footage = footage_from_arrays([frames_of(1, 9), frames_of(2, 12)])
    with pytest.raises(DmadError, match="no held-out clip has 34 frames, so it stays"):
        check_length(footage, 11, "so it stays")
    check_length(footage_from_arrays([frames_of(1, 34)]), 11, "so it stays")
    with pytest.raises(DmadError, match="no held-out clip has 34 frames"):
        check_length(footage_from_arrays([frames_of(1, 33)]), 11, "so it stays")


def test_terms_of_sequences_are_those_of_their_frames(
    random_model, tiny, make_detector, frames_of
) -> None:
    detector = make_detector(random_model, tiny(None))
    made = sequences(footage_from_arrays([frames_of(1, 40)]), 11, 3, "normal")
    usual = detector.config.score.kernel
    own, fine = sequence_terms(detector, made, [usual, (2, 2)], "normal")
    for term in (*own, *fine):
        assert term.shape == (3, SCORED_FRAMES)
    for row, frames in enumerate(made.frames):
        result = detector(frames)
        np.testing.assert_allclose(own[0][row], result.reconstruction[4:], rtol=1e-4)
        np.testing.assert_allclose(own[1][row], result.deformation[4:], rtol=1e-4)
    assert (fine[0] > own[0]).all()  # the mean over fewer pixels has a higher peak


def test_the_weight_is_chosen_once_and_stored(train_held_out) -> None:
    run = train_held_out(60)
    set_threshold(run)
    card = read_card(find_model(run))
    tried = card["weighing"]["auroc"]
    assert set(tried) == {f"{weight:g}" for weight in WEIGHTS}
    worth = {float(weight): sum(auroc) for weight, auroc in tried.items()}
    assert card["weighing"]["weight"] == clearly_best(worth, usual=0.5)
    detector = load(run)
    assert detector.calibration.scorer.weight == card["weighing"]["weight"]
    assert detector.config.score.weight == card["weighing"]["weight"]
    held_out = load_split(detector.config.data, "held_out").footage
    again = choose_weight(detector, held_out)
    assert again.auroc.keys() == tried.keys()


def test_clips_that_are_too_short_leave_the_weight(train_held_out, logged) -> None:
    run = train_held_out(12)
    set_threshold(run)
    assert "no held-out clip has 34 frames, so score.weight stays 0.5" in logged()
    assert load(run).calibration.scorer.weight == 0.5
