import numpy as np
import pytest
from scipy import stats

from dmad.calibration.held_out import HeldOut
from dmad.calibration.standardisation import Scorer
from dmad.errors import DmadError

RANDOM = np.random.default_rng(0)


def held_out(lengths, gap: int = 4, offsets=0.0) -> HeldOut:
    """Normal clips with two gamma-distributed terms, without a score in their first frames."""
    offsets = np.broadcast_to(offsets, len(lengths))
    parts = [RANDOM.gamma(2, 1, (2, n)) + o for n, o in zip(lengths, offsets, strict=True)]
    for part in parts:
        part[:, :gap] = np.nan
    first, second = np.concatenate(parts, 1)
    return HeldOut(first, second, np.array(lengths), 10.0)


def test_each_clip_is_standardised_by_the_others():
    held = held_out([30, 50, 40])
    scores = held.cross_scores(0.3, 1)
    clip = np.repeat([0, 1, 2], [30, 50, 40])
    for own in range(3):
        others = [term[clip != own] for term in (held.reconstruction, held.deformation)]
        scorer = Scorer.fit(*others, 0.3)
        mine = [term[clip == own] for term in (held.reconstruction, held.deformation)]
        assert scores[clip == own] == pytest.approx(scorer.combine(*mine), nan_ok=True)


def test_hundreds_of_clips_are_standardised_in_twenty_folds():
    held = held_out([10] * 300)
    scores = held.cross_scores(0.2, 1)
    clip = np.repeat(np.arange(300), 10)
    own = np.random.default_rng(0).permutation(300)[clip] % 20 == 7
    scorer = Scorer.fit(held.reconstruction[~own], held.deformation[~own], 0.2)
    expected = scorer.combine(held.reconstruction[own], held.deformation[own])
    assert scores[own] == pytest.approx(expected, nan_ok=True)
    assert np.isfinite(scores).sum() == 1800


def test_clips_in_a_regular_order_are_scored_as_new_footage_would_be():
    random = np.random.default_rng(0)
    usual = np.tile([0.0, 0.0, 0.0, 2.0], 30)  # every fourth clip has higher scores
    terms = (usual[:, None] + random.standard_normal((120, 50))).ravel()
    held_out = HeldOut(terms, np.zeros(6000), np.full(120, 50), 10.0)
    new = Scorer.fit(terms, np.zeros(6000), 0.0).score(terms, np.zeros(6000))
    high = np.quantile(held_out.cross_scores(0.0, 1), 0.99)
    assert high == pytest.approx(np.quantile(new, 0.99), rel=0.03)


def test_cross_scores_show_how_much_clips_differ():
    scores = held_out([300, 300], offsets=[0, 10]).cross_scores(0.2, 1)
    assert np.nanmedian(scores[:300]) < -5
    assert np.nanmedian(scores[300:]) > 5


def test_cross_scores_are_smoothed_within_clips():
    held = held_out([30, 50])
    rough, smooth = held.cross_scores(0.2, 1), held.cross_scores(0.2, 5)
    assert smooth[34] == rough[34]
    assert smooth[79] == pytest.approx(rough[75:80].mean())


def test_clips_frames_and_hours_count_scored_frames():
    held = held_out([4, 40, 3, 40])
    assert (held.scored_clips, held.scored_frames) == (2, 72)
    assert held.hours == pytest.approx(72 / 36000)
    assert np.unique(held.clip_index).tolist() == [-1, 0, 1]


def test_a_scored_frame_has_both_terms():
    first, second = np.array([1.0, 2, 3, 4]), np.array([1.0, np.nan, 3, 4])
    held = HeldOut(first, second, np.array([4]), 10.0)
    assert held.scored.tolist() == [True, False, True, True]


def test_joined_footage_keeps_all_clips():
    parts = [
        HeldOut(np.full(3, value), np.ones(3), np.array([3]), 10.0, np.array([name]))
        for value, name in ((1.0, "a"), (2.0, "b"))
    ]
    joined = parts[0].joined(parts[1])
    assert joined.digests.tolist() == ["a", "b"]
    assert joined.clip_lengths.tolist() == [3, 3]
    assert joined.reconstruction.tolist() == [1, 1, 1, 2, 2, 2]


def test_footage_of_another_frame_rate_is_not_joined():
    slow, fast = (HeldOut(np.ones(3), np.ones(3), np.array([3]), fps) for fps in (10.0, 25.0))
    with pytest.raises(DmadError, match="the new clips have 25 frames per second"):
        slow.joined(fast)


def test_footage_is_read_as_it_was_written(tmp_path):
    held = held_out([30, 50])
    held.write(tmp_path / "terms.npz", {"other": np.ones(3)})
    read = HeldOut.read(tmp_path / "terms.npz")
    np.testing.assert_array_equal(read.reconstruction, held.reconstruction)
    np.testing.assert_array_equal(read.deformation, held.deformation)
    assert (read.clip_lengths.tolist(), read.fps) == ([30, 50], 10.0)


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 half an archive"])
def test_a_damaged_file_is_refused(content, tmp_path):
    path = tmp_path / "terms.npz"
    path.write_bytes(content)
    with pytest.raises(DmadError, match=r"terms\.npz is damaged"):
        HeldOut.read(path)


def test_images_are_clips_of_one_frame():
    images = held_out([30, 50]).as_images()
    assert images.clip_lengths.tolist() == [1] * 80
    assert images.fps == 1


def test_a_single_clip_is_cut_in_two():
    held = held_out([44])
    assert held.clip_index.tolist() == [-1] * 4 + [0] * 20 + [1] * 20
    assert np.isfinite(held.cross_scores(0.2, 1)[4:]).all()


@pytest.mark.parametrize(("clips", "blocks"), [(1, 20), (3, 21), (20, 20), (50, 50)])
def test_the_blocks_of_the_bootstrap_are_clips_or_parts_of_them(clips, blocks):
    held = held_out([100] * clips)
    assert set(held.block_index[held.scored]) == set(range(blocks))
    whole = [len(set(part)) for part in np.split(held.clip_index[held.scored], clips)]
    assert clips == 1 or whole == [1] * clips


def test_the_margin_is_the_excess_of_the_student_over_the_normal_quantile():
    held = held_out([200] * 4, offsets=[0, 1, 2, 4])
    scores = held.cross_scores(0.2, 1)
    medians = [np.nanmedian(part) for part in np.split(scores, 4)]  # of equally long clips
    excess = stats.t.ppf(0.9, 3) - stats.norm.ppf(0.9)
    expected = np.std(medians, ddof=1) * 0.75 * excess
    assert held.few_clips_margin(scores) == pytest.approx(expected)


def test_a_long_clip_counts_more_than_a_short_one():
    """A short film with high scores widens the interval less than a long one."""
    offsets = [0, 1, 0, 1, 0, 9]
    short, long = (held_out([400] * 5 + [last], offsets=offsets) for last in (20, 400))
    margins = [held.few_clips_margin(held.cross_scores(0.2, 1)) for held in (short, long)]
    assert margins[0] < 0.8 * margins[1]


def test_the_margin_vanishes_with_many_clips():
    few, many = (held_out([50] * n, offsets=RANDOM.normal(size=n)) for n in (2, 100))
    assert many.few_clips_margin(many.cross_scores(0.2, 1)) < 0.02
    assert few.few_clips_margin(few.cross_scores(0.2, 1)) > 0.05


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reconstruction": np.ones(9)}, "9 reconstruction terms, 10 deformation terms"),
        ({"clip_lengths": np.array([4])}, "clips of 4 frames"),
        ({"fps": 0.0}, "0.0 frames per second"),
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
