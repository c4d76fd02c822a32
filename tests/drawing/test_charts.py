"""Charts of scores over time and of trainings."""

import numpy as np
import pytest

from dmad.drawing import charts
from dmad.errors import DmadError


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_a_timeline_shows_labels_threshold_and_terms(rng):
    scores = rng.random(60)
    scores[:4] = np.nan
    labels = np.arange(60) > 40
    seconds, terms = np.arange(60) / 25, {"reconstruction": scores, "deformation": scores}
    plain = charts.timeline(scores, None, {}, seconds)
    shaded = charts.timeline(scores, labels, {}, seconds, threshold=0.5)
    full = charts.timeline(scores, labels, terms, seconds)
    assert plain.shape == shaded.shape
    assert not np.array_equal(plain, shaded)
    assert full.shape[0] > plain.shape[0]


def test_a_timeline_leaves_gaps_and_shows_single_scores():
    def blue(scores):
        seconds = np.arange(len(scores)) / 10
        drawn = charts.timeline(np.array(scores), None, {}, seconds).astype(int)
        return (drawn[..., 2] > drawn[..., 0] + 60).sum()

    assert blue([0.0, 1.0, np.nan, 1.0, 0.0]) < blue([0.0, 1.0, 1.0, 1.0, 0.0]) * 0.9
    assert blue([np.nan] * 4 + [1.0]) > blue([np.nan] * 5)


def test_a_timeline_without_any_score_is_drawn():
    nothing = np.full(5, np.nan)
    assert charts.timeline(nothing, np.zeros(5), {"term": nothing}, np.arange(5) / 10).ndim == 3


@pytest.mark.parametrize("count", [1, 2, 4])
def test_curves_are_drawn_for_any_number_of_quantities(count):
    history = {f"term {index}": [1.0, float("nan"), 0.5] for index in range(count)}
    assert charts.training_curves(history).shape[2] == 3


def test_an_empty_history_is_refused():
    with pytest.raises(DmadError, match="history is empty"):
        charts.training_curves({})


def test_a_figure_has_its_axes_row_by_row_and_its_size_in_pixels():
    figure, axes = charts.make_axes(4, [2, 1], 3)
    assert len(axes) == 6
    assert charts.render(figure, dpi=50).shape == (165, 200, 3)


@pytest.mark.parametrize("scores", [None, np.array([np.nan, 1.0, 3.0])])
def test_a_figure_shows_pictures_in_their_proportions(scores):
    pictures = {name: np.zeros((40, 80, 3), np.uint8) for name in ("input", "map")}
    figure = charts.explanation_figure(pictures, "alarm", scores, 2.0, row=2)
    assert figure._repr_png_()  # lays the figure out
    boxes = [axis.bbox for axis in figure.axes[:2]]
    assert [box.width / box.height for box in boxes] == pytest.approx([2, 2], rel=0.05)
    assert len(figure.axes) == (2 if scores is None else 3)
