"""Coordinates of pixels, and convolutions that see them."""

import pytest
import torch
from torch.nn import functional as F

from dmad.model.coordinates import CoordConv2d, Place, add_positions, coordinates, crop


def test_coordinates_run_from_corner_to_corner() -> None:
    grid = coordinates(3, 5, like=torch.zeros((), dtype=torch.float64))
    assert (grid.shape, grid.dtype) == ((1, 2, 3, 5), torch.float64)
    assert grid[0, 0, 0].tolist() == [-1, -0.5, 0, 0.5, 1]  # x grows to the right
    assert grid[0, 1, :, 0].tolist() == [-1, 0, 1]  # y grows downwards


def test_coordinates_in_16_bit_are_the_rounded_ones() -> None:
    exact = coordinates(1, 256, like=torch.zeros(()))
    half = coordinates(1, 256, like=torch.zeros((), dtype=torch.bfloat16))
    assert torch.equal(half, exact.to(torch.bfloat16))


def test_the_coordinates_of_a_crop_are_those_of_the_whole_frame() -> None:
    whole = coordinates(32, 32, like=torch.zeros(()))  # a frame of 256 pixels in cells of 8
    place = Place(torch.tensor([[16, 48], [0, 64]]), crop=128, frame=256)
    first, second = coordinates(16, 16, like=torch.zeros(()), place=place)
    torch.testing.assert_close(first, whole[0, :, 6:22, 2:18])
    torch.testing.assert_close(second, whole[0, :, 8:24, 0:16])


def test_a_convolution_of_a_crop_sees_the_positions_of_the_whole_frame() -> None:
    conv = CoordConv2d(1, 3)
    x = torch.zeros(1, 1, 16, 16)
    part = conv(x[..., 4:12, 8:16], Place(torch.tensor([[8, 4]]), crop=8, frame=16))
    torch.testing.assert_close(part, conv(x)[..., 4:12, 8:16])


def test_each_image_is_cropped_at_its_own_corner() -> None:
    images = torch.rand(2, 3, 16, 16)
    first, second = crop(images, Place(torch.tensor([[8, 4], [0, 2]]), crop=8, frame=16))
    assert torch.equal(first, images[0, :, 4:12, 8:16])
    assert torch.equal(second, images[1, :, 2:10, 0:8])


def test_a_convolution_with_positions_equals_one_over_appended_coordinates() -> None:
    """The kernel over coordinates has only its centre, which is one weight for each coordinate."""
    conv = CoordConv2d(3, 5)
    assert conv.position is not None
    x = torch.randn(2, 3, 9, 9)
    kernel = torch.zeros(5, 2, 3, 3)
    kernel[:, :, 1, 1] = conv.position.detach()
    both = torch.cat((x, coordinates(9, 9, x).expand(2, -1, -1, -1)), 1)
    expected = F.conv2d(both, torch.cat((conv.weight, kernel), 1), conv.bias, padding=1)
    torch.testing.assert_close(conv(x), expected)
    channels_last = x.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(conv(channels_last), expected)


def test_a_convolution_without_positions_is_a_plain_one() -> None:
    conv = CoordConv2d(3, 5, positions=False)
    x = torch.randn(2, 3, 9, 9)
    torch.testing.assert_close(conv(x), F.conv2d(x, conv.weight, conv.bias, padding=1))
    assert [name for name, _ in conv.named_parameters()] == ["weight", "bias"]


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_positions_are_added_with_gradients_in_the_memory_order_of_x(memory_format) -> None:
    x = torch.randn(2, 3, 4, 5).contiguous(memory_format=memory_format).requires_grad_()
    position = torch.randn(3, 2, requires_grad=True)
    grid = coordinates(4, 5, like=x)
    expected = x + torch.einsum("cp,bphw->bchw", position, grid)
    result = add_positions(x, position)
    torch.testing.assert_close(result, expected)
    assert result.is_contiguous(memory_format=memory_format)
    weights = torch.randn_like(result)
    ours = torch.autograd.grad((weights * result).sum(), (x, position))
    theirs = torch.autograd.grad((weights * expected).sum(), (x, position))
    torch.testing.assert_close(ours, theirs)
