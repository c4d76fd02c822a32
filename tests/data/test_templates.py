"""Templates are medians of each view, or of a view's own past."""

import numpy as np

from dmad.data.footage import Clip, Footage
from dmad.data.templates import (
    REFRESH,
    SAMPLES,
    PastFrames,
    median_template,
    template_index,
    templates,
)


def add_all(past: PastFrames, frames: np.ndarray) -> None:
    for frame in frames:
        past.add_frame(frame)


def test_each_view_has_its_own_template():
    frames = np.concatenate([np.full((6, 4, 4, 1), 0), np.full((6, 4, 4, 1), 255)])
    clips = (Clip("x", "left", 0, 6, 0.0), Clip("y", "right", 6, 6, 0.0))
    medians = templates(Footage(frames.astype(np.uint8), clips, ()), ("left", "right"))
    assert medians.shape == (2, 1, 4, 4)
    assert medians.dtype == np.float32
    assert (medians[0] == -1).all()
    assert (medians[1] == 1).all()


def test_a_passer_by_is_not_in_the_template():
    frames = np.full((9, 4, 4, 1), 51, np.uint8)
    frames[3:6, 1:3, 1:3] = 255
    np.testing.assert_allclose(median_template(frames), -0.6, rtol=1e-6)


def test_the_template_from_the_past_is_the_median_up_to_the_last_refresh():
    frames = np.random.default_rng(0).integers(0, 256, (2 * REFRESH, 4, 4, 1), np.uint8)
    past = PastFrames()
    add_all(past, frames[:4])
    first = past.median()
    np.testing.assert_allclose(first, median_template(frames[:4]))
    add_all(past, frames[4 : REFRESH - 1])
    assert past.until_refresh == 1
    assert (past.median() == first).all()
    past.add_frame(frames[REFRESH - 1])
    assert past.until_refresh == REFRESH
    np.testing.assert_allclose(past.median(), median_template(frames[:REFRESH]))


def test_frames_of_the_past_are_copied():
    past, frame = PastFrames(), np.zeros((4, 4, 1), np.uint8)
    past.add_frame(frame)
    frame[:] = 255
    assert (past.median() == -1).all()


def test_the_past_needs_constant_memory_and_is_covered_evenly():
    past = PastFrames()
    count = 20 * SAMPLES
    for index in range(count):
        past.add_frame(np.full((1, 1, 1), index * 255 // count, np.uint8))
        assert len(past.kept) <= SAMPLES
    kept = np.array([int(frame[0, 0, 0]) for frame in past.kept])
    assert kept[0] == 0
    assert kept[-1] > 245
    assert np.diff(kept).max() <= 2 * np.diff(kept).mean() + 1


def test_a_model_of_one_view_has_a_template_for_clips_without_a_view():
    assert template_index("", ("yard",)) == 0
    assert template_index("", ("gate", "yard")) is None
    assert template_index("yard", ("gate", "yard")) == 1
    assert template_index("street", ("yard",)) is None
