"""The alarms of the past, from the files of `predict` and `watch`."""

import json

import pytest

from dmad.calibration.past_events import PastEvent, read_past_events
from dmad.errors import DmadError


def test_the_last_message_of_an_event_counts(tmp_path):
    messages = [
        {"kind": "health", "source": "gate"},
        {"kind": "event", "id": "gate-1", "state": "new", "score": 5.0},
        {"kind": "event", "id": "gate-1", "state": "end", "score": 7.5},
        {"kind": "event", "id": "gate-9", "state": "new", "score": 4.0},
    ]
    (tmp_path / "events.jsonl").write_text("".join(json.dumps(one) + "\n" for one in messages))
    assert read_past_events(tmp_path) == [PastEvent("gate-1", 7.5), PastEvent("gate-9", 4.0)]


def test_events_of_clips_are_named_by_clip_and_start(tmp_path):
    (tmp_path / "yard").mkdir()
    text = "start,end,peak,score,threshold\n12.300,14.000,13.100,8.1,6.4\n"
    (tmp_path / "yard" / "events.csv").write_text(text)
    assert read_past_events(tmp_path) == [PastEvent("yard-12.300", 8.1)]


def test_rejected_images_are_events(tmp_path):
    text = "image,score,threshold,verdict\na.png,3.5,3,anomalous\nb.png,1,3,good\n"
    (tmp_path / "scores.csv").write_text(text)
    assert read_past_events(tmp_path) == [PastEvent("a.png", 3.5)]


def test_a_folder_without_events_is_refused(tmp_path):
    with pytest.raises(DmadError, match=r"holds no events\.jsonl, events\.csv or scores\.csv"):
        read_past_events(tmp_path)


@pytest.mark.parametrize("name", ["events.jsonl", "events.csv"])
def test_a_damaged_file_is_named(name, tmp_path):
    (tmp_path / name).write_text("start,score\n{\n")
    with pytest.raises(DmadError, match=f"{name} is damaged"):
        read_past_events(tmp_path)
