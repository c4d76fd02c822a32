"""Losses and scores against values computed another way."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import convolve

from dmad.config import LossConfig, ModelConfig, ScoreConfig
from dmad.losses import (
    compression_loss,
    distance,
    gradient_error,
    smoothness,
    squared_error,
    strength,
    total_loss,
)
from dmad.nn.pdm import PDM
from dmad.scoring import average, released_terms, score

CONFIG = ModelConfig(widths=(8, 16, 32), memory_items=8, reductions=(4, 2), estimator_width=8)


def test_compression_loss_of_known_values() -> None:
    z_e, z_q = torch.zeros(1, 2, 1, 1), torch.full((1, 2, 1, 1), 2.0)
    assert compression_loss(z_e, z_q, beta=0.25) == pytest.approx(4 + 0.25 * 4)


def test_distance_parts() -> None:
    x = torch.zeros(1, 1, 4, 4)
    y = x.clone()
    y[0, 0, 1, 1] = 1
    assert squared_error(x, y).sum() == 1
    assert gradient_error(x, y).sum() == 4  # two edges along x, two along y
    torch.testing.assert_close(distance(x, y, 0.0), squared_error(x, y))
    assert gradient_error(x, x + 0.7).max() < 1e-6  # blind to brightness


def test_strength_and_smoothness() -> None:
    field = torch.zeros(1, 2, 5, 5)
    field[:, 0], field[:, 1] = 3.0, 4.0
    torch.testing.assert_close(strength(field), torch.full((1, 5, 5), 5.0))
    assert smoothness(field) == 0
    assert smoothness(field, window=3) < 1e-6
    field[0, 0, 2, 2] = 4.0
    assert smoothness(field) == pytest.approx(4 / 50)
    assert smoothness(field, window=3) > 0


def test_zero_field_has_a_finite_gradient() -> None:
    field = torch.zeros(1, 2, 4, 4, requires_grad=True)
    strength(field).mean().backward()
    assert torch.isfinite(field.grad).all()


@pytest.mark.parametrize("size", [(1, 1), (3, 3), (7, 18), (16, 14)])
def test_average_is_a_box_filter(size: tuple[int, int]) -> None:
    maps = torch.rand(2, 40, 40)
    ours = average(maps, size).numpy()
    box = np.full(size, 1 / (size[0] * size[1]))
    origin = tuple(-1 if n % 2 == 0 else 0 for n in size)
    slow = np.stack([convolve(m, box, mode="constant", origin=origin) for m in maps.numpy()])
    np.testing.assert_allclose(ours.max((1, 2)), slow.max((1, 2)), rtol=1e-4)


def test_total_is_the_weighted_sum() -> None:
    model = PDM(CONFIG, 32, 1, 4)
    x, target = torch.rand(2, 4, 32, 32), torch.rand(2, 1, 32, 32)
    config = LossConfig(gamma1=0.5, gamma2=2, smoothness=3, strength=0.4, background=0.1)
    terms = total_loss(target, model(x, target), config)
    expected = terms.reconstruction + 0.5 * terms.compression + 0.1 * terms.background
    expected = expected + 2 * (3 * terms.smoothness + 0.4 * terms.strength)
    torch.testing.assert_close(terms.total, expected)


def test_gradient_weight_of_coarse_heads() -> None:
    model = PDM(CONFIG, 32, 1, 4)
    x, target = torch.rand(2, 4, 32, 32), torch.rand(2, 1, 32, 32)
    out = model(x, target)
    heads = [
        distance(target, r, w).mean() for r, w in zip(out.reconstructions, (0.25, 1), strict=True)
    ]
    terms = total_loss(target, out, LossConfig(coarse_gradient=0.25))
    torch.testing.assert_close(terms.reconstruction, heads[0] + heads[1])


def test_score_adds_the_two_terms() -> None:
    model = PDM(CONFIG, 32, 1, 4).eval()
    for head in model.estimator.heads:
        torch.nn.init.normal_(head.final.weight, std=0.1)
    x, target = torch.rand(2, 4, 32, 32), torch.rand(2, 1, 32, 32)
    out = model(x, target)
    found = score(target, out, ScoreConfig(alpha=0.5, kernel=(8, 8)))
    torch.testing.assert_close(found.score, found.reconstruction + 0.5 * found.deformation)
    norms = sum(field.norm(dim=1) for field in out.offsets)
    torch.testing.assert_close(found.deformation_map, norms, atol=1e-5, rtol=1e-4)
    assert found.reconstruction_map.shape == (2, 32, 32)


def test_released_terms_use_the_vertical_coarse_offset() -> None:
    model = PDM(CONFIG, 32, 1, 4).eval()
    x, target = torch.rand(1, 4, 32, 32), torch.rand(1, 1, 32, 32)
    out = model(x, target)
    field = torch.zeros(1, 2, 32, 32)
    field[:, 0] = 0.5
    sideways = type(out)(**{**vars(out), "offsets": (field, field)})
    assert released_terms(target, sideways).deformation == 0
    error = (target - out.reconstructions[-1]).abs().mean()
    torch.testing.assert_close(released_terms(target, out).reconstruction[0], error)


def test_released_terms_of_avenue_have_a_box_and_a_distance_of_their_own() -> None:
    out = PDM(CONFIG, 32, 1, 4).eval()(torch.rand(1, 4, 32, 32), target := torch.rand(1, 1, 32, 32))
    field = torch.zeros(1, 2, 32, 32)
    field[0, 1, 16, 16] = 2 / 31  # a pixel
    out = replace(out, offsets=(field, field))
    ped2, avenue = (released_terms(target, out, name) for name in ("ped2", "avenue"))
    assert ped2.deformation.item() == pytest.approx(1 / (7 * 18))
    assert avenue.deformation.item() == pytest.approx(1 / (6 * 18))
    error = (target - out.reconstructions[-1]).square().mean()
    torch.testing.assert_close(avenue.reconstruction[0], error)
