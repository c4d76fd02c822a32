"""Generated footage whose scores are stored part by part."""

import re
from collections import Counter

import numpy as np
import pytest

from dmad import recipes
from dmad.api import load, train_network
from dmad.data.layouts.street import STREET_CLIPS
from dmad.errors import DmadError
from dmad.experiments import street_footage
from dmad.experiments.street_footage import StreetFootage


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(STREET_CLIPS, "train", 4)
        config = recipes.recipe(
            "street", size=32, epochs=1, limit=8, weathers=("clear", "clouds", "rain")
        )
        return train_network(config, tmp_path_factory.mktemp("runs")).folder


@pytest.fixture
def footage(run, tmp_path, monkeypatch):
    monkeypatch.setattr(street_footage, "CLIP_FRAMES", 12)
    monkeypatch.setattr(street_footage, "PART_CLIPS", 2)
    return StreetFootage.of_run(load(run), run, tmp_path / "footage", 0)


def test_there_are_as_many_clips_of_each_weather_and_never_the_same_twice(footage):
    counted, chosen = footage.to_count(0.01), footage.for_thresholds(0.02)
    assert len(chosen) == 2 * len(counted) == 60
    assert not set(counted) & set(chosen)
    for clips in (counted, chosen):
        assert len(set(Counter(footage.weathers_of(clips).tolist()).values())) == 1


def test_a_stopped_count_goes_on_after_the_last_stored_part(footage, monkeypatch, logged):
    whole = footage.score(range(6))
    files = sorted(footage.folder.iterdir())
    assert len(files) == 3
    files[1].unlink()
    files[2].write_bytes(files[2].read_bytes()[:100])
    computed = []
    logged()
    score = StreetFootage._score_clip
    monkeypatch.setattr(
        StreetFootage,
        "_score_clip",
        lambda self, index: computed.append(index) or score(self, index),
    )
    again = footage.score(range(6))
    assert computed == [2, 3, 4, 5]
    damage, *_ = (line for line in logged().splitlines() if "damaged" in line)
    assert damage == f"{files[2]} is damaged; it is computed again"
    np.testing.assert_array_equal(again.reconstruction, whole.reconstruction)
    np.testing.assert_array_equal(again.digests, whole.digests)


def test_scores_of_other_weights_and_seeds_are_not_used(footage):
    footage.score(range(2))
    other = StreetFootage(footage.detector, footage.folder, "other weights")
    seed = StreetFootage(footage.detector, footage.folder, footage.model, 1)
    digests = [each.score(range(2)).digests for each in (footage, other, seed)]
    assert len(set(np.concatenate(digests).tolist())) == 6


@pytest.mark.parametrize("hours", [0, -1, 84, 1e6, float("inf"), float("nan")])
def test_hours_out_of_range_are_refused(footage, monkeypatch, hours):
    monkeypatch.setattr(street_footage, "CLIP_FRAMES", 600)
    message = re.escape(f"hours is {hours:g}; give more than 0 and at most 83")
    with pytest.raises(DmadError, match=f"^--{message}"):
        footage.to_count(hours)
    with pytest.raises(DmadError, match=f"^--threshold-{message}"):
        footage.for_thresholds(hours)


def test_the_most_hours_stay_inside_the_clips_of_their_kind(footage, monkeypatch):
    monkeypatch.setattr(street_footage, "CLIP_FRAMES", 600)
    assert footage.for_thresholds(83.33).stop == 4998  # three weathers


def test_a_negative_seed_is_refused(run, tmp_path):
    with pytest.raises(DmadError, match="--seed is -1"):
        StreetFootage.of_run(load(run), run, tmp_path, -1)
