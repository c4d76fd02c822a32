import json

from dmad.watch.open_events import OpenEvents


def line(name, state, **more):
    return json.dumps(
        {"kind": "event", "id": name, "state": state, "peak": 1.0, "clip": "f", **more}
    )


def test_events_without_an_end_are_kept_with_their_last_message():
    events = OpenEvents([line("a", "new"), line("b", "new"), line("a", "end"), line("b", "update")])
    assert events.messages == {"b": line("b", "update")}
    assert [json.loads(end) for end in events.ends()] == [
        {"kind": "event", "id": "b", "state": "end", "peak": 1.0, "clip": "", "end": 1.0}
    ]


def test_other_lines_change_nothing():
    events = OpenEvents()
    count = json.dumps({"kind": "count", "source": "gate"})
    damaged = (line("a", "new")[:-2], '{"kind": "event"}', '["kind": "event"]', '"kind": "event"')
    assert not any(events.add(other) for other in (count, *damaged, "", line("a", "end")))
    assert events.add(line("a", "new"))
    assert events.add(line("a", "end"))
    assert events.ends() == []
