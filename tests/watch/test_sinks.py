import io
import json

import pytest

from dmad.errors import DmadError
from dmad.watch.settings import SinkSettings
from dmad.watch.sinks import FileSink, StreamSink, cut_partial_line, open_sinks


def test_a_stream_gets_a_line_for_each_message_and_stays_open():
    stream = io.StringIO()
    sink = StreamSink(stream)
    sink.send("a")
    sink.send("b")
    sink.close()
    assert stream.getvalue() == "a\nb\n"


def test_a_file_is_appended_to(tmp_path):
    path = tmp_path / "out" / "events.jsonl"
    for message in ("a", "b"):
        sink = FileSink(path)
        sink.send(message)
        sink.close()
    assert path.read_text() == "a\nb\n"


def test_a_file_is_continued_after_its_last_whole_line(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_text('{"n": 0}\n{"n": 1')  # the machine stopped while it was written
    sink = FileSink(path)
    sink.send('{"n": 2}')
    sink.close()
    assert path.read_text() == '{"n": 0}\n{"n": 2}\n'


def test_messages_of_a_full_disk_are_written_when_there_is_space(tmp_path, at_most):
    sink = FileSink(tmp_path / "events.jsonl")
    sink.send("a")
    with at_most(6):
        for message in ("b" * 10, "c"):
            with pytest.raises(OSError, match=r"events\.jsonl"):
                sink.send(message)
    assert (tmp_path / "events.jsonl").read_text() == "a\n"
    sink.send("d")
    sink.close()
    assert (tmp_path / "events.jsonl").read_text() == f"a\n{'b' * 10}\nc\nd\n"


def test_a_file_on_a_full_disk_can_be_closed(tmp_path, logged, at_most):
    sink = FileSink(tmp_path / "events.jsonl")
    with at_most(0):
        with pytest.raises(OSError, match="too large"):
            sink.send("message")
        sink.close()
    assert "1 messages could not be written" in logged()


def test_an_event_of_a_killed_process_is_ended(tmp_path):
    path = tmp_path / "events.jsonl"
    event = {"kind": "event", "id": "gate-1", "state": "new", "peak": 1.5, "end": None, "clip": "x"}
    path.write_text(json.dumps(event) + "\nno message\n")
    for _ in range(2):
        FileSink(path).close()
    assert path.read_text().splitlines() == [
        json.dumps(event),
        "no message",
        json.dumps({**event, "state": "end", "end": 1.5, "clip": ""}),
    ]


def test_only_the_user_can_read_the_messages(tmp_path):
    FileSink(tmp_path / "events.jsonl").close()
    assert (tmp_path / "events.jsonl").stat().st_mode & 0o777 == 0o600


def test_a_folder_belongs_to_one_process(tmp_path):
    sink = FileSink(tmp_path / "events.jsonl")
    settings = SinkSettings(webhook="http://127.0.0.1:9/in")
    with pytest.raises(DmadError, match="is in use by process"):
        open_sinks(settings, tmp_path, io.StringIO())
    sink.close()
    for sink in open_sinks(settings, tmp_path, io.StringIO()):
        sink.close()


def test_messages_of_an_earlier_version_are_named(tmp_path, logged):
    (tmp_path / "webhook.jsonl").write_text("message\n")
    settings = SinkSettings(webhook="http://127.0.0.1:9/in", spool=tmp_path)
    for sink in open_sinks(settings, None, io.StringIO()):
        sink.close()
    assert "webhook.jsonl holds messages of an earlier version" in logged()


def test_the_stream_comes_after_all_other_sinks(tmp_path):
    stream = io.StringIO()
    settings = SinkSettings(webhook="http://127.0.0.1:9/in", mqtt="mqtt://127.0.0.1/gate")
    sinks = open_sinks(settings, tmp_path, stream)
    names = [type(sink).__name__ for sink in sinks]
    for sink in sinks:
        sink.close()
    assert names == ["Outbox", "Outbox", "FileSink", "EventPage", "StreamSink"]
    assert {path.name for path in (tmp_path / "spool").glob("*.db")} == {"webhook.db", "mqtt.db"}
    assert {"events.jsonl", "index.html"} <= {path.name for path in tmp_path.iterdir()}


def test_without_settings_there_is_the_stream_alone():
    (sink,) = open_sinks(SinkSettings(), None, io.StringIO())
    assert isinstance(sink, StreamSink)


def test_wrong_addresses_are_refused_before_a_spool_is_opened(tmp_path):
    settings = SinkSettings(webhook="http://host/in", mqtt="host", spool=tmp_path / "spool")
    with pytest.raises(DmadError, match="is no MQTT address"):
        open_sinks(settings, None, io.StringIO())
    assert not (tmp_path / "spool").exists()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", b""),
        (b"whole\n", b"whole\n"),
        (b"whole\npart", b"whole\n"),
        (b"part", b""),
        (b"whole\n" + b"x" * 200_000, b"whole\n"),
    ],
)
def test_a_partial_last_line_is_cut_off(tmp_path, content, expected):
    path = tmp_path / "lines"
    path.write_bytes(content)
    cut_partial_line(path)
    assert path.read_bytes() == expected


def test_a_missing_file_has_no_partial_line(tmp_path):
    cut_partial_line(tmp_path / "missing")
    assert not (tmp_path / "missing").exists()
