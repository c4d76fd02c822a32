"""The street as a data set."""

import numpy as np

from dmad.config import VideoDataConfig
from dmad.data.layouts.street import STREET_CLIPS, load_street, street_from_settings
from dmad.data.splits import load_split
from dmad.data.synthetic.street import Street


def test_the_street_has_normal_clips_to_train_on_and_abnormal_ones_to_test_on(monkeypatch):
    assert STREET_CLIPS == {"train": 24, "test": 10}
    for split, count in (("train", 3), ("test", 2)):  # rendering takes a while
        monkeypatch.setitem(STREET_CLIPS, split, count)
    data = VideoDataConfig(layout="street", size=16, channels=1)
    train, test = load_street(data, "train"), load_street(data, "test")
    assert (len(train.footage.clips), len(test.footage.clips)) == (3, 2)
    assert not train.labels.any()
    clip = test.footage.clips[1]
    abnormal = test.masks(clip.name).any((1, 2))
    np.testing.assert_array_equal(test.labels[clip.span], abnormal)
    assert clip.fps == street_from_settings(data).fps


def test_each_weather_has_its_own_clips_and_each_is_held_out(monkeypatch):
    monkeypatch.setitem(STREET_CLIPS, "train", 8)
    monkeypatch.setattr(
        "dmad.data.layouts.street.Street", lambda **known: Street(**known, frames=6)
    )
    weathers = ("clear", "rain")
    data = VideoDataConfig(layout="street", size=16, channels=1, weathers=weathers, held_out=0.25)
    clips = load_street(data, "train").footage
    assert len(clips.clips) == 16
    brightness = clips.frames.reshape(16, -1).mean(1)
    assert brightness[8:].max() < brightness[:8].min()  # rain is darker
    held_out = {int(clip.name) // 8 for clip in load_split(data, "held_out").footage.clips}
    assert held_out == {0, 1}
