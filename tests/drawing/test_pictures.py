import numpy as np
import pytest
from PIL import Image

from dmad.drawing import pictures as visualize
from dmad.errors import DmadError


def test_heatmap_leaves_normal_areas_plain_and_grows_with_the_value(rng):
    frame = rng.integers(0, 256, (8, 9, 3), dtype=np.uint8)
    assert np.array_equal(visualize.heatmap(frame, np.zeros((8, 9)), 1.0), frame)
    ramp = visualize.heatmap(np.zeros((1, 50), np.uint8), np.linspace(0, 2, 50)[None], 1.0)
    light = ramp[0].astype(float) @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(light)[:24] > 0).all()
    assert (light[25:] == light[25]).all()


@pytest.mark.parametrize("shape", [(8, 9), (8, 9, 1), (8, 9, 3)])
def test_frames_may_be_grey_or_colour(shape):
    frame = np.full(shape, 77, np.uint8)
    assert visualize.heatmap(frame, np.ones((8, 9)), 1.0).shape == (8, 9, 3)
    assert visualize.arrows(frame, np.ones((2, 8, 9)), 2.0, step=4).shape == (8, 9, 3)


def test_nan_and_infinity_are_drawn_as_zero_and_limit():
    odd, plain = np.array([[np.nan, np.inf, -np.inf]]), np.array([[0.0, 0.5, 0.0]])
    for dtype in (np.float32, np.float64):
        image = visualize.error_image(odd.astype(dtype), 0.5)
        assert np.array_equal(image, visualize.error_image(plain, 0.5))
    field = np.full((2, 16, 16), np.nan)
    assert (visualize.color_wheel(field, 1.0) == 255).all()
    frame = np.full((16, 16, 3), 9, np.uint8)
    assert np.array_equal(visualize.arrows(frame, field, 1.0), frame)


def test_wheel_is_white_at_zero_and_tells_directions_apart():
    angles = np.arange(16) / 16 * 2 * np.pi
    field = np.stack([np.cos(angles), np.sin(angles)])[:, None]
    assert (visualize.color_wheel(0 * field, 1.0) == 255).all()
    colors = visualize.color_wheel(field, 1.0)[0].astype(int)
    gaps = np.abs(colors[:, None] - colors[None]).max(axis=-1) + 999 * np.eye(16)
    assert gaps.min() > 20
    assert np.allclose(visualize.color_wheel(5 * field, 1.0)[0], colors, atol=1)
    paler = visualize.color_wheel(field / 2, 1.0)[0].astype(int)
    assert (paler.min(axis=-1) > colors.min(axis=-1)).all()


def test_legend_agrees_with_the_wheel():
    legend = visualize.wheel_legend(64)
    right = visualize.color_wheel(np.array([0.95, 0.0]).reshape(2, 1, 1), 1.0)[0, 0]
    assert legend.shape == (64, 64, 3)
    assert np.abs(legend[32, 61].astype(int) - right).max() < 12
    assert (legend[0, 0] == 255).all()


def test_arrows_point_along_the_field_enlarged_by_the_gain():
    field = np.zeros((2, 64, 64))
    field[0] = 2.0
    frame = np.zeros((64, 64), np.uint8)
    image = visualize.arrows(frame, field, 3.0, step=64, gain=8.0)
    _, columns = np.nonzero(image[..., 0] > 100)
    assert 31 <= columns.min() <= 33
    assert 46 <= columns.max() <= 49
    assert visualize.arrows(frame, field, 3.0, zoom=3).shape == (192, 192, 3)


def test_arrows_refuse_a_field_of_another_size():
    with pytest.raises(DmadError, match="bring them to one size"):
        visualize.arrows(np.zeros((8, 8), np.uint8), np.zeros((2, 4, 4)), 1.0)


@pytest.mark.parametrize("limit", [0.0, -1.0, np.nan])
def test_a_limit_is_above_zero(limit):
    with pytest.raises(DmadError, match="limit"):
        visualize.error_image(np.zeros((2, 2)), limit)
    with pytest.raises(DmadError, match="limit"):
        visualize.color_wheel(np.zeros((2, 2, 2)), limit)


def test_panel_mixes_grey_and_colour_and_enlarges_digits(rng):
    grey = rng.integers(0, 256, (32, 32), dtype=np.uint8)
    rows = [[grey, grey[..., None], np.dstack([grey] * 3)]] * 2
    image = visualize.panel(rows, ["a", "b", "two\nlines"], ["first", "second"])
    assert image.dtype == np.uint8
    assert image.shape[0] > 2 * 160
    assert image.shape[1] > 3 * 160
    large = np.kron(grey, np.ones((5, 5), np.uint8))
    plain = visualize.panel([[grey]], ["a"])[..., 0]
    bottom, right = plain.shape[0] - 5, plain.shape[1] - 5
    assert np.array_equal(plain[bottom - 160 : bottom, right - 160 : right], large)


def test_panel_brings_images_of_two_sizes_together():
    rows = [[np.zeros((32, 32), np.uint8), np.zeros((256, 256, 3), np.uint8)]]
    assert visualize.panel(rows, ["small", "large"]).shape[1] > 512


def test_panel_says_what_does_not_fit():
    image = np.zeros((8, 8), np.uint8)
    with pytest.raises(DmadError, match="titles"):
        visualize.panel([[image, image]], ["one"])
    with pytest.raises(DmadError, match="row titles"):
        visualize.panel([[image]], ["one"], ["a", "b"])
    with pytest.raises(DmadError, match="titles"):
        visualize.panel([], ["one"])


def test_timeline_draws_gaps_labels_and_terms(rng):
    scores = rng.random(60)
    scores[:4] = np.nan
    labels = np.arange(60) > 40
    seconds, terms = np.arange(60) / 25, {"reconstruction": scores, "deformation": scores}
    plain = visualize.timeline(scores, None, {}, seconds)
    shaded = visualize.timeline(scores, labels, {}, seconds, threshold=0.5)
    full = visualize.timeline(scores, labels, terms, seconds)
    assert plain.shape == shaded.shape
    assert not np.array_equal(plain, shaded)
    assert full.shape[0] > plain.shape[0]


def test_timeline_leaves_gaps_and_shows_what_has_no_neighbours():
    def blue(scores):
        seconds = np.arange(len(scores)) / 10
        drawn = visualize.timeline(np.array(scores), None, {}, seconds).astype(int)
        return (drawn[..., 2] > drawn[..., 0] + 60).sum()

    assert blue([0.0, 1.0, np.nan, 1.0, 0.0]) < blue([0.0, 1.0, 1.0, 1.0, 0.0]) * 0.9
    assert blue([np.nan] * 4 + [1.0]) > blue([np.nan] * 5)


def test_timeline_of_no_scores_at_all():
    nothing = np.full(5, np.nan)
    assert visualize.timeline(nothing, np.zeros(5), {"term": nothing}, np.arange(5) / 10).ndim == 3


@pytest.mark.parametrize("count", [1, 2, 4])
def test_curves(count):
    history = {f"term {index}": [1.0, float("nan"), 0.5] for index in range(count)}
    assert visualize.curves(history).shape[2] == 3


def test_curves_of_nothing():
    with pytest.raises(DmadError, match="history is empty"):
        visualize.curves({})


def test_save_is_lossless_and_leaves_only_the_image(tmp_path, rng):
    image = rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    path = tmp_path / "new" / "image.png"
    visualize.save(image, path)
    with Image.open(path) as stored:
        assert np.array_equal(np.asarray(stored), image)
    with pytest.raises((TypeError, KeyError)):
        visualize.save(np.zeros((5, 7, 9)), path)
    assert [item.name for item in path.parent.iterdir()] == ["image.png"]


@pytest.fixture
def rng():
    return np.random.default_rng(0)
