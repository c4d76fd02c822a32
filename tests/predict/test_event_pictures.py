from dataclasses import dataclass
from math import nan
from typing import Any, cast

import numpy as np
import pytest

from dmad.calibration.alarms import AlarmRule, find_events
from dmad.predict import event_pictures
from dmad.predict.event_pictures import EventPictures

RULE = AlarmRule(on=2.0, off=1.5, minimum=2, gap=1)


@dataclass
class Frame:
    """The parts of a `Picture` that are used."""

    index: int

    @property
    def heat(self) -> np.ndarray:
        return np.full((40, 60, 3), self.index, np.uint8)


def pictures_of(scores: list[float], gaps: tuple[int, ...] = ()) -> EventPictures:
    pictures = EventPictures(RULE)
    for index, score in enumerate(scores):
        if pictures.add_score(score, index in gaps):
            pictures.offer(cast(Any, Frame(index)))
    pictures.finish()
    return pictures


def test_each_event_has_the_picture_of_its_peak() -> None:
    scores = [nan, 0, 3, 4, 1.6, 0, 0, 5, 0, 0, 2, 2.5, 3, 3]
    pictures = pictures_of(scores)
    peaks = [event.peak for event in find_events(np.array(scores), RULE)]
    assert peaks == [3, 12]
    assert [index for index in range(len(scores)) if pictures.of(index)] == peaks
    found = pictures.of(3)
    assert found is not None
    assert found["source"].startswith("data:image/webp;base64,")
    assert (found["width"], found["height"]) == (60, 40)


def test_a_gap_in_the_film_ends_an_event() -> None:
    scores = [3.0, 4, 5, 6]
    pictures = pictures_of(scores, gaps=(2,))
    peaks = [event.peak for event in find_events(np.array(scores), RULE, [2, 2])]
    assert [index for index in range(4) if pictures.of(index)] == peaks == [1, 3]


def test_without_a_threshold_there_are_no_pictures() -> None:
    pictures = EventPictures(None)
    assert not pictures.add_score(9.0)
    pictures.finish()
    assert pictures.of(0) is None


def test_only_the_strongest_events_keep_their_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_pictures, "MOST_PICTURES", 2)
    pictures = pictures_of([3, 3, 0, 0, 9, 9, 0, 0, 6, 6])
    assert [index for index in (0, 4, 8) if pictures.of(index)] == [4, 8]
