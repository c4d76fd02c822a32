"""Random deformations of the frames to predict."""

import numpy as np
import pytest
import torch

from dmad.data.footage import footage_from_arrays
from dmad.data.random_deformations import RandomDeformations
from dmad.data.windows import Windows

FRAMES = np.arange(40)


def stripes(count: int = len(FRAMES), size: int = 64) -> torch.Tensor:
    """Images whose grey level shows the column: a shift by one pixel changes it by 3."""
    columns = torch.arange(size, dtype=torch.uint8) * 3
    return columns[None, None, :, None].expand(count, size, size, 1).contiguous()


def shifts(pixels: float, epoch: int = 0) -> np.ndarray:
    """The displacement of each pixel to the left or right, in pixels, without the borders."""
    images = stripes()
    moved = RandomDeformations(pixels, seed=0).apply(images, FRAMES, epoch)
    assert moved.dtype == torch.uint8
    assert moved.shape == images.shape
    return ((moved.float() - images.float()) / 3)[:, 8:-8, 8:-8, 0].numpy()


def test_about_seven_of_ten_frames_are_deformed_in_about_half_of_their_places() -> None:
    moved = np.abs(shifts(2.0)) > 0.3
    frames = moved.any((1, 2))
    assert 0.5 < frames.mean() < 0.9
    assert 0.2 < moved[frames].mean() < 0.8


def test_the_size_of_the_deformations_is_given_in_pixels() -> None:
    small, large = np.abs(shifts(1.0)).mean(), np.abs(shifts(2.0)).mean()
    assert large == pytest.approx(2 * small, rel=0.2)
    assert 0.1 < large < 2


def test_deformations_are_smooth() -> None:
    field = shifts(2.0)
    assert np.abs(np.diff(field, axis=2)).max() < 2  # no two pixels change their order by far
    assert np.abs(np.diff(field, axis=2)).mean() < 0.2


def test_deformations_depend_on_seed_epoch_and_frame_alone() -> None:
    images, deformations = stripes(), RandomDeformations(2.0, seed=0)
    first = deformations.apply(images, FRAMES, 3)
    assert torch.equal(first[[7]], deformations.apply(images[[7]], FRAMES[[7]], 3))
    assert not torch.equal(first, deformations.apply(images, FRAMES, 4))
    assert not torch.equal(first, RandomDeformations(2.0, seed=1).apply(images, FRAMES, 3))
    assert len({image.numpy().tobytes() for image in first}) > 20


def test_only_the_frame_to_predict_is_deformed() -> None:
    footage = footage_from_arrays([stripes().numpy()])
    plain = Windows(footage, 4)
    deformed = Windows(footage, 4, deformations=RandomDeformations(2.0, seed=0))
    indices = list(range(len(plain)))
    before, after = plain.__getitems__(indices).frames, deformed.__getitems__(indices).frames
    assert torch.equal(before[:, :-1], after[:, :-1])
    assert not torch.equal(before[:, -1], after[:, -1])
    assert np.array_equal(footage.frames[:], stripes().numpy())  # the footage stays as it is
