from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from scipy.ndimage import map_coordinates
from scipy.stats import rankdata

from dmad.data.synthetic.street import (
    KINDS,
    Street,
    StreetClip,
    abnormal_clip,
    background,
    normal_clip,
)
from dmad.errors import DmadError

STREET = Street()


@cache
def abnormal(index: int) -> StreetClip:
    return abnormal_clip(STREET, index)


@cache
def normal(index: int) -> StreetClip:
    return normal_clip(STREET, index)


def auroc(scores: np.ndarray, labels: np.ndarray) -> float:
    ranks, positives = rankdata(scores), int(labels.sum())
    above = ranks[labels == 1].sum() - positives * (positives + 1) / 2
    return float(above / (positives * (len(labels) - positives)))


@pytest.mark.parametrize(("size", "channels"), [(32, 3), (64, 1), (96, 3)])
def test_shapes_and_types(size, channels):
    street = Street(size=size, channels=channels, frames=12)
    for clip in (normal_clip(street, 0), abnormal_clip(street, 0)):
        assert clip.frames.shape == (12, size, size, channels)
        assert clip.frames.dtype == np.uint8
        assert clip.labels.shape == (12,)
        assert clip.labels.dtype == np.uint8
        assert clip.masks.shape == (12, size, size)
        assert clip.masks.dtype == bool
        assert clip.displacement.shape == (12, 2, size, size)
        assert clip.displacement.dtype == np.float32
    assert background(street).shape == (size, size, channels)
    assert background(street).dtype == np.uint8


def test_same_seed_and_index_give_the_same_clip():
    street = Street(frames=30)
    for film in (normal_clip, abnormal_clip):
        one, two = film(street, 3), film(street, 3)
        for name in ("frames", "labels", "masks", "displacement"):
            np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
        assert one.kinds == two.kinds


def test_other_seed_index_or_split_give_another_clip():
    street = Street(frames=6)
    clips = [normal_clip(street, 0), normal_clip(street, 1), abnormal_clip(street, 0)]
    clips.append(normal_clip(Street(frames=6, seed=1), 0))
    assert all((a.frames != b.frames).any() for i, a in enumerate(clips) for b in clips[:i])
    assert (background(street) != background(Street(seed=1))).any()


def test_normal_clips_hold_no_anomaly():
    assert not normal(0).labels.any()
    assert not normal(0).masks.any()
    assert normal(0).kinds == ()


def test_labels_agree_with_masks():
    for index in range(10):
        clip = abnormal(index)
        np.testing.assert_array_equal(clip.labels, clip.masks.any((1, 2)))
        assert not clip.labels[:20].any()
        assert 0.15 < clip.labels.mean() < 0.65


def test_five_clips_show_all_kinds():
    assert {abnormal(index).kinds[0] for index in range(5)} == set(KINDS)
    assert {abnormal(index).kinds[0] for index in range(3, 8)} == set(KINDS)
    assert {len(abnormal(index).kinds) for index in range(10)} == {1, 2}


def test_background_is_the_median_of_a_normal_clip():
    street = Street(size=32, frames=240, people=3)
    median = np.median(normal_clip(street, 0).frames[::2], axis=0)
    error = np.abs(median - background(street))
    assert np.median(error) < 6  # the light drifts by up to 5 %
    assert (error < 25).mean() > 0.98


def test_the_crowd_grows_with_the_setting_people():
    def moving(people: float) -> float:
        street = Street(size=32, frames=20, people=people)
        clips = [normal_clip(street, index) for index in range(8)]
        return float(np.mean([(clip.displacement != 0).any(1).mean() for clip in clips]))

    assert moving(0) == 0
    assert 1.2 < moving(6) / moving(3) < 3


def test_displacement_predicts_the_next_frame():
    still, moved = [], []
    for clip in (normal(0), *(abnormal(index) for index in range(5))):
        assert not clip.displacement[0].any()
        for t in range(1, len(clip.frames)):
            here = np.abs(clip.displacement[t]).max(0) > 0.3
            if here.any():
                before, now = (clip.frames[i, :, :, 0].astype(float) for i in (t - 1, t))
                source = np.argwhere(here).T - clip.displacement[t][::-1, here]
                warped = map_coordinates(before, source, order=1, mode="nearest")
                moved.append(np.abs(warped - now[here]).mean())
                still.append(np.abs(before - now)[here].mean())
    assert np.mean(moved) < 0.6 * np.mean(still)


def test_anomalies_move_as_their_kind_does():
    def pace(kind: str) -> float:
        clip = abnormal(KINDS.index(kind))
        return float(np.median(np.abs(clip.displacement[:, 0][clip.masks])))

    walking = np.abs(normal(0).displacement[:, 0])
    walk = float(np.median(walking[walking > 0]))
    assert 0.5 < walk < 1.4
    assert min(pace(kind) for kind in KINDS) > 1.3 * walk


def test_brightness_and_position_in_the_clip_do_not_find_anomalies():
    clips = [abnormal(index) for index in range(10)]
    labels = np.concatenate([clip.labels for clip in clips])
    brightness = np.concatenate([clip.frames.mean((1, 2, 3)) for clip in clips])
    contrast = np.concatenate([clip.frames.std((1, 2, 3)) for clip in clips])
    position = np.tile(np.linspace(0, 1, STREET.frames), len(clips))
    assert abs(auroc(brightness, labels) - 0.5) < 0.25
    assert abs(auroc(contrast, labels) - 0.5) < 0.25
    assert abs(auroc(position, labels) - 0.5) < 0.2


def test_crowds_of_both_splits_look_alike():
    street = Street(frames=20)  # nothing unusual enters so early
    scene = background(street).astype(float)
    usual, quiet = (
        [film(street, index).frames.astype(float) for index in range(10)]
        for film in (normal_clip, abnormal_clip)
    )
    for measure, tolerance in (
        (lambda frames: np.abs(frames - scene).mean(), 0.35),
        (lambda frames: np.median(np.abs(np.diff(frames, axis=0))), 0.1),
        (lambda frames: frames.mean(), 0.03),
    ):
        expected = np.mean([measure(frames) for frames in usual])
        assert np.mean([measure(frames) for frames in quiet]) == pytest.approx(
            expected, rel=tolerance
        )


@pytest.mark.parametrize(
    "bad",
    [
        {"size": 8},
        {"channels": 2},
        {"seed": -1},
        {"frames": 0},
        {"fps": 0},
        {"people": -1},
        {"weather": "hail"},
    ],
)
def test_bad_settings_are_refused(bad):
    with pytest.raises(DmadError, match=f"street.{next(iter(bad))}"):
        Street(**bad)


def test_negative_index_is_refused():
    with pytest.raises(DmadError, match="index"):
        normal_clip(STREET, -1)


def test_light_drifts_slowly():
    levels = normal_clip(Street(people=0), 2).frames.mean((1, 2, 3))
    assert np.ptp(levels) > 1
    assert max(abs(b - a) for a, b in pairwise(levels)) < 1
