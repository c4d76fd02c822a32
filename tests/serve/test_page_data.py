import numpy as np

from dmad.serve.event_rows import EventRows
from dmad.serve.page_data import BINS, histogram_of, shown_event, timeline_of


def test_an_event_is_shown_with_addresses_instead_of_files(store, event):
    rows = EventRows(store)
    number = rows.add(event(clip="a.mp4"), scores=[(1.0, 2.0)])
    shown = shown_event(rows.get(number))
    assert shown["film"] == f"/api/events/{number}/film"
    assert shown["thumbnail"] is None
    assert "scores" not in shown
    assert "a.mp4" not in str(shown)
    assert "upper left" in shown["words"]


def test_the_histogram_contains_every_score_and_the_threshold():
    good, today = np.array([0.0, 1.0, 1.0]), [5.0, 0.5]
    made = histogram_of(good, today, 8.0)
    assert made["low"] < 0 < 8 < made["high"]
    assert (sum(made["good"]), sum(made["today"])) == (3, 2)
    assert made["scores"] == today
    empty = histogram_of(np.zeros(0), [], None)
    assert (len(empty["good"]), sum(empty["good"]), empty["threshold"]) == (BINS, 0, None)


def test_the_timeline_shows_score_threshold_and_event():
    event = {"start": 4.0, "end": 6.0, "peak": 5.0, "threshold": 2.0}
    scores = [[at, 3.0 if 4 <= at <= 6 else 1.0] for at in range(11)]
    drawn = timeline_of(event | {"scores": scores}, width=100, height=50)
    assert (drawn["start"], drawn["length"], drawn["peak"]) == (40.0, 20.0, 50.0)
    assert drawn["path"].startswith("M0.0 ")
    assert drawn["path"].count("L") == 10
    assert 0 < drawn["threshold"] < 50
    gap = [*scores[:5], *([at + 10, 1.0] for at, _ in scores[5:])]
    assert timeline_of(event | {"scores": gap})["path"].count("M") == 2
    assert timeline_of(event | {"scores": []}) == {"path": ""}
