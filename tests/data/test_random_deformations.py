"""Random deformations of the frames to predict."""

import numpy as np
import pytest
import torch

from dmad.data.footage import footage_from_arrays
from dmad.data.random_deformations import RandomDeformations
from dmad.data.windows import Windows
from dmad.model.deformation import field_in_pixels

FRAMES = np.arange(40)


def stripes(axis: str = "x") -> torch.Tensor:
    """Images of 48 x 64 pixels whose grey level shows the column (x) or the row (y).

    A shift by one pixel changes the grey level by 3.
    """
    rows, columns = torch.meshgrid(torch.arange(48), torch.arange(64), indexing="ij")
    levels = 3 * (columns if axis == "x" else rows)
    return levels.to(torch.uint8)[None, :, :, None].expand(len(FRAMES), -1, -1, -1).contiguous()


def shifts(pixels: float, axis: str = "x") -> np.ndarray:
    """Where each pixel is taken from along an axis, in pixels, without the borders."""
    images = stripes(axis)
    moved = RandomDeformations(pixels, seed=0).apply(images, FRAMES, epoch=0)
    assert moved.dtype == torch.uint8
    assert moved.shape == images.shape
    return ((moved.float() - images.float()) / 3)[:, 8:-8, 8:-8, 0].numpy()


@pytest.mark.parametrize("channel", [0, 1])
def test_images_are_deformed_by_the_field_of_their_frame(channel: int) -> None:
    deformations = RandomDeformations(2.0, seed=0)
    fields = torch.stack([deformations._field(frame, 0, 48, 64) for frame in FRAMES])
    expected = field_in_pixels(fields)[:, channel, 8:-8, 8:-8].numpy()
    assert np.abs(expected).max() > 2
    np.testing.assert_allclose(shifts(2.0, "xy"[channel]), expected, atol=0.25)


def test_about_seven_of_ten_frames_are_deformed_in_about_half_of_their_places() -> None:
    moved = np.abs(shifts(2.0)) > 0.3
    frames = moved.any((1, 2))
    assert 0.5 < frames.mean() < 0.9
    assert 0.2 < moved[frames].mean() < 0.8


def test_the_size_of_the_deformations_is_given_in_pixels() -> None:
    small, large = (np.hypot(shifts(size), shifts(size, "y")) for size in (1.0, 2.0))
    assert large.mean() == pytest.approx(2 * small.mean(), rel=0.2)
    assert large.mean() == pytest.approx(2.0 / 5, rel=0.3)


def test_deformations_are_smooth() -> None:
    changes = np.diff(shifts(2.0), axis=2)
    assert changes.min() > -1  # neighbours keep their order
    assert np.abs(changes).mean() < 0.2


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
