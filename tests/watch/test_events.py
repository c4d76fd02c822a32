import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from dmad.calibration.alarms import find_events
from dmad.config import VideoScoreConfig
from dmad.inference.streaming import Judged
from dmad.model.scoring import Scores
from dmad.watch.events import LiveEvents, Recent, box_of, place

CONFIG = VideoScoreConfig(kernel=(3, 3))
NAN = float("nan")


def judged(score: float, time: float) -> Judged:
    maps = torch.zeros(1, 20, 40)
    maps[0, 5:10, 10:20] = score
    scores = Scores(maps, 0 * maps, *torch.zeros(3, 1))
    return Judged(score, score, 0.0, score, SimpleNamespace(scores=scores), time)


def told(live: LiveEvents, scores, start: float = 0.0, step: float = 0.1) -> list:
    return [
        news for i, s in enumerate(scores) for news in live.push(judged(float(s), start + i * step))
    ]


def test_an_event_is_told_when_it_begins_rises_and_ends(calibration_of):
    live = LiveEvents("gate", calibration_of(1.0), CONFIG)
    scores = [0, 0, 2, 2] + [2] * 9 + [5] + [2] * 3 + [0] * 5
    news = told(live, scores)
    assert [n.state for n in news] == ["new", "update", "end"]
    new, update, end = news
    assert len({n.id for n in news}) == 1
    assert (new.start, new.end, new.score) == (pytest.approx(0.2), None, 2)
    assert (update.score, update.peak) == (5, pytest.approx(1.3))
    assert (end.end, end.peak, end.score) == (pytest.approx(1.7), pytest.approx(1.3), 5)
    assert end.term == "reconstruction"
    assert end.box == pytest.approx((9 / 40, 4 / 20, 21 / 40, 11 / 20), abs=0.06)
    line = json.loads(end.line())
    assert line["kind"] == "event"
    assert line["threshold"] == 1.0


@pytest.mark.parametrize("seed", range(5))
def test_the_events_are_those_of_the_batch(calibration_of, seed):
    rng, calibration = np.random.default_rng(seed), calibration_of(1.0)
    scores = np.convolve(rng.normal(0, 2, 400), np.ones(5) / 5, "same")
    live = LiveEvents("gate", calibration, CONFIG)
    news = [*told(live, scores), *live.finish()]
    ends = [n for n in news if n.state == "end"]
    expected = find_events(scores, calibration.rule)
    assert len(ends) == len(expected) > 3
    for found, event in zip(ends, expected, strict=True):
        times = (event.start / 10, event.peak / 10, event.end / 10)
        assert (found.start, found.peak, found.end) == pytest.approx(times)
        assert found.score == pytest.approx(event.score)
    assert [n.state for n in news if n.state != "update"] == ["new", "end"] * len(ends)


def test_updates_are_a_second_apart(calibration_of):
    live = LiveEvents("gate", calibration_of(1.0), CONFIG)
    news = told(live, 2 + np.arange(25) / 10)  # rises all the time
    assert [n.state for n in news] == ["new", "update", "update"]
    assert np.diff([n.peak for n in news]) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("deformation", "term", "left"), [(1.9, "reconstruction", 10), (2.1, "deformation", 20)]
)
def test_the_term_that_makes_more_says_where(calibration_of, deformation, term, left):
    maps = torch.zeros(1, 20, 40)
    maps[0, 5:10, 10:20] = 1
    scores = Scores(maps, maps.flip(2), *torch.zeros(3, 1))
    found = Judged(0.0, 1.0, deformation, 0.0, SimpleNamespace(scores=scores), 0.0)
    name, box = place(found, calibration_of(1.0).scorer, CONFIG)  # the deformation weighs half
    assert name == term
    assert 40 * box[0] == pytest.approx(left, abs=1.5)


def test_dropped_frames_count_as_those_that_came(calibration_of):
    live = LiveEvents("gate", calibration_of(1.0), CONFIG)
    news = told(live, [0, 2, 2, 0, 0, 0], step=0.3)
    assert [n.state for n in news] == ["new", "end"]
    assert (news[-1].start, news[-1].end) == (pytest.approx(0.3), pytest.approx(0.7))


def test_a_short_gap_is_bridged_and_a_long_one_ends_the_event(calibration_of):
    for seconds, states in ((0.2, ["new"]), (5.0, ["new", "end", "new"])):
        live = LiveEvents("gate", calibration_of(1.0), CONFIG)
        news = told(live, [0, 2, 2])
        news += live.skip(seconds)
        news += told(live, [2, 2, 2], start=0.3 + seconds)
        assert [n.state for n in news] == states
    assert news[0].id != news[-1].id


def test_a_long_gap_ends_the_rest_after_an_event_too(calibration_of):
    calibration = calibration_of(1.0, minimum=1, gap=1, cooldown=30)
    live = LiveEvents("gate", calibration, CONFIG)
    news = [*told(live, [0, 2, 2, 0, 0, 0]), *live.skip(60.0), *told(live, [2], start=61.0)]
    assert [n.state for n in news] == ["new", "end", "new"]


def test_after_a_gap_time_begins_anew(calibration_of):
    live = LiveEvents("gate", calibration_of(1.0), CONFIG)
    news = [*told(live, [0]), *live.skip(60.0), *told(live, [2], start=60.0)]
    assert news == []  # one frame alone is no event of two


def test_the_box_is_around_the_maximum_alone():
    anomaly = np.zeros((10, 20))
    anomaly[2:4, 5:10], anomaly[6:9, 15:18] = 1.0, 0.9
    assert box_of(anomaly) == pytest.approx((0.25, 0.2, 0.5, 0.4))


def test_a_box_is_in_shares_of_its_own_side():
    anomaly = np.zeros((10, 40))
    anomaly[2:4, 30:36] = 1
    assert box_of(anomaly) == (0.75, 0.2, 0.9, 0.4)


def test_recent_scores_are_one_a_second_and_forget():
    recent = Recent(seconds=3)
    assert np.isnan(recent.median)
    for tenth in range(100):
        recent.push(judged(float(tenth // 10), tenth / 10))
    assert recent.median == 8


@pytest.mark.parametrize(("level", "drifted"), [(3.0, True), (-3.0, True), (0.5, False)])
def test_scores_drift_either_way_once_enough_were_seen(level, drifted):
    recent = Recent()
    for second in range(59):
        recent.push(judged(level, float(second)))
    assert recent.drifted is None
    recent.push(judged(level, 59.0))
    assert recent.drifted is drifted


def test_a_clock_that_is_set_back_loses_no_scores():
    recent = Recent()
    recent.push(judged(1.0, 1000.0))
    recent.push(judged(3.0, 10.0))
    assert recent.median == 2
