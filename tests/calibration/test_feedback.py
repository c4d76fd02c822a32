"""Feedback: the threshold rises just enough to silence what was marked as normal."""

import json

import numpy as np
import pytest

from dmad.calibration.alarms import AlarmShape
from dmad.calibration.feedback import MARGIN, MarkedEvents, log_change, silence, with_threshold
from dmad.calibration.held_out import HeldOut
from dmad.calibration.past_events import PastEvent
from dmad.calibration.threshold import OPTIONS, gather
from dmad.errors import DmadError


def test_the_threshold_rises_no_further_than_needed(calibration_of):
    old = calibration_of(9.2)
    new = silence(old, 11.5, None)
    assert new.threshold == new.lowest == pytest.approx(11.5 * (1 + MARGIN))
    assert new.scorer == old.scorer
    assert vars(new.shape) == pytest.approx(vars(old.shape))


def test_the_threshold_never_falls(calibration_of, logged):
    old = calibration_of(9.2)
    assert silence(old, 5.0, None) == old
    assert silence(old, -np.inf, None) == old
    assert "raises no alarm; the threshold 9.200 stays" in logged()


def test_a_rise_to_more_than_twice_must_be_forced(calibration_of):
    old = calibration_of(9.2)
    with pytest.raises(DmadError, match=r"must rise from 9\.2 to 31\.5 .* or use --force"):
        silence(old, 30.0, None)
    assert silence(old, 30.0, None, force=True).threshold == pytest.approx(31.5)


def test_old_and_new_threshold_and_silenced_events_are_reported(calibration_of, logged):
    past = [PastEvent("a", 8.0), PastEvent("b", 10.0), PastEvent("c", 20.0)]
    log_change(calibration_of(9.0), calibration_of(12.0), past)
    assert logged() == (
        "threshold 9.000 → 12.000\n1 of 3 past events would raise no alarm now: b (10)"
    )


def test_a_threshold_far_above_the_footage_gives_a_warning(calibration_of):
    held = HeldOut(*np.random.default_rng(0).gamma(2, size=(2, 400)), np.array([200, 200]), 10.0)
    evidence = gather(held, "60/hour")
    chosen = with_threshold(calibration_of(3.0), 50.0, evidence)
    assert chosen.by_hand
    assert chosen.warnings[0].startswith("the threshold 50 is more than 3 times the largest score")
    assert [option.threshold for option in chosen.options] == [50 * factor for factor in OPTIONS]
    assert with_threshold(calibration_of(3.0), 50.0, None).options == ()


def test_files_and_ids_are_found(tmp_path):
    film = tmp_path / "clips" / "gate-1.mp4"
    film.parent.mkdir()
    film.touch()
    messages = [{"kind": "event", "id": f"gate-{n}", "score": float(n)} for n in (1, 2)]
    (tmp_path / "events.jsonl").write_text("".join(json.dumps(one) + "\n" for one in messages))
    by_film = MarkedEvents.read([film], None)
    assert (by_film.files, by_film.events) == ([film], [PastEvent("gate-1", 1.0)])
    by_id = MarkedEvents.read(["gate-2"], tmp_path)
    assert (by_id.files, by_id.events) == ([], [PastEvent("gate-2", 2.0)])
    with pytest.raises(DmadError, match="gate-3 does not exist: it is no file and no event in"):
        MarkedEvents.read(["gate-3"], tmp_path)
    with pytest.raises(DmadError, match="give the folder of events with --events"):
        MarkedEvents.read(["gate-2"], None)


def test_the_shape_of_alarms_survives_a_change_by_hand(calibration_of):
    old = calibration_of(5.0, minimum=3, gap=7, cooldown=11)
    new = with_threshold(old, 6.0, None)
    assert (new.rule.minimum, new.rule.gap, new.rule.cooldown) == (3, 7, 11)
    assert isinstance(new.shape, AlarmShape)
