import numpy as np
import pytest
import torch

from dmad.data.footage import Clip, Footage, footage_from_arrays, thin
from dmad.data.templates import REFRESH, SAMPLES, PastFrames, median_template, templates
from dmad.data.windows import Windows, to_model


def numbered(*lengths: int) -> Footage:
    """Clips whose pixels say which frame of all they are."""
    frames = np.arange(sum(lengths), dtype=np.uint8)[:, None, None, None]
    clips = np.split(np.broadcast_to(frames, (len(frames), 4, 4, 1)), np.cumsum(lengths)[:-1])
    return footage_from_arrays(clips)


def two_scenes(count: int = 6) -> Footage:
    frames = np.concatenate([np.full((count, 4, 4, 1), 0), np.full((count, 4, 4, 1), 255)])
    clips = (Clip("x", "left", 0, count, 0.0), Clip("y", "right", count, count, 0.0))
    return Footage(frames.astype(np.uint8), clips, ())


@pytest.mark.parametrize("history", [0, 1, 4])
def test_windows_never_cross_clips(history):
    footage = numbered(7, 4, 5, 9)
    windows = Windows(footage, history)
    owner = np.repeat(np.arange(4), [7, 4, 5, 9])
    seen = windows[0].frames.shape[1:]
    found = windows.__getitems__(list(range(len(windows)))).frames[:, :, 0, 0, 0].long()
    assert seen == (history + 1, 4, 4, 1)
    assert (found.diff(dim=1) == 1).all()
    assert all(len(set(owner[window])) == 1 for window in found.numpy())
    assert len(found) == sum(max(length - history, 0) for length in (7, 4, 5, 9))


def test_windows_know_their_scene():
    windows = Windows(two_scenes(), 4, ("left", "right"))
    batch = windows.__getitems__([0, len(windows) - 1])
    assert batch.scene.tolist() == [0, 1]
    assert batch.frames[:, 0, 0, 0, 0].tolist() == [0, 255]


def test_limit_spreads_evenly():
    assert thin(np.arange(100), 3).tolist() == [0, 50, 99]
    assert thin(np.arange(3), 0).tolist() == thin(np.arange(3), 9).tolist() == [0, 1, 2]
    assert len(Windows(numbered(20), 4, limit=5)) == 5


def test_to_model_splits_past_and_target():
    frames = torch.tensor([0, 51, 102, 153, 255], dtype=torch.uint8)
    window = frames[None, :, None, None, None].expand(2, 5, 6, 8, 3)
    x, target = to_model(window)
    assert x.shape == (2, 12, 6, 8)
    assert target.shape == (2, 3, 6, 8)
    assert x.dtype == target.dtype == torch.float32
    torch.testing.assert_close(x[0, ::3, 0, 0], torch.tensor([-1.0, -0.6, -0.2, 0.2]))
    assert (target == 1).all()


def test_to_model_of_images_gives_the_image_twice():
    x, target = to_model(torch.randint(256, (2, 1, 6, 8, 3), dtype=torch.uint8))
    assert torch.equal(x, target)
    assert x.shape == (2, 3, 6, 8)


def test_templates_are_each_scenes_own_median():
    found = templates(two_scenes(), ("left", "right"))
    assert found.shape == (2, 1, 4, 4)
    assert (found[0] == -1).all()
    assert (found[1] == 1).all()


def test_a_passer_by_is_not_in_the_template():
    frames = np.full((9, 4, 4, 1), 51, np.uint8)
    frames[3:6, 1:3, 1:3] = 255
    np.testing.assert_allclose(median_template(frames), -0.6, rtol=1e-6)


def test_past_template_is_the_median_of_what_was_pushed_up_to_the_last_refresh():
    frames = np.random.default_rng(0).integers(0, 256, (2 * REFRESH, 4, 4, 1), np.uint8)
    past = PastFrames()
    past.push_all(frames[:4])
    first = past.median()
    np.testing.assert_allclose(first, median_template(frames[:4]))
    past.push_all(frames[4 : REFRESH - 1])
    assert past.until_refresh == 1
    assert (past.median() == first).all()
    past.push(frames[REFRESH - 1])
    assert past.until_refresh == REFRESH
    np.testing.assert_allclose(past.median(), median_template(frames[:REFRESH]))


def test_past_template_keeps_its_own_copy():
    past, frame = PastFrames(), np.zeros((4, 4, 1), np.uint8)
    past.push(frame)
    frame[:] = 255
    assert (past.median() == -1).all()


def test_past_template_has_constant_memory_and_covers_all_of_the_past():
    past = PastFrames()
    count = 20 * SAMPLES
    for index in range(count):
        past.push(np.full((1, 1, 1), index * 255 // count, np.uint8))
        assert len(past.kept) <= SAMPLES
    kept = np.array([int(frame[0, 0, 0]) for frame in past.kept])
    assert kept[0] == 0
    assert kept[-1] > 245
    assert np.diff(kept).max() <= 2 * np.diff(kept).mean() + 1
