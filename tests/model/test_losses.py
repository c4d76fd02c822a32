"""The losses against values computed another way."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from dmad.config import ImageLossConfig, VideoLossConfig
from dmad.model.deformation import grid_units
from dmad.model.losses import (
    binary_entropy,
    compression_loss,
    cosine_loss,
    cycle_loss,
    distance,
    gradient_error,
    reconstruction_loss,
    smoothness,
    squared_error,
    strength,
    strength_plus,
    total_loss,
    total_loss_plus,
)
from dmad.model.memory import MemoryOutput


def test_the_distance_has_a_squared_part_and_a_gradient_part() -> None:
    x = torch.zeros(1, 1, 4, 4)
    y = x.clone()
    y[0, 0, 1, 1] = 1
    assert squared_error(x, y).sum() == 1
    assert gradient_error(x, y).sum() == 4  # two edges along x, two along y
    torch.testing.assert_close(distance(x, y, 0.0), squared_error(x, y))
    assert gradient_error(x, x + 0.7).max() < 1e-6  # blind to brightness


def test_a_gradient_error_is_at_the_pixel_before_the_step() -> None:
    x = torch.zeros(1, 1, 4, 4)
    y = x.clone()
    y[0, 0, 1, 1] = 1
    expected = torch.zeros(4, 4)
    expected[1, 1], expected[0, 1], expected[1, 0] = 2, 1, 1
    torch.testing.assert_close(gradient_error(x, y)[0], expected)


def test_both_parts_are_means_over_the_channels() -> None:
    x, y = torch.zeros(1, 3, 4, 4), torch.ones(1, 3, 4, 4)
    assert (squared_error(x, y) == 1).all()
    slope = torch.arange(4.0).expand(1, 3, 4, 4)
    assert (gradient_error(x, slope)[..., :-1] == 1).all()


def test_compression_loss_of_known_values() -> None:
    z_e, z_q = torch.zeros(1, 2, 1, 1), torch.full((1, 2, 1, 1), 2.0)
    assert compression_loss(z_e, z_q, beta=0.25) == pytest.approx(4 + 0.25 * 4)


def test_beta_weighs_only_the_gradient_of_the_embedding() -> None:
    z_e = torch.zeros(1, 2, 1, 1, requires_grad=True)
    z_q = torch.full((1, 2, 1, 1), 2.0, requires_grad=True)
    compression_loss(z_e, z_q, beta=0.25).backward()
    assert z_q.grad.flatten().tolist() == [2, 2]
    assert z_e.grad.flatten().tolist() == [-0.5, -0.5]


def test_strength_is_the_length_and_smoothness_the_variation() -> None:
    field = torch.zeros(1, 2, 5, 5)
    field[:, 0], field[:, 1] = 3.0, 4.0
    torch.testing.assert_close(strength(field), torch.full((1, 5, 5), 5.0))
    assert smoothness(field) == 0
    assert smoothness(field, window=3) < 1e-6
    field[0, 0, 2, 2] = 4.0
    assert smoothness(field) == pytest.approx(4 / 50)
    assert smoothness(field, window=3) > 0


def test_a_window_compares_each_vector_with_its_mean() -> None:
    field = torch.zeros(1, 2, 5, 5)
    field[0, 0, 2, 2] = 9.0
    mean = F.avg_pool2d(field, 3, 1, 1, count_include_pad=False)
    assert smoothness(field, 3) == pytest.approx((field - mean).abs().mean().item())


def test_the_strength_of_a_zero_field_has_a_finite_gradient() -> None:
    field = torch.zeros(1, 2, 4, 4, requires_grad=True)
    strength(field).mean().backward()
    assert torch.isfinite(field.grad).all()


def test_the_gradient_part_has_its_weight() -> None:
    x, y = torch.rand(2, 1, 1, 8, 8)
    result = reconstruction_loss(x, [y], VideoLossConfig(gradient=0.3))
    torch.testing.assert_close(result, distance(x, y, 0.3).mean())


def test_coarse_heads_have_their_own_weight_of_the_gradient(make_pdm, frames) -> None:
    (x, target), model = frames, make_pdm()
    out = model(x, target)
    heads = [
        distance(target, r, w).mean() for r, w in zip(out.reconstructions, (0.25, 1), strict=True)
    ]
    terms = total_loss(target, out, VideoLossConfig(coarse_gradient=0.25))
    torch.testing.assert_close(terms.reconstruction, heads[0] + heads[1])


def test_eq_11_is_the_weighted_sum_of_its_terms(make_pdm, frames) -> None:
    (x, target), model = frames, make_pdm()
    weights = {"gamma1": 0.5, "gamma2": 2, "smoothness": 3, "strength": 0.4, "background": 0.1}
    config = VideoLossConfig(**weights, mask_area=0.7, mask_entropy=0.3)
    terms = total_loss(target, model(x, target), config)
    expected = terms.reconstruction + 0.5 * terms.compression + 0.1 * terms.background
    expected = expected + 2 * (3 * terms.smoothness + 0.4 * terms.strength)
    expected = expected + 0.7 * terms.mask_area + 0.3 * terms.mask_entropy
    torch.testing.assert_close(terms.total, expected)
    assert min(term.item() for term in vars(terms).values()) > 0


def test_eq_8_sums_over_all_fields(video_output) -> None:
    a, b = torch.rand(2, 1, 2, 8, 8)
    config = VideoLossConfig(smoothness_window=3)
    terms = total_loss(torch.zeros(1, 1, 8, 8), video_output(8, fields=(a, b)), config)
    torch.testing.assert_close(terms.smoothness, smoothness(a, 3) + smoothness(b, 3))
    torch.testing.assert_close(terms.strength, strength(a).mean() + strength(b).mean())


def test_a_field_of_a_crop_costs_as_much_as_in_the_whole_frame(video_output) -> None:
    pixels = torch.full((1, 2, 17, 17), 3.0)
    x = torch.zeros(1, 1, 17, 17)
    in_crop = video_output(17, (grid_units(1, 17) * pixels,))
    in_frame = grid_units(1, 65) * pixels
    found = total_loss(x, in_crop, VideoLossConfig(), frame=65).strength
    torch.testing.assert_close(found, strength(in_frame).mean())


def test_the_losses_of_the_mask_are_its_mean_and_its_entropy(video_output) -> None:
    mask = torch.full((1, 1, 32, 32), 0.25)
    output = replace(video_output(), mask=mask, mask_probability=mask)
    config = VideoLossConfig(mask_area=2.0, mask_entropy=3.0)
    found = total_loss(torch.zeros(1, 1, 32, 32), output, config)
    entropy = -(0.25 * np.log(0.25) + 0.75 * np.log(0.75))
    assert found.mask_area.item() == pytest.approx(0.25)
    assert found.mask_entropy.item() == pytest.approx(entropy, rel=1e-5)
    assert found.total.item() == pytest.approx(2 * 0.25 + 3 * entropy, rel=1e-5)


def test_the_entropy_of_a_certain_mask_has_a_finite_gradient() -> None:
    probability = torch.tensor([0.0, 0.5, 1.0], requires_grad=True)
    entropy = binary_entropy(probability)
    assert entropy.detach() == pytest.approx([0, np.log(2), 0], abs=1e-4)
    entropy.sum().backward()
    assert probability.grad.isfinite().all()


def test_the_background_loss_is_the_error_of_the_template(video_output) -> None:
    x, template = torch.rand(2, 1, 1, 8, 8)
    output = replace(video_output(8, reconstructions=(x,)), background=template)
    terms = total_loss(x, output, VideoLossConfig(background=0.5))
    torch.testing.assert_close(terms.background, (template - x).square().mean())
    torch.testing.assert_close(terms.total, 0.5 * terms.background)


def test_cosine_loss_of_known_values() -> None:
    a = [torch.tensor([[[[1.0, 0.0]]], [[[1.0, 1.0]]]]), torch.ones(2, 1, 1, 1)]
    b = [torch.tensor([[[[0.0, 1.0]]], [[[1.0, 0.0]]]]), torch.ones(2, 1, 1, 1)]
    assert cosine_loss(a, b) == pytest.approx((1 + (1 - 2**-0.5)) / 2)


def test_eq_19_is_the_weighted_sum_of_its_terms(make_ppdm, images) -> None:
    output = make_ppdm()(images)
    config = ImageLossConfig(gamma1=2, gamma2=3, gamma3=0.5, smoothness=0.7, strength=0.3)
    terms = total_loss_plus(images, output, config)
    expected = terms.reconstruction + 2 * terms.compression + 0.5 * terms.cycle
    expected = expected + 3 * (0.7 * terms.smoothness + 0.3 * terms.strength)
    torch.testing.assert_close(terms.total, expected)
    torch.testing.assert_close(terms.cycle, (images - output.cycled).square().mean())
    torch.testing.assert_close(terms.cycle, cycle_loss(images, output.cycled))
    forward = sum(strength(field).mean() for field in output.forward)
    released = ImageLossConfig(backward_strength=False)
    torch.testing.assert_close(strength_plus(output, released), forward)
    assert terms.strength > forward


def test_eq_18_sums_over_both_directions_and_beta_has_an_effect(image_output, stages) -> None:
    a, b, c, d = torch.rand(4, 1, 2, 8, 8)
    z_q = torch.rand(1, 2, 4, 4)
    memory = MemoryOutput(z_q, z_q, torch.zeros(1, 4, 4, dtype=torch.int64))
    output = image_output(*stages(), forward=(a, b), backward=(c, d), memory=memory)
    config = ImageLossConfig(beta=0.7, smoothness_window=3)
    terms = total_loss_plus(torch.zeros(1, 3, 8, 8), output, config)
    torch.testing.assert_close(terms.smoothness, sum(smoothness(f, 3) for f in (a, b, c, d)))
    torch.testing.assert_close(terms.compression, compression_loss(output.z_e, z_q, 0.7))
