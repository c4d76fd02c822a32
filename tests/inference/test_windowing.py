from itertools import count

import numpy as np
import pytest

from dmad.data.templates import REFRESH, PastFrames
from dmad.inference.windowing import WindowMaker


def pixels(number: int) -> list[np.ndarray]:
    """Frames of one pixel, whose value is their number."""
    return [np.full((1, 1, 1), k, np.uint8) for k in range(number)]


def values(window) -> list[int]:
    return [int(frame[0, 0, 0]) for frame in window.frames]


def test_a_window_is_a_frame_after_the_frames_before_it():
    windows = list(WindowMaker(2).windows(pixels(5)))
    assert [window.index for window in windows] == [2, 3, 4]
    assert [values(window) for window in windows] == [[0, 1, 2], [1, 2, 3], [2, 3, 4]]
    assert all(window.background is None for window in windows)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_too_few_frames_make_no_window(number):
    assert list(WindowMaker(2).windows(pixels(number))) == []


def test_no_window_reaches_over_a_gap_and_frames_keep_their_number():
    frames = pixels(12)
    broken = [*frames[:5], None, *frames[5:7], None, None, *frames[7:], None]
    windows = list(WindowMaker(2).windows(broken))
    assert [window.index for window in windows] == [2, 3, 4, 9, 10, 11]
    assert values(windows[2]) == [2, 3, 4]
    assert values(windows[3]) == [7, 8, 9]


def test_windows_are_made_as_frames_come():
    taken = []
    endless = (taken.append(k) or np.zeros((1, 1, 1), np.uint8) for k in count())
    next(WindowMaker(4).windows(endless))
    assert len(taken) == 5


def test_a_known_view_has_its_template_in_every_window():
    template = np.zeros((1, 1, 1), np.float32)
    windows = list(WindowMaker(1, template).windows(pixels(4)))
    assert all(window.background is template for window in windows)


def test_the_template_of_an_unknown_view_is_the_median_of_earlier_frames():
    maker = WindowMaker(1, past=PastFrames())
    windows = list(maker.windows(pixels(REFRESH + 3)))
    medians = [127.5 * (window.background.item() + 1) for window in windows]
    assert medians[: REFRESH - 1] == pytest.approx([0] * (REFRESH - 1))
    assert medians[REFRESH - 1 :] == pytest.approx([(REFRESH - 1) / 2] * 3)


def test_a_window_maker_tells_its_present_template():
    assert WindowMaker(1).background is None
    template = np.zeros((1, 1, 1), np.float32)
    assert WindowMaker(1, template).background is template
    maker = WindowMaker(1, past=PastFrames())
    assert maker.background is None  # there was no frame yet
    for frame in pixels(REFRESH):
        window = maker.add_frame(frame)
    assert maker.background.item() > window.background.item()  # it has been refreshed


def test_the_first_single_image_is_its_own_past():
    windows = list(WindowMaker(0, past=PastFrames()).windows(pixels(3)))
    assert [window.background.item() for window in windows] == [-1, -1, -1]
    assert [window.index for window in windows] == [0, 1, 2]


def test_a_restart_keeps_the_template():
    maker = WindowMaker(1, past=PastFrames())
    before = list(maker.windows(pixels(5)))
    maker.restart()
    after = list(maker.windows(pixels(5)))
    assert [window.index for window in after] == [6, 7, 8, 9]
    assert after[0].background is before[0].background


def test_memory_does_not_grow_with_the_number_of_frames():
    past = PastFrames()
    maker = WindowMaker(4, past=past)
    for _ in range(10):
        *_, last = maker.windows(pixels(200))
    assert len(last.frames) == 5
    assert len(past.kept) <= 96
