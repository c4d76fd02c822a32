import io
from pathlib import Path

import pytest

from dmad.errors import DmadError
from dmad.watch.settings import SinkSettings
from dmad.watch.sinks import FileSink, StreamSink, open_sinks


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


def test_a_file_on_a_full_disk_can_be_closed():
    sink = FileSink(Path("/dev/full"))
    with pytest.raises(OSError, match="No space left"):
        sink.send("message")
    sink.close()


def test_the_stream_comes_after_all_other_sinks(tmp_path):
    stream = io.StringIO()
    settings = SinkSettings(webhook="http://127.0.0.1:9/in", mqtt="mqtt://127.0.0.1/gate")
    sinks = open_sinks(settings, tmp_path, stream)
    names = [type(sink).__name__ for sink in sinks]
    for sink in sinks:
        sink.close()
    assert names == ["Outbox", "Outbox", "FileSink", "StreamSink"]
    assert {path.name for path in (tmp_path / "spool").glob("*.jsonl")} == {
        "webhook.jsonl",
        "mqtt.jsonl",
    }


def test_without_settings_there_is_the_stream_alone():
    (sink,) = open_sinks(SinkSettings(), None, io.StringIO())
    assert isinstance(sink, StreamSink)


def test_wrong_addresses_are_refused_before_a_spool_is_opened(tmp_path):
    settings = SinkSettings(webhook="http://host/in", mqtt="host", spool=tmp_path / "spool")
    with pytest.raises(DmadError, match="is no MQTT address"):
        open_sinks(settings, None, io.StringIO())
    assert not (tmp_path / "spool").exists()
