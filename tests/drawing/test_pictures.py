"""Heat maps, deformation fields and panels: what a viewer can rely on."""

import numpy as np
import pytest
from PIL import Image

from dmad.drawing import pictures
from dmad.errors import DmadError


def test_heatmap_leaves_normal_areas_plain_and_grows_with_the_value(rng):
    frame = rng.integers(0, 256, (8, 9, 3), dtype=np.uint8)
    assert np.array_equal(pictures.heatmap(frame, np.zeros((8, 9)), 1.0), frame)
    assert np.array_equal(pictures.heatmap(frame, np.full((8, 9), -5.0), 1.0), frame)
    ramp = pictures.heatmap(np.zeros((1, 50), np.uint8), np.linspace(0, 2, 50)[None], 1.0)
    light = ramp[0].astype(float) @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(light)[:24] > 0).all()
    assert (light[25:] == light[25]).all()


@pytest.mark.parametrize("shape", [(8, 9), (8, 9, 1), (8, 9, 3)])
def test_frames_may_be_grey_or_in_colour(shape):
    frame = np.full(shape, 77, np.uint8)
    assert pictures.heatmap(frame, np.ones((8, 9)), 1.0).shape == (8, 9, 3)
    assert pictures.shift_image(frame, np.ones((2, 8, 9)), 2.0).shape == (8, 9, 3)
    assert pictures.mark_box(frame, (0.0, 0.0, 1.0, 1.0)).shape == (8, 9, 3)
    assert pictures.resized(frame, 18, 4).shape == (4, 18, 3)


def test_nan_and_infinity_are_drawn_as_zero_and_limit():
    odd, plain = np.array([[np.nan, np.inf, -np.inf]]), np.array([[0.0, 0.5, 0.0]])
    for dtype in (np.float32, np.float64):
        image = pictures.error_image(odd.astype(dtype), 0.5)
        assert np.array_equal(image, pictures.error_image(plain, 0.5))
    field = np.full((2, 16, 16), np.nan)
    assert (pictures.color_wheel(field, 1.0) == 255).all()


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


def test_an_error_map_is_white_where_there_is_no_error_and_darker_with_the_error():
    light = pictures.error_image(np.linspace(0, 1, 9)[None], 1.0)[0].astype(int).sum(-1)
    assert light[0] == 3 * 255
    assert (np.diff(light) < 0).all()


def test_the_opacity_of_a_shift_is_proportional_to_its_length():
    frame = np.array([[[0, 0, 0], [0, 0, 255]]], np.uint8)  # black and blue
    still = pictures.shift_image(frame, np.zeros((2, 1, 2)), 1.0)[0].astype(int)
    assert np.ptp(still, axis=-1).max() == 0  # grey
    assert 100 < still[0, 0] < still[1, 0] < 255
    moved = np.zeros((2, 1, 2))
    moved[0] = 1.0
    full = pictures.color_wheel(moved, 1.0)[0].astype(int)
    for length in (0.5, 0.75, 1.0):
        drawn = pictures.shift_image(frame, length * moved, 1.0, least=0.5, least_arrow=1.0)[0]
        np.testing.assert_allclose(drawn, (1 - length) * still + length * full, atol=1)
    drawn = pictures.shift_image(frame, 0.49 * moved, 1.0, least=0.5, least_arrow=1.0)[0]
    np.testing.assert_array_equal(drawn, still)


@pytest.mark.parametrize(("direction", "tip"), [((1, 0), "right"), ((0, 1), "lower")])
def test_an_arrow_points_where_a_part_is_shifted_and_is_longer_with_the_shift(direction, tip):
    """An arrow is thickest at its tip. One square of 24 x 24 pixels is shifted, the other not."""
    frame, shift = np.full((24, 48), 255, np.uint8), np.zeros((2, 24, 48))
    shift[:, :, :24] = np.reshape(direction, (2, 1, 1))

    def thickness(length):
        """The thickness of the arrow, from its end to its tip."""
        drawn = pictures.shift_image(frame, length * shift, 1.0, least_arrow=0.4)
        ink = (drawn < 50).all(-1)
        assert not ink[:, 24:].any()
        return (ink[:, :24] if tip == "right" else ink[:, :24].T).sum(0)

    assert thickness(1.0)[12:].max() > 2 * thickness(1.0)[:10].max() > 0
    assert (thickness(1.0) > 0).sum() > 1.2 * (thickness(0.5) > 0).sum() > 0
    assert not thickness(0.3).any()


def test_the_legend_has_the_colours_of_the_wheel():
    legend = pictures.wheel_legend(64)
    right = pictures.color_wheel(np.array([0.95, 0.0]).reshape(2, 1, 1), 1.0)[0, 0]
    assert legend.shape == (64, 64, 3)
    assert np.abs(legend[32, 61].astype(int) - right).max() < 12
    assert (legend[0, 0] == 255).all()


def test_legends_are_as_wide_as_asked_for_and_marked_at_their_positions():
    plain = pictures.heat_legend(200, {})
    marked = pictures.heat_legend(200, {"threshold 6.4": 0.5})
    columns = np.flatnonzero((plain[6] != marked[6]).any(-1))
    assert columns.tolist() == [8 + round(0.5 * 183)]
    at_the_end = pictures.heat_legend(200, {"threshold 6.4": 1.0})
    assert (at_the_end[16:, 192:] == 255).all()  # no text beyond the bar
    field = pictures.field_legend(200, 1.0)
    assert plain.shape == field.shape
    assert plain.shape[1] == 200
    assert (field != pictures.field_legend(200, 2.0)).any()


def test_a_legend_is_below_its_column():
    legends = {"b": lambda width: pictures.field_legend(width, 1.0)}
    row = pictures.legend_row(["a", "b"], legends, 200)
    assert (row[:, :200] == 255).all()
    np.testing.assert_array_equal(row[:, 200:], pictures.field_legend(200, 1.0))
    image = np.zeros((160, 160), np.uint8)
    plain = pictures.panel([[image, image]], ["a", "b"])
    with_legend = pictures.panel([[image, image]], ["a", "b"], legends=legends)
    np.testing.assert_array_equal(with_legend[: len(plain)], plain)
    assert len(with_legend) == len(plain) + len(row)


def test_a_box_is_drawn_at_its_shares_of_width_and_height():
    marked = pictures.mark_box(np.zeros((100, 200, 3), np.uint8), (0.25, 0.5, 0.75, 1.0))
    rows, columns = np.nonzero(marked.any(-1))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (48, 99, 48, 151)
    assert not marked[60, 100].any()
    thin = pictures.mark_box(np.zeros((100, 200, 3), np.uint8), (0.25, 0.5, 0.75, 1.0), thin=True)
    assert np.flatnonzero(thin[60].any(-1)).tolist() == [49, 150]
    corner = pictures.mark_box(np.zeros((100, 200, 3), np.uint8), (0.0, 0.0, 0.1, 0.1))
    assert corner[0, 0].any()
    assert corner[11, 21].any()  # 10 rows and 20 columns, and a line of two pixels
    assert not corner[12, 22].any()


def test_a_part_around_a_box_is_enlarged_to_the_size_of_the_image():
    image = np.zeros((100, 200, 3), np.uint8)
    image[40:60, 100:140] = 255
    box = (0.5, 0.4, 0.7, 0.6)
    part = pictures.enlarged(image, box)
    assert part.shape == image.shape
    edge = np.argwhere((part == (0, 220, 255)).all(-1))  # the box is drawn in the enlarged part
    np.testing.assert_allclose(edge.min(0), (25 - 2, 50 - 2), atol=1)
    np.testing.assert_allclose(edge.max(0), (75 + 1, 150 + 1), atol=1)
    white = (part > 127).all(-1).mean()
    assert white == pytest.approx((0.2 / 0.4) ** 2, abs=0.02)  # twice the box
    corner = pictures.enlarged(image, (0.99, 0.99, 1.0, 1.0))  # the lower right quarter
    assert not corner[:80, :180].any()
    whole = pictures.enlarged(image, (0.0, 0.0, 1.0, 1.0))
    assert np.array_equal(whole[2:-2, 2:-2], image[2:-2, 2:-2])


def test_a_map_is_interpolated():
    enlarged = pictures.resized_map(np.array([[0.0, 1.0]]), 8, 2)
    assert enlarged.shape == (2, 8)
    assert (np.diff(enlarged, axis=1) >= 0).all()


def test_stacked_images_have_a_heading_and_are_padded_with_white():
    narrow, wide = (np.zeros((10, width, 3), np.uint8) for width in (20, 300))
    image = pictures.stacked([narrow, wide], "frame 3")
    assert image.shape[1] == 300
    assert (image[-20:-10, 20:] == 255).all()
    assert not image[-20:-10, :20].any()
    assert (image[:-20] < 100).any()


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
