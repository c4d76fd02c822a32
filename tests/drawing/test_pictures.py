"""Heat maps, deformation fields and panels: what a viewer can rely on."""

import numpy as np
import pytest
from PIL import Image

from dmad.drawing import pictures
from dmad.errors import DmadError


def test_heatmap_leaves_normal_areas_plain_and_grows_with_the_value(rng):
    frame = rng.integers(0, 256, (8, 9, 3), dtype=np.uint8)
    assert np.array_equal(pictures.heatmap(frame, np.zeros((8, 9)), 1.0), frame)
    ramp = pictures.heatmap(np.zeros((1, 50), np.uint8), np.linspace(0, 2, 50)[None], 1.0)
    light = ramp[0].astype(float) @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(light)[:24] > 0).all()
    assert (light[25:] == light[25]).all()


@pytest.mark.parametrize("shape", [(8, 9), (8, 9, 1), (8, 9, 3)])
def test_frames_may_be_grey_or_in_colour(shape):
    frame = np.full(shape, 77, np.uint8)
    assert pictures.heatmap(frame, np.ones((8, 9)), 1.0).shape == (8, 9, 3)
    assert pictures.arrows(frame, np.ones((2, 8, 9)), 2.0, step=4).shape == (8, 9, 3)


def test_nan_and_infinity_are_drawn_as_zero_and_limit():
    odd, plain = np.array([[np.nan, np.inf, -np.inf]]), np.array([[0.0, 0.5, 0.0]])
    for dtype in (np.float32, np.float64):
        image = pictures.error_image(odd.astype(dtype), 0.5)
        assert np.array_equal(image, pictures.error_image(plain, 0.5))
    field = np.full((2, 16, 16), np.nan)
    assert (pictures.color_wheel(field, 1.0) == 255).all()
    frame = np.full((16, 16, 3), 9, np.uint8)
    assert np.array_equal(pictures.arrows(frame, field, 1.0), frame)


def test_the_colour_wheel_is_white_at_zero_and_different_in_every_direction():
    angles = np.arange(16) / 16 * 2 * np.pi
    field = np.stack([np.cos(angles), np.sin(angles)])[:, None]
    assert (pictures.color_wheel(0 * field, 1.0) == 255).all()
    colors = pictures.color_wheel(field, 1.0)[0].astype(int)
    gaps = np.abs(colors[:, None] - colors[None]).max(axis=-1) + 999 * np.eye(16)
    assert gaps.min() > 20
    assert np.allclose(pictures.color_wheel(5 * field, 1.0)[0], colors, atol=1)
    paler = pictures.color_wheel(field / 2, 1.0)[0].astype(int)
    assert (paler.min(axis=-1) > colors.min(axis=-1)).all()


def test_the_legend_has_the_colours_of_the_wheel():
    legend = pictures.wheel_legend(64)
    right = pictures.color_wheel(np.array([0.95, 0.0]).reshape(2, 1, 1), 1.0)[0, 0]
    assert legend.shape == (64, 64, 3)
    assert np.abs(legend[32, 61].astype(int) - right).max() < 12
    assert (legend[0, 0] == 255).all()


def test_arrows_point_along_the_field_enlarged_by_the_gain():
    field = np.zeros((2, 64, 64))
    field[0] = 2.0
    frame = np.zeros((64, 64), np.uint8)
    image = pictures.arrows(frame, field, 3.0, step=64, gain=8.0)
    _, columns = np.nonzero(image[..., 0] > 100)
    assert 31 <= columns.min() <= 33
    assert 46 <= columns.max() <= 49
    assert pictures.arrows(frame, field, 3.0, zoom=3).shape == (192, 192, 3)


def test_arrows_refuse_a_field_of_another_size():
    with pytest.raises(DmadError, match="bring them to one size"):
        pictures.arrows(np.zeros((8, 8), np.uint8), np.zeros((2, 4, 4)), 1.0)


@pytest.mark.parametrize("limit", [0.0, -1.0, np.nan])
def test_a_limit_of_zero_or_less_is_refused(limit):
    with pytest.raises(DmadError, match="limit"):
        pictures.error_image(np.zeros((2, 2)), limit)
    with pytest.raises(DmadError, match="limit"):
        pictures.color_wheel(np.zeros((2, 2, 2)), limit)


def test_a_panel_takes_grey_and_colour_and_enlarges_small_images(rng):
    grey = rng.integers(0, 256, (32, 32), dtype=np.uint8)
    rows = [[grey, grey[..., None], np.dstack([grey] * 3)]] * 2
    image = pictures.panel(rows, ["a", "b", "two\nlines"], ["first", "second"])
    assert image.dtype == np.uint8
    assert image.shape[0] > 2 * 160
    assert image.shape[1] > 3 * 160
    large = np.kron(grey, np.ones((5, 5), np.uint8))
    plain = pictures.panel([[grey]], ["a"])[..., 0]
    bottom, right = plain.shape[0] - 5, plain.shape[1] - 5
    assert np.array_equal(plain[bottom - 160 : bottom, right - 160 : right], large)


def test_a_panel_shows_images_of_two_sizes_in_one_size():
    rows = [[np.zeros((32, 32), np.uint8), np.zeros((256, 256, 3), np.uint8)]]
    assert pictures.panel(rows, ["small", "large"]).shape[1] > 512


def test_a_panel_refuses_titles_that_do_not_fit_the_images():
    image = np.zeros((8, 8), np.uint8)
    with pytest.raises(DmadError, match="titles"):
        pictures.panel([[image, image]], ["one"])
    with pytest.raises(DmadError, match="row titles"):
        pictures.panel([[image]], ["one"], ["a", "b"])
    with pytest.raises(DmadError, match="titles"):
        pictures.panel([], ["one"])


def test_a_saved_image_is_lossless_and_the_only_file(tmp_path, rng):
    image = rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    path = tmp_path / "new" / "image.png"
    pictures.save_png(image, path)
    with Image.open(path) as stored:
        assert np.array_equal(np.asarray(stored), image)
    with pytest.raises((TypeError, KeyError)):
        pictures.save_png(np.zeros((5, 7, 9)), path)
    assert [item.name for item in path.parent.iterdir()] == ["image.png"]


@pytest.fixture
def rng():
    return np.random.default_rng(0)
