"""Maps and scores against values computed another way."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import convolve, gaussian_filter

from dmad.config import ImageScoreConfig, VideoScoreConfig
from dmad.model.deformation import compose, field_in_pixels, grid_units, warp
from dmad.model.losses import distance, strength
from dmad.model.scoring import (
    box_filter,
    deformation_map_plus,
    feature_map,
    gaussian_blur,
    pixel_map,
    pixel_map_plus,
    reconstruction_map_plus,
    released_terms,
    score,
    score_plus,
    scores_of_maps,
    scores_of_maps_plus,
    sum_of_warped_strengths,
)


@pytest.mark.parametrize("size", [(1, 1), (3, 3), (7, 18), (16, 14)])
def test_a_box_filter_averages_with_zeros_outside(size: tuple[int, int]) -> None:
    maps = torch.rand(2, 40, 40)
    box = np.full(size, 1 / (size[0] * size[1]))
    slow = np.stack([convolve(m, box, mode="constant") for m in maps.numpy()])
    np.testing.assert_allclose(box_filter(maps, size).numpy(), slow, rtol=1e-4)


def test_a_gaussian_blur_continues_the_border() -> None:
    maps = torch.rand(2, 50, 40, dtype=torch.float64)
    expected = [gaussian_filter(m, 4, mode="nearest", truncate=4) for m in maps.numpy()]
    np.testing.assert_allclose(gaussian_blur(maps, 4.0).numpy(), expected, atol=1e-12)


def test_eq_14_adds_the_terms_of_the_last_reconstruction_and_of_all_fields(
    make_pdm, frames
) -> None:
    (x, target), model = frames, make_pdm()
    out = model(x, target)
    result = score(target, out, VideoScoreConfig(alpha=0.5, kernel=(8, 8)))
    torch.testing.assert_close(result.score, result.reconstruction + 0.5 * result.deformation)
    norms = sum(field.norm(dim=1) for field in out.offsets)
    torch.testing.assert_close(result.deformation_map, norms, atol=1e-5, rtol=1e-4)
    coarse, fine = (distance(target, image) for image in out.reconstructions)
    torch.testing.assert_close(result.reconstruction_map, fine)
    assert not torch.allclose(coarse, fine)


def test_the_error_map_uses_the_weight_of_the_gradient(video_output) -> None:
    x, coarse, fine = torch.rand(3, 2, 1, 32, 32)
    result = score(
        x, video_output(reconstructions=(coarse, fine)), VideoScoreConfig(), gradient=0.3
    )
    torch.testing.assert_close(result.reconstruction_map, distance(x, fine, 0.3))


def test_eq_14_takes_the_maxima_of_the_averaged_maps() -> None:
    a, b = torch.rand(2, 1, 32, 32)
    scores = scores_of_maps(a, b, VideoScoreConfig(alpha=0.25, kernel=(3, 5)))
    first, second = box_filter(a, (3, 5)).max(), box_filter(b, (3, 5)).max()
    assert (scores.reconstruction, scores.deformation) == (first, second)
    assert scores.score.item() == pytest.approx((first + 0.25 * second).item())


def test_maps_of_zero_have_a_score_of_zero() -> None:
    zero = torch.zeros(1, 32, 32)
    for scores in (
        scores_of_maps(zero, zero, VideoScoreConfig(kernel=(3, 3))),
        scores_of_maps_plus(zero, zero, ImageScoreConfig()),
    ):
        assert (scores.reconstruction, scores.deformation, scores.score) == (0, 0, 0)


def test_the_map_of_pixels_weighs_the_deformation_by_alpha() -> None:
    a, b = torch.rand(2, 1, 32, 32)
    result = pixel_map(a, b, VideoScoreConfig(alpha=0.25, kernel=(3, 3)))
    torch.testing.assert_close(result, box_filter(a, (3, 3)) + 0.25 * box_filter(b, (3, 3)))


def test_released_terms_use_the_vertical_coarse_offset(make_pdm, frames) -> None:
    (x, target), model = frames, make_pdm()
    output = model(x, target)
    field = torch.zeros(2, 2, 32, 32)
    field[:, 0] = 0.5
    sideways = replace(output, offsets=(field, field))
    assert (released_terms(target, sideways).deformation == 0).all()
    error = (target - output.reconstructions[-1]).abs().mean((1, 2, 3))
    torch.testing.assert_close(released_terms(target, output).reconstruction, error)


def test_the_released_gradient_term_of_a_line(video_output) -> None:
    x = torch.zeros(1, 1, 40, 40)
    x[..., 10:26, 20] = 1  # 16 rows: two upright edges, and an end in the window of 16 x 14
    result = released_terms(x, video_output(40))
    assert result.gradient.item() == pytest.approx((2 * 16 + 1) / (16 * 14))


def test_released_deformation_counts_upwards_and_only_the_coarse_field(video_output) -> None:
    up = torch.zeros(1, 2, 32, 32)
    up[:, 1] = -grid_units(1, 32)
    result = released_terms(torch.zeros(1, 1, 32, 32), video_output(fields=(up, 0 * up)))
    assert result.deformation.item() == pytest.approx(1)


def test_released_terms_of_avenue_have_another_kernel_and_error(video_output) -> None:
    target, image = torch.rand(2, 1, 1, 32, 32)
    field = torch.zeros(1, 2, 32, 32)
    field[0, 1, 16, 16] = 2 / 31  # one pixel
    output = video_output(fields=(field, field), reconstructions=(image, image))
    ped2, avenue = (released_terms(target, output, name) for name in ("ped2", "avenue"))
    assert ped2.deformation.item() == pytest.approx(1 / (7 * 18))
    assert avenue.deformation.item() == pytest.approx(1 / (6 * 18))
    torch.testing.assert_close(avenue.reconstruction[0], (target - image).square().mean())


def test_the_feature_map_adds_the_stages(image_output, stages) -> None:
    torch.testing.assert_close(feature_map(image_output(*stages()), 8), torch.full((1, 8, 8), 3.0))


def test_features_of_zero_have_a_finite_distance(image_output, stages) -> None:
    features, restored = stages()
    zeros = [0 * stage for stage in features]
    assert torch.isfinite(feature_map(image_output(zeros, restored), 8)).all()


def test_enlarged_stages_keep_their_corners(image_output, stages) -> None:
    features, restored = stages(2)
    for stage in restored:
        stage[..., 0] = torch.tensor([1.0, 0.0])[:, None]
    result = feature_map(image_output(features, restored), 5)[0, 0] / 3
    torch.testing.assert_close(result, torch.linspace(0, 1, 5))


def test_eq_20_moves_the_map_back_by_the_return_field(image_output) -> None:
    torch.manual_seed(0)
    features, restored = torch.randn(2, 3, 1, 4, 4, 4)
    back = torch.full((1, 2, 8, 8), grid_units(2, 8))
    output = image_output(list(features), list(restored), return_field=back)
    expected = warp(feature_map(output, 8)[:, None], back)[:, 0]
    torch.testing.assert_close(reconstruction_map_plus(output), expected)


def test_eq_21_warps_each_strength_by_the_later_fields() -> None:
    """Written out for two and three fields. The last one is not warped."""
    torch.manual_seed(1)
    a, b, c = (0.1 * torch.randn(1, 2, 1, 1) + 0.02 * torch.randn(1, 2, 32, 32) for _ in "abc")
    expected = strength(warp(a, b)) + strength(b)
    torch.testing.assert_close(sum_of_warped_strengths([a, b]), expected)
    expected = strength(warp(a, compose(b, c))) + strength(warp(b, c)) + strength(c)
    torch.testing.assert_close(sum_of_warped_strengths([a, b, c]), expected)


def test_the_released_variant_measures_only_the_backward_fields(make_ppdm, images) -> None:
    output = make_ppdm()(images)
    both, one = deformation_map_plus(output), deformation_map_plus(output, backward_only=True)
    forward = sum_of_warped_strengths(output.forward)
    torch.testing.assert_close(both - one, forward, atol=1e-5, rtol=1e-4)


def test_backward_fields_are_applied_in_reverse_order(image_output, stages) -> None:
    torch.manual_seed(0)
    a, b, c, d = 0.2 * torch.randn(4, 1, 2, 8, 8)
    output = image_output(*stages(), forward=(a, b), backward=(c, d))
    torch.testing.assert_close(deformation_map_plus(output, True), sum_of_warped_strengths([d, c]))


def test_eq_22_and_23_are_made_of_the_blurred_maps(make_ppdm, images) -> None:
    config = ImageScoreConfig(alpha=0.3)
    scores = score_plus(make_ppdm()(images), config)
    torch.testing.assert_close(scores.score, scores.reconstruction + 0.3 * scores.deformation)
    first = gaussian_blur(scores.reconstruction_map, 4.0)
    second = gaussian_blur(scores.deformation_map, 4.0)
    torch.testing.assert_close(scores.reconstruction, first.amax((1, 2)))
    torch.testing.assert_close(scores.deformation, second.amax((1, 2)))
    pixels = pixel_map_plus(scores.reconstruction_map, scores.deformation_map, config)
    torch.testing.assert_close(pixels, first + 0.3 * second, atol=1e-5, rtol=1e-4)


def inverse(field: torch.Tensor) -> torch.Tensor:
    """The field that undoes a field, by fixed-point iteration."""
    back = -field
    for _ in range(20):
        back = -warp(field, back)
    return back


def highest_place(maps: torch.Tensor) -> np.ndarray:
    """Row and column of the maximum of a map (1, H, W)."""
    return np.array(np.unravel_index(int(maps[0].argmax()), maps[0].shape))


def test_a_defect_is_found_where_it_is_in_the_image_and_not_in_the_deformed_image() -> None:
    """Eq. 20, with a known deformation of 8 px and a tolerance of 2 px."""
    ramp = torch.linspace(-1, 1, 128)
    rows, columns = torch.meshgrid(ramp, ramp, indexing="ij")
    bump = torch.exp(-4 * (rows**2 + columns**2))
    forth = torch.stack((bump, -0.5 * bump))[None] * grid_units(8, 128)
    back = inverse(forth)
    assert field_in_pixels(compose(forth, back)).abs().max() < 0.1
    for row, column in [(50, 60), (64, 64), (80, 40)]:
        image = torch.zeros(1, 1, 128, 128)
        image[..., row - 2 : row + 3, column - 2 : column + 3] = 1
        seen = gaussian_blur(warp(image, forth)[:, 0], 4.0)
        moved = highest_place(seen)
        returned = highest_place(gaussian_blur(warp(seen[:, None], back)[:, 0], 4.0))
        assert np.hypot(*(moved - (row, column))) > 2
        assert np.hypot(*(returned - (row, column))) <= 2
