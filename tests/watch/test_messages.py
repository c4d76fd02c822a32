import json
from dataclasses import fields
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
    assert list(tree)[1:] == [field.name for field in fields(EventMessage)]


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


def test_a_message_of_counts_has_these_entries():
    names = [field.name for field in fields(CountMessage)]
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
