"""The street as a data set."""

import numpy as np

from dmad.config import VideoDataConfig
from dmad.data.layouts.street import STREET_CLIPS, load_street, street_from_settings


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
