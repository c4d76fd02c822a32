import subprocess
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest
from waiting import until

from dmad.calibration.normal_places import NOWHERE
from dmad.errors import DmadError
from dmad.serve import event_film
from dmad.serve.event_film import Turns, maps_of_film, places_of_event
from dmad.watch.camera_worker import CameraWorker
from dmad.watch.cameras import Camera
from dmad.watch.settings import WatchSettings
from dmad.watch.watch import WatchLoop


@pytest.fixture
def watch():
    """A watch without cameras, which runs."""
    loop = WatchLoop(threading.Event(), endless=True)
    thread = threading.Thread(target=loop.run)
    thread.start()
    yield Turns(loop, threading.Event())
    loop.stop()
    thread.join(10)


@pytest.fixture
def worker(video_model, clip, tmp_path):
    """The worker of a camera."""
    made = CameraWorker(
        video_model.detector,
        Camera(str(clip())),
        lambda _: None,
        WatchSettings(),
        threading.Event(),
    )
    yield made
    made.close()


def test_the_film_is_scored_in_the_thread_of_the_watch(watch, worker, clip, monkeypatch):
    threads = set()
    backend = worker.detector.backend

    def noting(*inputs):
        threads.add(threading.current_thread())
        return backend(*inputs)

    noting.templates = backend.templates
    monkeypatch.setattr(worker.detector, "backend", noting)
    film = clip("film")
    maps = maps_of_film(film, worker, watch)
    assert threading.current_thread() not in threads
    assert len(threads) == 1
    assert worker.detector.backend is noting  # that of the camera stays
    scores = [score for batch in maps.clips[0] for score in batch.raw]
    np.testing.assert_allclose(scores, worker.detector(film).raw[4:], rtol=1e-4)


def test_the_places_are_those_of_the_event_and_another_place_stays(watch, worker, clip):
    calibration = worker.calibration
    maps = maps_of_film(clip("film"), worker, watch)
    score = maps.alarm_level(calibration)
    places = places_of_event(maps, score, calibration)
    weights = places.weights()  # the checkerboard is at 20 to 30 of 32
    assert weights[22:28, 22:28].max() < weights[:6, :6].min()
    changed = replace(calibration, places=places)
    assert maps.alarm_level(changed) < calibration.threshold
    assert places_of_event(maps, score, changed) == places  # silent already


def test_a_film_that_is_weaker_than_its_event_shows_no_places(watch, worker, clip):
    calm = maps_of_film(clip("calm", odd=()), worker, watch)
    calibration = worker.calibration
    with pytest.raises(DmadError, match=r"lower scores than the event had.*raise the threshold"):
        places_of_event(calm, 2 * calibration.threshold, calibration)
    below = 0.5 * calibration.threshold  # the threshold has risen since
    assert places_of_event(calm, below, calibration) == NOWHERE


def test_places_that_cannot_silence_the_film_are_refused(watch, worker, clip, monkeypatch):
    maps = maps_of_film(clip("film"), worker, watch)
    monkeypatch.setattr("dmad.forms.video.feedback.TRIES", 0)
    with pytest.raises(DmadError, match="hardly count; raise the threshold instead, or exclude"):
        places_of_event(maps, 99.0, worker.calibration)


def test_a_film_with_too_few_pictures_is_refused(watch, worker, write_clip, tmp_path):
    with pytest.raises(DmadError, match="has only 3 pictures, too few"):
        maps_of_film(write_clip(tmp_path / "short", 3, 3), worker, watch)


def test_a_film_is_not_scored_against_a_background_that_is_not_known_yet(watch, video_model, clip):
    """The view was not in the training, and the camera has not shown a frame since the start."""
    worker = CameraWorker(
        video_model.detector,
        Camera(str(clip()), scene="yard"),
        lambda _: None,
        WatchSettings(),
        threading.Event(),
    )
    film = clip("film")
    with pytest.raises(DmadError, match="has shown no picture since the start; try it again"):
        maps_of_film(film, worker, watch)
    worker.stream.add_frame(np.zeros((32, 32, 1), np.uint8))
    assert maps_of_film(film, worker, watch).clips[0]
    worker.close()


def test_a_watch_that_stops_or_does_not_answer_ends_the_work(watch, monkeypatch):
    busy = Turns(WatchLoop(threading.Event()), threading.Event())  # it does not run
    monkeypatch.setattr(event_film, "TURN", 0.01)
    with pytest.raises(DmadError, match="try it again later"):
        busy.take(lambda: 1)
    assert until(lambda: watch.take(lambda: 1)) == 1
    watch.stopping.set()
    with pytest.raises(DmadError, match="the console stops"):
        watch.take(lambda: 1)


WITHOUT_TORCH = """
import sys, threading

class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "torchvision", "lightning"):
            raise ImportError(f"{name} is not installed")

sys.meta_path.insert(0, NoTorch())
from pathlib import Path

from dmad.api import load
from dmad.serve.event_film import Turns, maps_of_film, places_of_event
from dmad.watch.camera_worker import CameraWorker
from dmad.watch.cameras import Camera
from dmad.watch.settings import WatchSettings
from dmad.watch.watch import WatchLoop

model, film = sys.argv[1:]
loop = WatchLoop(threading.Event(), endless=True)
worker = CameraWorker(
    load(model), Camera(film), lambda _: None, WatchSettings(), threading.Event()
)
threading.Thread(target=loop.run, daemon=True).start()
try:
    maps = maps_of_film(Path(film), worker, Turns(loop, threading.Event()))
    print(places_of_event(maps, 1e9, worker.calibration).weights().min() < 1)
finally:
    worker.close()
    loop.stop()
"""


def test_an_exported_model_finds_the_places_without_torch(exports, clip):
    command = [sys.executable, "-c", WITHOUT_TORCH, str(exports[0]), str(clip())]
    process = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert process.stdout.strip() == "True", process.stderr
