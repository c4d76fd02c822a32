import json
import time
from dataclasses import fields, replace
from math import inf, nan

from dmad.watch.messages import CountMessage, EventMessage, HealthMessage

EVENT = EventMessage(
    source="gate",
    id="gate-2.000",
    state="end",
    start=2.0,
    peak=2.123456,
    end=None,
    score=5.0,
    threshold=1.0,
    term="deformation",
    box=(0.25, 0.5, 1 / 3, 1.0),
)


def test_a_message_is_one_line_with_its_kind_first():
    line = EVENT.to_json()
    assert "\n" not in line
    tree = json.loads(line)
    assert next(iter(tree)) == "kind"
    assert tree["kind"] == "event"
    names = [field.name for field in fields(EventMessage) if field.name != "live"]
    assert list(tree)[1:] == names


def test_numbers_have_four_digits_and_unknown_ones_are_null():
    tree = json.loads(EVENT.to_json())
    assert tree["peak"] == 2.1235
    assert tree["box"] == [0.25, 0.5, 0.3333, 1.0]
    assert tree["end"] is None
    health = HealthMessage("gate", time=nan, state="lost", why="", gap=inf, scoring=False)
    tree = json.loads(health.to_json())
    assert tree["kind"] == "health"
    assert tree["time"] is tree["gap"] is None
    assert tree["scoring"] is False


def test_a_live_source_has_utc_and_local_times(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    message = replace(EVENT, start=1790000000.25, peak=1790000001.0, live=True)
    tree = json.loads(message.to_json())
    monkeypatch.undo()
    time.tzset()
    assert tree["start"] == 1790000000.25
    assert tree["start_local"] == "2026-09-21T19:43:20.250+05:30"
    assert tree["peak_local"] == "2026-09-21T19:43:21.000+05:30"
    assert tree["end_local"] is None
    assert "live" not in tree


def test_a_recording_has_no_local_times():
    assert not any(name.endswith("_local") for name in json.loads(EVENT.to_json()))


def test_a_message_of_counts_has_these_entries():
    names = [field.name for field in fields(CountMessage) if field.name != "live"]
    assert names == [
        "source",
        "time",
        "state",
        "frames",
        "scored",
        "dropped",
        "gaps",
        "gap_seconds",
        "events",
        "median",
        "drifted",
        "threshold",
    ]
    assert CountMessage.kind == "count"
