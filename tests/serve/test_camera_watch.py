import json
import re
import time
from dataclasses import replace

import numpy as np
import pytest
from mjpeg import FakeCamera, jpeg_of, with_board
from sinks import ListSink
from waiting import until

from dmad.calibration.normal_places import NOWHERE, SIDE, NormalPlaces
from dmad.data.zones import Zone
from dmad.errors import DmadError
from dmad.inference.detector import Detector
from dmad.serve.camera_rows import CameraRows
from dmad.serve.camera_watch import (
    CameraParts,
    CameraWatch,
    problem_of,
    recent_scores,
    status_of,
)
from dmad.serve.event_film import maps_of_film
from dmad.serve.event_rows import EventFilter, EventRows
from dmad.serve.hub import Hub
from dmad.serve.inspection import BusyError
from dmad.watch.cameras import Camera


@pytest.fixture
def parts(store, tmp_path):
    return CameraParts(CameraRows(store), EventRows(store), Hub(), tmp_path / "console")


@pytest.fixture
def start(video_model, parts):
    """Starts a watch of cameras, which is stopped at the end."""
    watches = []

    def make(*cameras, sinks=()) -> CameraWatch:
        watches.append(CameraWatch([video_model], parts, sinks))
        watches[-1].start(cameras)
        return watches[-1]

    yield make
    for watch in watches:
        watch.stop()


def is_done(watch, number=1):
    return watch.get(number).worker.source.done


def test_events_are_stored_with_film_picture_and_scores(start, parts, clip):
    sink = ListSink()
    watch = start(Camera(str(clip())), sinks=[sink])
    until(lambda: is_done(watch))
    watch.stop()
    (event,) = parts.events.find(EventFilter())
    assert (event["camera"], event["state"]) == ("gate", "end")
    assert 1.9 <= event["start"] <= 2.1
    assert (parts.folder / "clips" / event["film"]).stat().st_size > 0
    assert (parts.folder / "thumbnails" / event["thumbnail"]).is_file()
    times = [at for at, _ in event["scores"]]
    assert times[0] < event["start"] < times[-1]
    assert sink.closed
    states = [message["state"] for message in sink.messages if message["kind"] == "event"]
    assert (states[0], states[-1]) == ("new", "end")


def test_the_state_of_a_camera_is_ready_for_a_page(start, clip):
    watch = start(Camera(str(clip())))
    until(lambda: is_done(watch))
    (status,) = watch.status()
    assert (status["name"], status["state"], status["frames"]) == ("gate", "ended", 40)
    assert status["threshold"] == pytest.approx(watch.get(1).worker.calibration.threshold, abs=1e-3)
    assert json.dumps(status)
    assert len(recent_scores(watch.get(1))) == 36
    assert abs(recent_scores(watch.get(1))[-1][0] - time.time()) < 60


def test_a_normal_event_raises_the_threshold_of_a_camera_that_goes_on(start, parts, frames_of):
    """Each time the checkerboard appears, there is an event, until then."""
    camera = odd_camera(frames_of)
    watch = start()
    watched = watch.add(Camera(camera.url, "gate"))
    watched.threshold.choose(0.6)  # usual frames have 0.43, and the checkerboard 0.74
    watch.apply_threshold(watched)
    event = until(lambda: parts.events.find(EventFilter(mark="open")))[0]
    frames = watched.worker.frames
    worker, old = watched.worker, watched.worker.calibration.threshold
    until(lambda: parts.events.get(event["number"])["state"] == "end")
    score = parts.events.get(event["number"])["score"]
    change = watch.silence(watched, score, force=True)
    assert (change.old, change.new > score) == (old, True)
    assert watched.worker is worker
    assert worker.calibration.threshold == change.new
    until(lambda: worker.frames > frames + 10)
    camera.close()


def odd_camera(frames_of) -> FakeCamera:
    """A camera that loops: its picture has a checkerboard in 6 of 30 frames."""
    images = frames_of(3, 30)
    images = np.concatenate([images[:20], with_board(images[20:26]), images[26:]])
    return FakeCamera([jpeg_of(image) for image in images], 10)


def test_a_camera_goes_on_while_it_becomes_less_sensitive_at_a_place(start, parts, frames_of):
    camera = odd_camera(frames_of)
    watch = start()
    watched = watch.add(Camera(camera.url, "gate"))
    watched.threshold.choose(0.6)  # usual frames have 0.43, and the checkerboard 0.74
    watch.apply_threshold(watched)
    worker = watched.worker
    number = until(lambda: parts.events.find(EventFilter(mark="open")))[0]["number"]
    until(lambda: parts.events.get(number)["state"] == "end")
    event = parts.events.get(number)
    film = parts.folder / "clips" / event["film"]
    until(film.is_file)
    frames = worker.frames
    change = watch.silence_here(watched, film, event["score"], force=True)
    assert watched.worker is worker
    assert change.new == change.old == worker.calibration.threshold
    assert worker.stream.places == change.after.places != change.before.places
    until(lambda: not parts.events.find(EventFilter(mark="open")))
    count = parts.events.count(EventFilter())
    frames = worker.frames
    until(lambda: worker.frames > frames + 70)  # the checkerboard comes twice in this time
    assert parts.events.count(EventFilter()) == count
    camera.close()


def test_a_film_is_refused_at_once_while_that_of_another_event_is_scored(start, clip):
    watch = start(Camera(str(clip())))
    begin = time.monotonic()
    with watch._film, pytest.raises(BusyError, match="another event is being scored"):
        watch.silence_here(watch.get(1), clip("film"), 9.0)
    assert time.monotonic() - begin < 20  # a request that waits holds one of the server's threads


def test_a_camera_that_was_changed_while_a_film_was_scored_is_not_changed_again(start, clip):
    watch = start(Camera(str(clip())))
    until(lambda: is_done(watch))
    watched = watch.get(1)
    watch.change(1, watched.stored.camera)
    with pytest.raises(DmadError, match="gate was changed meanwhile"):
        watch.silence_here(watched, clip("film"), 9.0)
    assert not watched.threshold.can_undo


def test_a_confirmed_change_needs_no_second_scoring_of_the_film(start, clip, monkeypatch):
    scored = []

    def counted(film, *others):
        scored.append(film)
        return maps_of_film(film, *others)

    monkeypatch.setattr("dmad.serve.camera_watch.maps_of_film", counted)
    watch = start(Camera(str(clip())))
    until(lambda: is_done(watch))
    watched, film = watch.get(1), clip("film")
    with pytest.raises(DmadError, match="times stronger"):
        watch.silence_here(watched, film, 9.0)
    with watch._film:  # no film needs to be scored, so a film that is being scored is no obstacle
        change = watch.silence_here(watched, film, 9.0, force=True)
    assert scored == [film]
    assert watched.worker.stream.places == change.after.places != NOWHERE
    watched.threshold.choose(0.9 * change.new)  # places for another threshold are not known
    watch.silence_here(watched, film, 9.0, force=True)
    assert scored == [film, film]


def test_a_confirmed_change_gives_the_places_of_the_film(start, clip):
    watch = start(Camera(str(clip())))
    until(lambda: is_done(watch))
    watched, film = watch.get(1), clip("film")
    at_once = watch.silence_here(watched, film, 9.0, force=True)
    watched.threshold.undo()
    watched.places_of_film = None
    with pytest.raises(DmadError, match="times stronger"):
        watch.silence_here(watched, film, 9.0)
    assert watch.silence_here(watched, film, 9.0, force=True) == at_once


def test_a_film_of_a_camera_that_is_not_watched_cannot_be_scored(start, clip, tmp_path):
    watch = start(Camera(str(tmp_path / "none.mp4"), "none"))
    with pytest.raises(DmadError, match="none is not watched now"):
        watch.silence_here(watch.get(1), clip(), 9.0)


def test_a_camera_is_added_changed_and_removed(start, parts, clip):
    watch = start()
    added = watch.add(Camera(str(clip("a", odd=())), "a"))
    until(lambda: is_done(watch, added.stored.number))
    zone = Zone(exclude=(((0.5, 0.5), (1.0, 0.5), (1.0, 1.0)),))
    changed = watch.change(added.stored.number, Camera(str(clip("b")), "b", zone=zone))
    until(lambda: is_done(watch, changed.stored.number))
    assert watch.named("b").worker.stream.zone == zone
    assert watch.named("a") is None
    watch.remove(changed.stored.number)
    assert watch.all() == []
    assert parts.rows.all() == []
    with pytest.raises(DmadError, match="there is no camera 9"):
        watch.remove(9)


@pytest.mark.parametrize(
    ("change", "kept"),
    [({"scene": "yard"}, False), ({"source": "other"}, False), ({"name": "b", "fps": 5.0}, True)],
)
def test_less_sensitive_places_end_with_the_picture_that_they_belong_to(start, clip, change, kept):
    watch = start(Camera(str(clip()), "gate"))
    until(lambda: is_done(watch))
    watched = watch.get(1)
    weights = np.ones((SIDE, SIDE))
    weights[0] = 0.5
    places = NormalPlaces.from_weights(weights)
    watched.threshold.use_places(lambda _: places)
    watch.apply_threshold(watched)
    if "source" in change:
        change = {"source": str(clip("other"))}
    changed = watch.change(1, replace(watched.stored.camera, **change))
    assert changed.worker.stream.places == (places if kept else NOWHERE)
    assert changed.threshold.calibration.places == (places if kept else NOWHERE)
    assert changed.notice == "" if kept else "fully sensitive again" in changed.notice
    undone = changed.threshold.undo()
    assert undone.after.threshold == watched.worker.calibration.threshold
    assert not undone.after.places
    assert undone.places_left_out != kept


def test_places_of_an_old_picture_do_not_come_back_with_an_earlier_threshold(start, clip):
    watch = start(Camera(str(clip()), "gate"))
    watched = watch.get(1)
    weights = np.ones((SIDE, SIDE))
    weights[0] = 0.5
    watched.threshold.use_places(lambda _: NormalPlaces.from_weights(weights))
    watched.threshold.choose(7.0)
    watched.threshold.choose(8.0)
    changed = watch.change(1, replace(watched.stored.camera, scene="yard")).threshold
    assert changed.undo().places_left_out
    for threshold, left_out in ((7.0, True), (watched.worker.calibration.threshold, True)):
        undone = changed.undo()
        assert (undone.new, undone.places_left_out) == (threshold, left_out)
        assert changed.calibration.places == NOWHERE
    assert not changed.undo().places_left_out  # before the first place, none was less sensitive
    assert not changed.can_undo


def test_a_zone_keeps_an_event_silent(start, parts, clip):
    corner = Zone(exclude=(((0.5, 0.5), (1.0, 0.5), (1.0, 1.0), (0.5, 1.0)),))
    watch = start(Camera(str(clip()), "gate", zone=corner))
    until(lambda: is_done(watch))
    watch.stop()
    assert parts.events.count(EventFilter()) == 0


def test_a_camera_that_cannot_be_opened_says_why_and_the_others_go_on(start, clip, tmp_path):
    watch = start(Camera(str(tmp_path / "none.mp4"), "none"), Camera(str(clip()), "gate"))
    until(lambda: is_done(watch, 2))
    status = status_of(watch.get(1), {})
    assert (status["state"], "does not exist" in status["problem"]) == ("unwatched", True)


def test_cameras_are_watched_again_after_a_restart_with_their_thresholds(start, clip):
    camera = Camera(str(clip()))
    watch = start(camera)
    watch.get(1).threshold.choose(123.0)
    watch.stop()
    again = start(camera)
    assert len(again.all()) == 1
    assert again.get(1).worker.calibration.threshold == 123.0


def test_a_threshold_file_of_the_yaml_file_is_where_the_camera_starts(
    start, clip, calibration_of, tmp_path
):
    (tmp_path / "gate.json").write_text(json.dumps(calibration_of(55.0).to_dict()))
    watch = start(Camera(str(clip()), calibration=tmp_path / "gate.json"))
    assert watch.get(1).worker.calibration.threshold == 55.0


def test_cameras_without_a_model_for_video_are_refused(parts, clip):
    watch = CameraWatch([], parts)
    with pytest.raises(DmadError, match="need a model for video"):
        watch.start([Camera(str(clip()))])
    with pytest.raises(DmadError, match="need a model for video"):
        watch.add(Camera("rtsp://host/a"))


def test_an_unknown_model_is_refused(start):
    with pytest.raises(DmadError, match="no model 'other'; known: tiny"):
        start().add(Camera("rtsp://host/a"), "other")


def test_a_failure_of_the_loop_is_logged_and_the_watch_goes_on(start, clip, monkeypatch, logged):
    watch = start()
    monkeypatch.setattr("dmad.serve.camera_watch.AFTER_FAULT", 0.01)
    (loop,) = watch._loops.values()
    calls = []
    real = loop._do_tasks

    def fail_once():
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("bad luck")
        real()

    monkeypatch.setattr(loop, "_do_tasks", fail_once)
    watched = watch.add(Camera(str(clip("calm", odd=())), "calm"))
    until(lambda: watched.worker.source.done)
    assert "the watch has failed, and continues" in logged()


def test_a_camera_whose_frames_get_no_score_says_why(start, frames_of, monkeypatch):
    """The model fails for some time."""
    camera = FakeCamera([jpeg_of(image) for image in frames_of(3, 30)], 10)
    monkeypatch.setattr("dmad.serve.camera_watch.UNJUDGED", 0.0)
    monkeypatch.setattr("dmad.serve.camera_watch.AFTER_FAULT", 0.01)
    watch = start()
    watched = watch.add(Camera(camera.url, "gate"))
    until(lambda: watched.view.score)

    def fail(*_):
        raise MemoryError("no memory is left")

    with monkeypatch.context() as patch:
        patch.setattr(Detector, "judge_windows", fail)
        status = until(lambda: found_state(watched, "unjudged"))
        assert "no memory is left" in status["problem"]
    status = until(lambda: found_state(watched, "ok"))
    assert status["problem"] == ""
    camera.close()


def found_state(watched, state):
    """The status of a camera, if this is its state."""
    status = status_of(watched, {})
    return status if status["state"] == state else None


@pytest.mark.parametrize(
    ("state", "dropped", "words"),
    [
        ("unjudged", 0, "check that the camera sends"),
        ("unjudged", 99, "This machine is too slow"),
        ("ok", 99, "This machine is too slow"),
        ("ok", 0, "^$"),
        ("black", 99, "^$"),
    ],
)
def test_a_camera_says_what_to_do(start, clip, monkeypatch, state, dropped, words):
    watch = start(Camera(str(clip())))
    until(lambda: is_done(watch))
    watched = watch.get(1)
    monkeypatch.setattr(watched.worker.source, "dropped", dropped)
    monkeypatch.setattr("dmad.serve.camera_watch.FEW_FRAMES", 30)
    assert re.search(words, problem_of(state, watched.worker, watched.view))
