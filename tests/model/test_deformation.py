"""Deformation fields: warping, composing, and the estimator."""

import pytest
import torch
from torch.nn import functional as F

from dmad.config import ImageModelConfig, VideoModelConfig
from dmad.model.coordinates import coordinates
from dmad.model.deformation import (
    DeformationEstimator,
    Head,
    compose,
    compose_all,
    field_in_pixels,
    grid_units,
    resize,
    warp,
)


def smooth_field(batch: int, size: int, pixels: float) -> torch.Tensor:
    """A random smooth field (batch, 2, size, size) with displacements up to `pixels`."""
    coarse = torch.randn(batch, 2, 4, 4)
    field = F.interpolate(coarse, size=(size, size), mode="bicubic", align_corners=True)
    return field / field.abs().max() * grid_units(pixels, size)


def test_a_zero_field_changes_nothing() -> None:
    image = torch.rand(2, 3, 16, 20)
    torch.testing.assert_close(warp(image, torch.zeros(2, 2, 16, 20)), image, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("channel", "axis"), [(0, -1), (1, -2)])
def test_a_field_of_one_pixel_takes_the_neighbour(channel: int, axis: int) -> None:
    image = torch.rand(1, 1, 17, 17)
    field = torch.zeros(1, 2, 17, 17)
    field[:, channel] = grid_units(1, 17)
    expected = image.roll(-1, axis)
    inside = (slice(None), slice(None), slice(1, -1), slice(1, -1))
    torch.testing.assert_close(warp(image, field)[inside], expected[inside], atol=1e-5, rtol=0)


def test_places_outside_the_image_take_its_border() -> None:
    image = torch.arange(5.0).expand(1, 1, 5, 5)
    field = torch.zeros(1, 2, 5, 5)
    field[:, 0] = 10
    torch.testing.assert_close(warp(image, field), torch.full((1, 1, 5, 5), 4.0))


def test_warp_has_gradients_for_image_and_field() -> None:
    image = torch.rand(1, 1, 6, 6, dtype=torch.float64, requires_grad=True)
    field = (0.1 * torch.rand(1, 2, 6, 6, dtype=torch.float64) + 0.01).requires_grad_()
    assert torch.autograd.gradcheck(warp, (image, field))


def test_field_in_pixels_undoes_grid_units() -> None:
    field = torch.full((1, 2, 33, 65), 1.0)
    pixels = field_in_pixels(field)
    assert pixels[0, 0, 0, 0] == 32
    assert pixels[0, 1, 0, 0] == 16
    assert grid_units(16, 33) == 1


def test_a_composed_field_equals_warping_twice() -> None:
    torch.manual_seed(0)
    ramp = coordinates(64, 64, torch.zeros(()))
    image = torch.sin(3 * ramp).expand(2, -1, -1, -1)
    first, second = smooth_field(2, 64, 3), smooth_field(2, 64, 3)
    once, twice = warp(image, compose(first, second)), warp(warp(image, first), second)
    inside = (slice(None), slice(None), slice(8, -8), slice(8, -8))
    torch.testing.assert_close(once[inside], twice[inside], atol=1e-2, rtol=0)
    torch.testing.assert_close(compose_all([first, second])[1], compose(first, second))


def test_composing_warps_the_first_field_by_the_second() -> None:
    torch.manual_seed(0)
    first, second = 0.3 * torch.randn(2, 1, 2, 8, 8)
    torch.testing.assert_close(compose(first, second), second + warp(first, second))


def test_running_compositions_start_with_the_first_field() -> None:
    torch.manual_seed(0)
    a, b, c = 0.3 * torch.randn(3, 1, 2, 8, 8)
    composed = compose_all([a, b, c])
    torch.testing.assert_close(composed, [a, compose(a, b), compose(compose(a, b), c)])
    assert compose_all([]) == []


def test_a_field_and_its_inverse_return_to_the_start() -> None:
    torch.manual_seed(1)
    forth = smooth_field(1, 64, 1.5)
    back = -forth
    for _ in range(8):
        back = -warp(forth, back)
    inside = (slice(None), slice(None), slice(8, -8), slice(8, -8))
    residue = field_in_pixels(compose(forth, back))[inside]
    assert residue.abs().max() < 0.05


def test_an_enlarged_field_keeps_its_corners() -> None:
    field = torch.tensor([[0.0, 1], [2, 3]]).expand(1, 2, 2, 2)
    result = resize(field, (5, 5))[0, 0]
    torch.testing.assert_close(result[0], torch.linspace(0, 1, 5))
    torch.testing.assert_close(result[:, 0], torch.linspace(0, 2, 5))


def test_an_enlarged_field_is_the_same_in_training_with_the_gradient_of_an_interpolation() -> None:
    field = torch.randn(2, 2, 5, 8, requires_grad=True)
    expected = F.interpolate(field, size=(16, 24), mode="bilinear", align_corners=True)
    result = resize(field, (16, 24))
    torch.testing.assert_close(result, expected)
    torch.testing.assert_close(resize(field.detach(), (16, 24)), expected)
    weights = torch.randn_like(result)
    ours, theirs = (torch.autograd.grad((weights * x).sum(), field) for x in (result, expected))
    torch.testing.assert_close(ours, theirs)


@torch.no_grad()
def test_a_displacement_in_pixels_is_the_same_in_a_crop() -> None:
    estimator = DeformationEstimator(1, (4,), (2.0,), 8, positions=False)
    torch.nn.init.normal_(estimator.heads[0].final.weight, std=100)
    for size in (16, 64):
        field = estimator(torch.rand(1, 1, size, size))[0]
        assert 1.9 < field_in_pixels(field).abs().max() <= 2.00001


def test_fields_start_at_zero_and_stay_below_their_limit() -> None:
    estimator = DeformationEstimator(3, (8, 4, 2), (4.0, 2.0, 1.0), 8)
    x = torch.randn(2, 3, 32, 32)
    fields = estimator(x)
    assert [f.shape for f in fields] == [(2, 2, 32, 32)] * 3
    assert all((f == 0).all() for f in fields)
    for head in estimator.heads:
        torch.nn.init.normal_(head.final.weight, std=100)
    for field, limit in zip(estimator(x), (4.0, 2.0, 1.0), strict=True):
        largest = field_in_pixels(field).abs().max()
        assert 0.5 * limit < largest <= limit + 1e-5


@torch.no_grad()
def test_a_head_reaches_its_largest_displacement() -> None:
    head = Head(4, 0, 3.0)
    head.final.bias.fill_(100)
    result = field_in_pixels(head(torch.zeros(1, 4, 16, 16), 16))
    torch.testing.assert_close(result, torch.full((1, 2, 16, 16), 3.0))


def test_heads_halve_down_to_their_scale() -> None:
    made = DeformationEstimator(1, (8, 4, 2), (1.0, 1.0, 1.0), 8)
    halvings = [sum(isinstance(m, torch.nn.Conv2d) for m in head.layers) for head in made.heads]
    assert halvings == [2, 1, 0]


@torch.no_grad()
def test_the_trunk_passes_its_input_on() -> None:
    made = DeformationEstimator(1, (2,), (1.0,), 8).eval()
    torch.nn.init.normal_(made.heads[0].final.weight)
    made.residual[-1].weight.zero_()  # only the shortcut is left
    made.residual[-1].bias.zero_()
    assert made(torch.rand(1, 1, 32, 32))[0].std() > 0


def test_two_directions_have_heads_of_their_own_on_one_trunk() -> None:
    config = ImageModelConfig(reductions=(8, 4), displacements=(2.0, 1.0), estimator_width=8)
    estimator = DeformationEstimator.from_config(config, 3, directions=2)
    assert estimator is not None
    assert [head.displacement for head in estimator.heads] == [2, 1, 2, 1]
    assert len(estimator(torch.rand(1, 3, 32, 32))) == 4


def test_settings_without_heads_give_no_estimator() -> None:
    config = VideoModelConfig(reductions=(), displacements=())
    assert DeformationEstimator.from_config(config, 1) is None
