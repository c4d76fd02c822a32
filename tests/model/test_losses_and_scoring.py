"""Losses and scores against values computed another way."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import convolve
from torch.nn import functional as F

from dmad.config import VideoLossConfig, VideoModelConfig, VideoScoreConfig
from dmad.model.deformation import grid_units
from dmad.model.losses import (
    compression_loss,
    distance,
    gradient_error,
    reconstruction_loss,
    smoothness,
    squared_error,
    strength,
    total_loss,
)
from dmad.model.pdm import PDM, PDMOutput
from dmad.model.scoring import Scores, average, pixel_map, released_terms, score, within

CONFIG = VideoModelConfig(widths=(8, 16, 32), memory_items=8, reductions=(4, 2), estimator_width=8)


def drawn(size: int = 32, fields: tuple = (), reconstructions: tuple = ()) -> PDMOutput:
    """What a model computed for one grey image, black but for what is given."""
    black = torch.zeros(1, 1, size, size)
    heads = reconstructions or (black,) * max(len(fields), 1)
    return PDMOutput(black, fields, heads, heads, None, None, torch.zeros(1, 4, 2, 2), None)


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


def test_a_gradient_error_lies_where_the_step_begins() -> None:
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


def test_beta_holds_the_embedding_alone() -> None:
    z_e = torch.zeros(1, 2, 1, 1, requires_grad=True)
    z_q = torch.full((1, 2, 1, 1), 2.0, requires_grad=True)
    compression_loss(z_e, z_q, beta=0.25).backward()
    assert z_q.grad.flatten().tolist() == [2, 2]
    assert z_e.grad.flatten().tolist() == [-0.5, -0.5]


def test_strength_and_smoothness() -> None:
    field = torch.zeros(1, 2, 5, 5)
    field[:, 0], field[:, 1] = 3.0, 4.0
    torch.testing.assert_close(strength(field), torch.full((1, 5, 5), 5.0))
    assert smoothness(field) == 0
    assert smoothness(field, window=3) < 1e-6
    field[0, 0, 2, 2] = 4.0
    assert smoothness(field) == pytest.approx(4 / 50)
    assert smoothness(field, window=3) > 0


def test_a_window_of_smoothness_takes_the_size_of_each_difference() -> None:
    field = torch.zeros(1, 2, 5, 5)
    field[0, 0, 2, 2] = 9.0
    mean = F.avg_pool2d(field, 3, 1, 1, count_include_pad=False)
    assert smoothness(field, 3) == pytest.approx((field - mean).abs().mean().item())


def test_zero_field_has_a_finite_gradient() -> None:
    field = torch.zeros(1, 2, 4, 4, requires_grad=True)
    strength(field).mean().backward()
    assert torch.isfinite(field.grad).all()


@pytest.mark.parametrize("size", [(1, 1), (3, 3), (7, 18), (16, 14)])
def test_average_is_a_box_filter(size: tuple[int, int]) -> None:
    maps = torch.rand(2, 40, 40)
    box = np.full(size, 1 / (size[0] * size[1]))
    slow = np.stack([convolve(m, box, mode="constant") for m in maps.numpy()])
    np.testing.assert_allclose(average(maps, size).numpy(), slow, rtol=1e-4)


def test_total_is_the_weighted_sum(shaken) -> None:
    model = shaken(PDM(CONFIG, 32, 1, 4))
    x, target = torch.rand(2, 4, 32, 32), torch.rand(2, 1, 32, 32)
    config = VideoLossConfig(gamma1=0.5, gamma2=2, smoothness=3, strength=0.4, background=0.1)
    terms = total_loss(target, model(x, target), config)
    expected = terms.reconstruction + 0.5 * terms.compression + 0.1 * terms.background
    expected = expected + 2 * (3 * terms.smoothness + 0.4 * terms.strength)
    torch.testing.assert_close(terms.total, expected)
    assert min(term.item() for term in vars(terms).values()) > 0


def test_smoothness_and_strength_cover_every_field() -> None:
    a, b = torch.rand(2, 1, 2, 8, 8)
    config = VideoLossConfig(smoothness_window=3)
    terms = total_loss(torch.zeros(1, 1, 8, 8), drawn(8, fields=(a, b)), config)
    torch.testing.assert_close(terms.smoothness, smoothness(a, 3) + smoothness(b, 3))
    torch.testing.assert_close(terms.strength, strength(a).mean() + strength(b).mean())


def test_the_gradient_part_has_its_weight() -> None:
    x, y = torch.rand(2, 1, 1, 8, 8)
    found = reconstruction_loss(x, [y], VideoLossConfig(gradient=0.3))
    torch.testing.assert_close(found, distance(x, y, 0.3).mean())


def test_gradient_weight_of_coarse_heads(shaken) -> None:
    model = shaken(PDM(CONFIG, 32, 1, 4))
    x, target = torch.rand(2, 4, 32, 32), torch.rand(2, 1, 32, 32)
    out = model(x, target)
    heads = [
        distance(target, r, w).mean() for r, w in zip(out.reconstructions, (0.25, 1), strict=True)
    ]
    terms = total_loss(target, out, VideoLossConfig(coarse_gradient=0.25))
    torch.testing.assert_close(terms.reconstruction, heads[0] + heads[1])


def test_score_adds_the_two_terms(shaken) -> None:
    model = shaken(PDM(CONFIG, 32, 1, 4))
    x, target = torch.rand(2, 4, 32, 32), torch.rand(2, 1, 32, 32)
    out = model(x, target)
    found = score(target, out, VideoScoreConfig(alpha=0.5, kernel=(8, 8)))
    torch.testing.assert_close(found.score, found.reconstruction + 0.5 * found.deformation)
    norms = sum(field.norm(dim=1) for field in out.offsets)
    torch.testing.assert_close(found.deformation_map, norms, atol=1e-5, rtol=1e-4)
    coarse, fine = (distance(target, image) for image in out.reconstructions)
    torch.testing.assert_close(found.reconstruction_map, fine)
    assert not torch.allclose(coarse, fine)


def test_the_map_weighs_the_gradient_as_it_is_told() -> None:
    x, coarse, fine = torch.rand(3, 2, 1, 32, 32)
    found = score(x, drawn(reconstructions=(coarse, fine)), VideoScoreConfig(), gradient=0.3)
    torch.testing.assert_close(found.reconstruction_map, distance(x, fine, 0.3))


def test_a_zone_cuts_both_maps() -> None:
    maps = torch.zeros(1, 32, 32)
    maps[0, 20:28, 20:28] = 1
    zone = torch.zeros(32, 32, dtype=torch.bool)
    zone[:8, :8] = True
    whole = Scores(maps, maps, *torch.ones(3, 1))
    found = within(whole, VideoScoreConfig(kernel=(3, 3)), zone)
    assert (found.reconstruction, found.deformation, found.score) == (0, 0, 0)


def test_the_map_of_pixels_weighs_the_deformation_by_alpha() -> None:
    a, b = torch.rand(2, 1, 32, 32)
    found = pixel_map(Scores(a, b, *torch.zeros(3, 1)), VideoScoreConfig(alpha=0.25, kernel=(3, 3)))
    torch.testing.assert_close(found, average(a, (3, 3)) + 0.25 * average(b, (3, 3)))


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


def test_released_gradient_by_hand() -> None:
    x = torch.zeros(1, 1, 40, 40)
    x[..., 10:26, 20] = 1  # 16 rows: two upright edges, and an end in the window of 16 x 14
    found = released_terms(x, drawn(40))
    assert found.gradient.item() == pytest.approx((2 * 16 + 1) / (16 * 14))


def test_released_deformation_is_of_the_coarse_field_upwards_too() -> None:
    up = torch.zeros(1, 2, 32, 32)
    up[:, 1] = -grid_units(1, 32)
    found = released_terms(torch.zeros(1, 1, 32, 32), drawn(fields=(up, 0 * up)))
    assert found.deformation.item() == pytest.approx(1)


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
