import logging
import sys
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from dmad.data.reading.frame_format import FrameFormat
from dmad.data.reading.source_frames import Source, SourceFrame
from dmad.drawing.video_writer import VideoWriter
from dmad.errors import DmadError
from dmad.watch.camera_worker import CameraWorker
from dmad.watch.cameras import Camera
from dmad.watch.messages import CountMessage, EventMessage, HealthMessage, Message
from dmad.watch.settings import WatchSettings


@pytest.fixture
def make_worker(detector):
    """Makes a worker and the list of the messages that it sends."""
    workers = []

    def make(camera: Camera, **settings) -> tuple[CameraWorker, list[Message]]:
        messages: list[Message] = []
        worker = CameraWorker(
            detector, camera, messages.append, WatchSettings(**settings), threading.Event()
        )
        workers.append(worker)
        return worker, messages

    yield make
    for worker in workers:
        worker.source.close()


class ListSource(Source):
    """A live source that gives frames from a list. None: no frame comes at that time."""

    live = True

    def __init__(self, frames: list[SourceFrame | None], outages: list[str] | None = None):
        super().__init__(FrameFormat(32, 1), 10)
        self._frames, self._outages = iter(frames), iter(outages or [])

    def next_frame(self) -> SourceFrame | None:
        frame = next(self._frames, "end")
        self.outage = next(self._outages, "")
        if frame == "end":
            self.done = True
            return None
        return frame


def source_frames(images: np.ndarray, start: float = 1e9) -> list[SourceFrame]:
    return [
        SourceFrame(image, np.repeat(image, 3, 2), start + index / 10)
        for index, image in enumerate(images)
    ]


def run(worker: CameraWorker) -> None:
    """Do what `watch` does for one camera, until its end."""
    while not worker.source.done:
        frame = worker.next_frame()
        if frame is None:
            continue
        if worker.check_frame(frame):
            judged = worker.stream.add_frame(frame.image)
            if judged:
                worker.add_result(replace(judged, time=frame.time))
        worker.add_picture(frame)
    worker.close()


def of_kind(messages: list[Message], kind: type) -> list:
    return [message for message in messages if isinstance(message, kind)]


def test_a_camera_without_a_threshold_is_refused(detector, clip):
    without = detector.with_calibration(None)
    with pytest.raises(DmadError, match="no threshold for gate"):
        CameraWorker(without, Camera(str(clip())), print, WatchSettings(), threading.Event())


def test_frames_scores_and_events_are_counted(make_worker, clip):
    worker, messages = make_worker(Camera(str(clip())))
    run(worker)
    (count,) = of_kind(messages, CountMessage)
    assert (count.source, count.frames, count.scored, count.events) == ("gate", 40, 36, 1)
    assert (count.dropped, count.gaps, count.state) == (0, 0, "ok")
    assert worker.events == 1


def test_counts_are_sent_again_after_some_seconds(make_worker, clip):
    worker, messages = make_worker(Camera(str(clip(odd=()))), every=1e-9)
    run(worker)
    counts = of_kind(messages, CountMessage)
    assert len(counts) > 30
    assert counts[-1].drifted is None  # a few seconds are too few to tell


def test_an_outage_at_the_start_is_reported_with_its_reason(make_worker):
    """Even if the camera was never there; the time is then that of the day."""
    worker, messages = make_worker(Camera("tcp://127.0.0.1:1", "gate"))
    worker.source.close()
    reasons = ["connecting", "connecting", "refused", "refused"]
    worker.source = ListSource([None] * 4, reasons)
    run(worker)
    (lost,) = of_kind(messages, HealthMessage)
    assert (lost.state, lost.why, lost.live) == ("lost", "refused", True)
    assert abs(lost.time - time.time()) < 60


def test_a_live_source_that_connects_is_not_lost(make_worker, frames_of):
    worker, messages = make_worker(Camera("tcp://127.0.0.1:1", "gate"), every=1e-9)
    worker.source.close()
    frames = [None, None, *source_frames(frames_of(3, 8))]
    worker.source = ListSource(frames, ["connecting", "connecting"])
    run(worker)
    assert of_kind(messages, HealthMessage) == []
    states = [count.state for count in of_kind(messages, CountMessage)]
    assert states[:2] == ["connecting", "connecting"]
    assert states[-1] == "ok"


def test_a_person_at_a_terminal_gets_a_line_with_each_count(make_worker, clip, monkeypatch, caplog):
    caplog.set_level(logging.INFO, "dmad")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    camera = Camera(str(clip()))
    worker, _ = make_worker(camera)
    run(worker)
    assert "gate: ok, 40 frames, 36 scored, 1 event" in caplog.messages
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False)
    caplog.clear()
    worker, _ = make_worker(camera)
    run(worker)
    assert not any("40 frames" in line for line in caplog.messages)


def test_no_event_continues_over_a_gap(make_worker, frames_of):
    images = frames_of(3, 40).copy()
    images[10:30, 20:30, 20:30, 0] = 255 * (np.indices((10, 10)).sum(0) % 2)
    frames = source_frames(images)
    moved = [replace(frame, time=frame.time + 60) for frame in frames[20:]]
    moved[0] = replace(moved[0], gap=60.0)
    worker, messages = make_worker(Camera("tcp://127.0.0.1:1", "gate"))
    worker.source.close()
    worker.source = ListSource([*frames[:20], *moved])
    run(worker)
    (back,) = of_kind(messages, HealthMessage)
    assert (back.state, back.gap, back.scoring) == ("back", 60.0, True)
    states = [message.state for message in of_kind(messages, EventMessage)]
    assert [state for state in states if state != "update"] == ["new", "end", "new", "end"]
    (count,) = of_kind(messages, CountMessage)
    assert count.scored == 32  # four frames before each first score


def test_scoring_pauses_while_the_camera_is_black(make_worker, frames_of, tmp_path):
    noise = np.random.default_rng(5)
    with VideoWriter(tmp_path / "dark.mp4", 10) as film:
        for index, image in enumerate(frames_of(3, 60)):
            is_dark = 20 <= index < 40
            film.write(noise.integers(0, 5, image.shape, np.uint8) if is_dark else image)
    worker, messages = make_worker(Camera(str(tmp_path / "dark.mp4")))
    run(worker)
    health = of_kind(messages, HealthMessage)
    assert [message.state for message in health] == ["black", "ok"]
    assert [message.scoring for message in health] == [False, True]
    assert health[0].time == pytest.approx(3.0)
    assert of_kind(messages, CountMessage)[0].scored < 40
    assert worker.events == 0


def test_a_camera_that_stays_black_is_the_reason_for_no_scores(make_worker, logged):
    images = np.random.default_rng(5).integers(0, 5, (30, 32, 32, 1), np.uint8)
    worker, _ = make_worker(Camera("tcp://127.0.0.1:1", "gate"))
    worker.source.close()
    worker.source = ListSource(source_frames(images))
    run(worker)
    assert "none of 30 frames was scored: the last state of the camera was 'black'" in logged()


def test_an_unreadable_recording_is_reported(make_worker, tmp_path):
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    worker, messages = make_worker(Camera(str(tmp_path / "bad.mp4")))
    run(worker)
    (health,) = of_kind(messages, HealthMessage)
    assert (health.source, health.state, health.scoring) == ("bad", "unreadable", False)
    assert "is not a readable video" in worker.problem


def test_a_machine_that_is_too_slow_is_warned_about(make_worker, clip, logged):
    worker, _ = make_worker(Camera(str(clip())))
    worker.source.dropped = 10
    run(worker)
    assert "gate: this machine is too slow: it used 40 of 50 frames" in logged()


def test_another_frame_rate_is_warned_about(make_worker, frames_of, tmp_path, logged):
    with VideoWriter(tmp_path / "slow.mp4", 4) as film:
        for frame in frames_of(3, 12):
            film.write(frame)
    worker, _ = make_worker(Camera(str(tmp_path / "slow.mp4")))
    run(worker)
    expected = "slow: the threshold was set on footage with 10 frames per second, and this "
    expected += "footage has 4"
    assert expected in logged()


def test_a_view_without_a_threshold_of_its_own_is_warned_about(make_worker, clip, logged):
    make_worker(Camera(str(clip()), scene="elsewhere"))
    assert "gate: the threshold was not set on view 'elsewhere'" in logged()


def test_a_higher_threshold_is_used_from_the_next_frame_on(make_worker, clip, calibration_of):
    worker, messages = make_worker(Camera(str(clip())))
    worker.use_threshold(calibration_of(1e6))
    run(worker)
    assert of_kind(messages, EventMessage) == []
    assert of_kind(messages, CountMessage)[0].threshold == 1e6
    assert worker.calibration.threshold == 1e6


def test_a_calibration_with_other_scores_is_refused_while_watching(
    make_worker, clip, calibration_of
):
    worker, _ = make_worker(Camera(str(clip())))
    with pytest.raises(DmadError, match="other scores"):
        worker.use_threshold(calibration_of(1.0, window=5))
