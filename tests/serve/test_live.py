import io
import time

import numpy as np
import pytest
from PIL import Image

from dmad.data.reading.source_frames import SourceFrame
from dmad.inference.streaming import Stream
from dmad.serve import live
from dmad.serve.live import LiveView


@pytest.fixture
def frames(frames_of):
    """Frames of a camera, the last one with a checkerboard."""
    images = frames_of(3, 8).copy()
    images[-1, 20:30, 20:30, 0] = 255 * (np.indices((10, 10)).sum(0) % 2)
    return [SourceFrame(image, np.repeat(image, 3, 2), 1e9 + i) for i, image in enumerate(images)]


@pytest.fixture
def view(video_model, frames):
    """A view that has seen all frames."""
    view, stream = LiveView(video_model.detector), Stream(video_model.detector)
    for frame in frames:
        judged = stream.add_frame(frame.image)
        if judged:
            object.__setattr__(judged, "time", frame.time)
        view.add_frame(frame, judged, live=False)
    return view


def opened(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)), int)


def test_the_heat_is_where_the_anomaly_is(view):
    plain, heat = opened(view.jpeg(False)), opened(view.jpeg(True))
    assert plain.shape == heat.shape == (560, 560, 3)
    colour = (heat.max(-1) - heat.min(-1)) - (plain.max(-1) - plain.min(-1))
    assert colour[350:525, 350:525].mean() > 2 * max(1.0, colour[:200, :200].mean())


def test_scores_are_kept_with_their_times(view):
    assert len(view.scores) == 4  # the first four frames have no past
    assert view.score == view.scores[-1][1]
    assert view.scores[-1][1] > view.scores[0][1]
    assert [at for at, _ in view.scores_since(1e9 + 6)] == [1e9 + 6, 1e9 + 7]
    assert not view.latencies  # only of live sources


def test_all_pages_share_a_picture_and_frames_between_are_counted(view, frames, monkeypatch):
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    first = view.jpeg(False)
    assert view.jpeg(False) is first
    for frame in frames[:3]:
        view.add_frame(frame, None, live=False)
    assert view.jpeg(False) is first  # too early for another
    skipped = view.skipped
    now += 1.01 * live.PERIOD  # a little more, because the sum is rounded
    assert view.jpeg(False) is not first
    assert view.skipped == skipped + 2


def test_a_view_knows_for_how_long_there_was_no_score(view, frames, monkeypatch):
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    judged = view._newest[1]
    now += 50
    assert view.seconds_without_score > 49
    view.add_frame(frames[0], None, live=False)
    assert view.seconds_without_score > 49
    view.fault = "no memory"
    view.add_frame(frames[0], judged, live=False)
    assert (view.seconds_without_score, view.fault) == (0, "")


def test_a_view_without_frames_has_no_picture(video_model):
    view = LiveView(video_model.detector)
    assert view.jpeg(True) is None
    assert view.score is None


def test_a_page_gets_the_last_picture_while_the_next_is_drawn(view, frames, monkeypatch):
    assert view.drawn(False) is None
    first = view.jpeg(False)
    assert view.drawn(False) is first
    monkeypatch.setattr(live, "PERIOD", 0.0)
    view.add_frame(frames[0], None, live=False)
    assert view.drawn(False) is None
    with view._lock:  # as while another page draws
        assert view.jpeg(False) is first
    assert view.jpeg(False) is not first
