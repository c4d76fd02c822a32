"""Loads the synthetic street: normal clips for training, abnormal clips for testing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dmad.config import DataConfig, VideoDataConfig, Weather
from dmad.data.footage import LabelledFootage, SplitName, footage_from_arrays
from dmad.data.synthetic.street import Street, abnormal_clip, normal_clip

STREET_CLIPS = {"train": 24, "test": 10}  # of each weather
STREET_PEOPLE = 2.0  # average number of people in a frame


def street_from_settings(data: DataConfig) -> Street:
    """The street that the clips show, with the frame size and colours of the settings."""
    return Street(size=data.size, channels=data.channels, people=STREET_PEOPLE)


def weathers_from_settings(data: DataConfig) -> tuple[Weather, ...]:
    """The weathers in the settings; only `clear` if the settings contain no weathers."""
    return data.weathers if isinstance(data, VideoDataConfig) else ("clear",)


def load_street(data: DataConfig, split: SplitName) -> LabelledFootage:
    """Render the clips of one split, all clips of one weather after another."""
    street, count = street_from_settings(data), STREET_CLIPS[split]
    render = normal_clip if split == "train" else abnormal_clip
    clips = [
        render(replace(street, weather=weather), number * count + index)
        for number, weather in enumerate(weathers_from_settings(data))
        for index in range(count)
    ]
    return LabelledFootage(
        footage_from_arrays([clip.frames for clip in clips], street.fps),
        labels=np.concatenate([clip.labels for clip in clips]),
        label_name="street script",
        masks=lambda name: clips[int(name)].masks,
    )
