import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from dmad.calibration.normal_places import NOWHERE, SIDE, NormalPlaces
from dmad.serve.event_rows import EventRows
from dmad.serve.models import ThresholdChange
from dmad.serve.places import (
    places_picture,
    shown_places,
    silent_events,
    words_of_change,
    words_of_mark,
)


def corner(weight: float) -> NormalPlaces:
    """Places whose lower right quarter has a weight."""
    weights = np.ones((SIDE, SIDE))
    weights[SIDE // 2 :, SIDE // 2 :] = weight
    return NormalPlaces.from_weights(weights)


@pytest.fixture
def change(calibration_of):
    """A change to less sensitive places."""
    before = calibration_of(4.0)
    return ThresholdChange(before, replace(before, places=corner(0.5)))


def test_less_sensitive_places_are_shown_in_words_and_as_a_picture(change):
    shown = shown_places(7, change.after)
    assert (shown["share"], shown["factor"]) == (0.25, pytest.approx(2, abs=0.02))
    assert shown["words"] == (
        "Less sensitive at the lower right of the picture: 25 % of the view. There, an anomaly "
        "must be up to 2.0 times stronger."
    )
    assert shown["picture"].startswith("/api/cameras/7/places.png?v=")
    other = shown_places(7, replace(change.after, places=corner(0.4)))
    assert other["picture"] != shown["picture"]  # so that browsers load it again


def test_a_camera_without_such_places_shows_none(change):
    assert shown_places(7, change.before) is None
    assert shown_places(7, None) is None


def test_a_change_is_said_in_words(change):
    higher = replace(change.before, rule=change.before.shape.rule(5.0, 10.0))
    words = words_of_change(ThresholdChange(change.before, higher))
    assert words == "The threshold is now 5.00 (before: 4.00)."
    words = words_of_change(change)
    assert words.startswith("The camera is now less sensitive at the lower right of the picture")
    back = ThresholdChange(change.after, change.before)
    assert words_of_change(back) == "The whole view is fully sensitive again."
    less = replace(change.after, places=corner(0.2))
    words = words_of_change(ThresholdChange(less, change.after))
    assert words.startswith("The camera is more sensitive again at the lower right")
    nothing = ThresholdChange(change.before, change.before)
    assert words_of_change(nothing) == "Nothing has changed."
    left_out = words_of_change(replace(nothing, places_left_out=True))
    assert left_out.startswith("Nothing has changed. Less sensitive places were not restored")
    assert words_of_mark(nothing, only_here=False) == "Nothing has changed."
    assert "raises no alarm any more" in words_of_mark(nothing, only_here=True)


def test_the_picture_is_opaque_only_where_the_camera_is_less_sensitive():
    picture = np.asarray(Image.open(io.BytesIO(places_picture(corner(0.5)))))
    height, width, channels = picture.shape
    opacity = picture[..., 3].astype(int)
    assert channels == 4
    assert opacity[height // 2 :, width // 2 :].min() > 30
    assert opacity[: height // 2].max() == opacity[:, : width // 2].max() == 0
    stronger = np.asarray(Image.open(io.BytesIO(places_picture(corner(0.1)))))[..., 3]
    assert stronger.mean() > opacity.mean()
    assert not np.asarray(Image.open(io.BytesIO(places_picture(NOWHERE))))[..., 3].any()


def test_past_events_at_the_place_would_be_silent_unless_they_were_strong(store, event, change):
    rows = EventRows(store)
    here, elsewhere = (0.7, 0.7, 0.8, 0.8), (0.1, 0.1, 0.2, 0.2)
    weak = rows.add(event(1.0, score=4.2, box=here))
    rows.add(event(2.0, score=4.2, box=elsewhere))
    rows.add(event(3.0, score=4.2, box=(0.4, 0.4, 0.9, 0.9)))  # it reaches out of the place
    rows.add(event(4.0, score=400.0, box=here))
    rows.add(event(5.0, score=3.0, box=here))  # the threshold was lower then
    rows.add(event(6.0, "yard", score=4.2, box=here))
    assert [one["number"] for one in silent_events(rows, "gate", change)] == [weak]


def test_past_events_below_a_higher_threshold_would_be_silent(store, event, change):
    rows = EventRows(store)
    numbers = [rows.add(event(float(k), score=score)) for k, score in enumerate((4.2, 6.0))]
    higher = replace(change.before, rule=change.before.shape.rule(5.0, 10.0))
    silent = silent_events(rows, "gate", ThresholdChange(change.before, higher))
    assert [one["number"] for one in silent] == numbers[:1]


@pytest.mark.parametrize("box", [(0, 0, 0, 0), (1, 1, 1, 1), (0.999, 0.0, 1.0, 0.001)])
def test_a_tiny_box_is_no_error(store, event, change, box):
    rows = EventRows(store)
    rows.add(event(score=4.2, box=box))
    silent_events(rows, "gate", change)
