"""Windows stay inside clips, and become the input and target of a model."""

import numpy as np
import pytest
import torch

from dmad.data.crops import MovingCrops
from dmad.data.footage import Clip, Footage, footage_from_arrays
from dmad.data.windows import EpochSampler, Windows, as_is, to_model, window_starts


def numbered(*lengths: int) -> Footage:
    """Clips whose pixels are the index of the frame."""
    frames = np.arange(sum(lengths), dtype=np.uint8)[:, None, None, None]
    clips = np.split(np.broadcast_to(frames, (len(frames), 4, 4, 1)), np.cumsum(lengths)[:-1])
    return footage_from_arrays(clips)


def two_views(count: int = 6) -> Footage:
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


def test_windows_know_their_view():
    windows = Windows(two_views(), 4, ("left", "right"))
    batch = windows.__getitems__([0, len(windows) - 1])
    assert batch.scene.tolist() == [0, 1]
    assert batch.frames[:, 0, 0, 0, 0].tolist() == [0, 255]


def test_a_limit_spreads_windows_evenly():
    windows = Windows(numbered(20), 4, limit=5)
    assert windows.starts.tolist() == [0, 4, 8, 11, 15]


def test_stored_features_come_with_their_windows():
    features = np.arange(6, dtype=np.float32)[:, None, None, None]
    windows = Windows(numbered(6), 0, features=[features])
    batch = as_is(windows.__getitems__([4, 1]))
    assert batch.features[0].flatten().tolist() == [4, 1]


def test_footage_without_clips_has_no_windows():
    assert len(window_starts((), 4)) == 0


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


def test_a_window_of_crops_is_the_same_part_of_all_its_frames() -> None:
    frames = np.random.default_rng(0).integers(0, 255, (9, 32, 32, 1), np.uint8)
    footage = footage_from_arrays([frames])
    windows = Windows(footage, 4, crops=MovingCrops(footage, ("",), 16, 8, seed=0))
    for index in (3, 3 + 2 * len(windows)):  # in epoch 0 and in epoch 2
        batch = windows[index]
        ((x, y),) = batch.corner.tolist()
        expected = frames[3:8, y : y + 16, x : x + 16]
        assert np.array_equal(batch.frames[0], expected)


def test_the_indices_of_the_sampler_contain_the_epoch() -> None:
    windows = Windows(numbered(9), 4)
    sampler = EpochSampler(windows, num_replicas=1, rank=0)
    sampler.set_epoch(2)
    indices = list(sampler)
    assert sorted(indices) == [10, 11, 12, 13, 14]
    found = windows.__getitems__(indices).frames[:, 0, 0, 0, 0]
    assert found.tolist() == [index - 10 for index in indices]
