import io
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sinks import ListSink

from dmad.api import load
from dmad.calibration.alarms import find_events
from dmad.data.zones import Zone
from dmad.errors import DmadError
from dmad.watch.camera_worker import CameraWorker
from dmad.watch.cameras import Camera
from dmad.watch.settings import WatchSettings
from dmad.watch.sinks import FileSink, StreamSink
from dmad.watch.watch import WatchLoop, watch


def run(detector, *cameras, settings=None):
    sink = ListSink()
    count = watch(detector, cameras, [sink], settings or WatchSettings())
    assert sink.closed
    return count, sink


def test_an_event_gives_messages_a_film_and_a_thumbnail(detector, clip, tmp_path):
    out = tmp_path / "found"
    settings = WatchSettings(out, before=0.5, after=0.5)
    count, sink = run(detector, Camera(str(clip())), settings=settings)
    assert count == 1
    assert {message["source"] for message in sink.messages} == {"gate"}
    states = [message["state"] for message in sink.matching("event")]
    assert (states[0], states[-1]) == ("new", "end")
    (end,) = sink.matching("event", state="end")
    assert 1.9 <= end["start"] <= 2.1
    assert 2.6 <= end["end"] <= 3.1
    left, top, right, bottom = end["box"]
    assert left < 25 / 32 < right
    assert top < 25 / 32 < bottom
    assert end["term"] == "reconstruction"
    assert end["clip"] == str(out / "clips" / f"{end['id']}.mp4")
    assert Path(end["clip"]).stat().st_size > 0
    with Image.open(end["thumbnail"]) as thumbnail:
        assert thumbnail.size == (512, 256)
    (count,) = sink.matching("count")
    assert (count["frames"], count["scored"], count["events"]) == (40, 36, 1)


def test_the_events_are_those_of_the_whole_clip(detector, clip, frames_of):
    _, sink = run(detector, Camera(str(clip())))
    frames = frames_of(3, 40).copy()
    frames[20:27, 20:30, 20:30, 0] = 255 * (np.indices((10, 10)).sum(0) % 2)
    expected = find_events(detector(frames).calibrated, detector.calibration.rule)
    ends = sink.matching("event", state="end")
    assert [end["start"] for end in ends] == pytest.approx([e.start / 10 for e in expected])
    assert [end["score"] for end in ends] == pytest.approx([e.score for e in expected], abs=1e-4)


def test_cameras_are_judged_together_each_with_its_own_settings(detector, clip):
    without_corner = Zone.parse([], "0.5,0.5 1,0.5 1,1 0.5,1")
    path = str(clip())
    count, sink = run(
        detector,
        Camera(path, "all"),
        Camera(path, "without", zone=without_corner),
        Camera(path, "own past", scene="elsewhere"),
        Camera(str(clip("calm", odd=())), "calm"),
    )
    assert "all" in {message["source"] for message in sink.matching("event", state="new")}
    assert not {message["source"] for message in sink.matching("event")} & {"without", "calm"}
    assert len(sink.matching("count")) == 4
    assert count == len(sink.matching("event", state="new"))


def test_an_unreadable_file_does_not_stop_the_others(detector, clip, tmp_path):
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    _, sink = run(detector, Camera(str(tmp_path / "bad.mp4")), Camera(str(clip())))
    (health,) = sink.matching("health", state="unreadable")
    assert health["source"] == "bad"
    assert len(sink.matching("event", state="end")) == 1


def test_unreadable_files_alone_are_refused(detector, tmp_path):
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    with pytest.raises(DmadError, match=r"bad\.mp4 is not a readable video"):
        run(detector, Camera(str(tmp_path / "bad.mp4")))


def test_a_model_of_images_is_refused(trained_images, clip):
    with pytest.raises(DmadError, match="a model for images; use `dmad predict`"):
        run(load(trained_images), Camera(str(clip())))


def test_a_full_disk_does_not_stop_the_watch(detector, clip, tmp_path, logged):
    """Messages and films that cannot be written are warned about once."""
    (tmp_path / "clips").write_text("a file where a folder should be")
    sink, full = ListSink(), FileSink(tmp_path / "full" / "events.jsonl")
    os.dup2(os.open("/dev/full", os.O_WRONLY), full._file)  # each write fails
    count = watch(detector, [Camera(str(clip()))], [full, sink], WatchSettings(out=tmp_path))
    assert count == len(sink.matching("event", state="end")) > 0
    log = logged()
    assert log.count("a message could not be written: No space left on device") == 1
    assert "messages could not be written to" in log
    assert "gate: a film or picture is not written" in log


def test_it_ends_when_nobody_reads_the_messages_any_more(detector, clip):
    class ClosedPipe(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    sink = ListSink()
    with pytest.raises(BrokenPipeError):
        watch(detector, [Camera(str(clip()))], [sink, StreamSink(ClosedPipe())])
    assert sink.closed


def test_watching_needs_no_torch_and_no_other_large_package():
    """So that exported models need little memory. Packages for receivers are loaded if needed."""
    code = (
        "import sys, dmad.api, dmad.watch.watch\n"
        "print({'torch', 'sklearn', 'httpx', 'pandas', 'lightning'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "set()\n"


def test_a_loop_calls_a_function_for_each_frame_with_its_score(detector, clip):
    seen = []
    wake = threading.Event()
    loop = WatchLoop(wake, lambda worker, frame, judged: seen.append((worker.name, frame, judged)))
    worker = CameraWorker(detector, Camera(str(clip())), lambda _: None, WatchSettings(), wake)
    loop.workers.append(worker)
    loop.run()
    worker.close()
    assert {name for name, _, _ in seen} == {"gate"}
    assert [judged is None for _, _, judged in seen] == [True] * 4 + [False] * 36
    assert all(judged.time == frame.time for _, frame, judged in seen[4:])


def test_cameras_come_and_go_while_an_endless_loop_runs(detector, clip):
    wake = threading.Event()
    loop = WatchLoop(wake, endless=True)
    thread = threading.Thread(target=loop.run)
    thread.start()
    try:
        messages = []
        worker = CameraWorker(detector, Camera(str(clip())), messages.append, WatchSettings(), wake)
        loop.call(lambda: loop.workers.append(worker)).result(5)
        loop.call(lambda: loop.workers.remove(worker)).result(5)
        assert loop.workers == []
        with pytest.raises(ValueError, match="not in list"):  # the error is that of the caller
            loop.call(lambda: loop.workers.remove(worker)).result(5)
        worker.close()
    finally:
        loop.stop()
        thread.join(5)
    assert not thread.is_alive()
