import numpy as np
import pytest
from scipy import stats

from dmad.calibration.held_out import HeldOut
from dmad.calibration.standardisation import Scorer
from dmad.data.footage import same_rate
from dmad.errors import DmadError

RANDOM = np.random.default_rng(0)


def held_out(lengths, gap: int = 4, offsets=0.0) -> HeldOut:
    """Normal clips of two gamma terms, without a score in their first frames."""
    offsets = np.broadcast_to(offsets, len(lengths))
    parts = [RANDOM.gamma(2, 1, (2, n)) + o for n, o in zip(lengths, offsets, strict=True)]
    for part in parts:
        part[:, :gap] = np.nan
    first, second = np.concatenate(parts, 1)
    return HeldOut(first, second, np.array(lengths), 10.0)


def test_each_clip_is_seen_through_the_others():
    held = held_out([30, 50, 40])
    pooled = held.pooled(0.3, 1)
    clip = np.repeat([0, 1, 2], [30, 50, 40])
    for own in range(3):
        others = [term[clip != own] for term in (held.reconstruction, held.deformation)]
        scorer = Scorer.fit(*others, 0.3)
        mine = [term[clip == own] for term in (held.reconstruction, held.deformation)]
        assert pooled[clip == own] == pytest.approx(scorer.combine(*mine), nan_ok=True)


def test_pooled_scores_hold_the_scatter_between_clips():
    held = held_out([300, 300], offsets=[0, 10])
    pooled = held.pooled(0.2, 1)
    assert np.nanmedian(pooled[:300]) < -5
    assert np.nanmedian(pooled[300:]) > 5


def test_pooled_scores_are_smoothed_within_clips():
    held = held_out([30, 50])
    rough, smooth = held.pooled(0.2, 1), held.pooled(0.2, 5)
    assert smooth[34] == rough[34]
    assert smooth[79] == pytest.approx(rough[75:80].mean())


def test_clips_and_hours_count_what_has_a_score():
    held = held_out([4, 40, 3, 40])
    assert (held.clips, held.frames) == (2, 72)
    assert held.hours == pytest.approx(72 / 36000)
    assert np.unique(held.owner).tolist() == [-1, 0, 1]


def test_a_frame_needs_both_terms():
    first, second = np.array([1.0, 2, 3, 4]), np.array([1.0, np.nan, 3, 4])
    found = HeldOut(first, second, np.array([4]), 10.0)
    assert found.known.tolist() == [True, False, True, True]


def test_digests_are_joined():
    parts = [
        HeldOut(np.ones(3), np.ones(3), np.array([3]), 10.0, np.array([name])) for name in "ab"
    ]
    assert parts[0].joined(parts[1]).digests.tolist() == ["a", "b"]


def test_rates_more_than_a_tenth_apart_differ():
    found = [same_rate(rate, 10.0) for rate in (9.1, 10.9, 8.9, 11.1)]
    assert found == [True, True, False, False]


def test_a_single_clip_is_cut_in_two():
    held = held_out([44])
    assert held.owner.tolist() == [-1] * 4 + [0] * 20 + [1] * 20
    assert np.isfinite(held.pooled(0.2, 1)[4:]).all()


@pytest.mark.parametrize(("clips", "blocks"), [(1, 20), (3, 21), (20, 20), (50, 50)])
def test_bootstrap_draws_from_clips_or_parts_of_them(clips, blocks):
    held = held_out([100] * clips)
    assert set(held.block[held.known]) == set(range(blocks))
    whole = [len(set(part)) for part in np.split(held.owner[held.known], clips)]
    assert clips == 1 or whole == [1] * clips


def test_margin_is_the_excess_of_student_over_normal():
    held = held_out([200] * 4, offsets=[0, 1, 2, 4])
    pooled = held.pooled(0.2, 1)
    medians = [np.nanmedian(part) for part in np.split(pooled, 4)]
    few = stats.t.ppf(0.9, 3) - stats.norm.ppf(0.9)
    assert held.margin(pooled) == pytest.approx(np.std(medians, ddof=1) * 0.75 * few)


def test_margin_vanishes_with_many_clips():
    few, many = (held_out([50] * n, offsets=RANDOM.normal(size=n)) for n in (2, 100))
    assert many.margin(many.pooled(0.2, 1)) < 0.02
    assert few.margin(few.pooled(0.2, 1)) > 0.05


def test_hundreds_of_clips_are_left_out_in_at_most_twenty_folds(monkeypatch):
    fits, fit = [], Scorer.fit
    monkeypatch.setattr(Scorer, "fit", lambda *a: fits.append(1) or fit(*a))
    assert np.isfinite(held_out([10] * 300).pooled(0.2, 1)).sum() == 1800
    assert len(fits) == 20


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reconstruction": np.ones(9)}, "9 reconstruction terms, 10 deformation terms"),
        ({"clip_lengths": np.array([4])}, "clips of 4 frames"),
        ({"fps": 0.0}, "0.0 frames a second"),
        ({"deformation": np.full(10, np.nan)}, "0 of 10 held-out frames have a score"),
    ],
)
def test_bad_footage_is_refused(change, message):
    good = {
        "reconstruction": np.ones(10),
        "deformation": np.ones(10),
        "clip_lengths": np.array([10]),
        "fps": 10.0,
    }
    with pytest.raises(DmadError, match=message):
        HeldOut(**good | change)
