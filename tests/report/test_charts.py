"""The data of the charts."""

import json

import numpy as np

from dmad.evaluation.summary import Report
from dmad.report import charts


def test_numbers_have_five_digits_and_gaps_are_null() -> None:
    numbers = charts.json_numbers([1 / 3, np.nan, np.inf, 2.0, 1.23456789e-7])
    assert numbers == [0.33333, None, None, 2, 1.2346e-07]


def test_a_clip_has_its_scores_labels_and_events(report: Report) -> None:
    clip = json.loads(charts.page_data(report))["clips"][0]
    assert clip["score"][:4] == [None] * 4
    assert len(clip["score"]) == 171
    assert clip["truth"] == [[60, 90]]
    assert clip["found"] == [[60, 75], [78, 90]]


def test_the_data_cannot_end_a_script_element(report: Report) -> None:
    assert "<" not in charts.page_data(report)


def test_every_figure_of_the_history_has_a_curve(report: Report) -> None:
    losses = charts.loss_curves(report)
    assert [curve["name"] for curve in losses] == ["Total loss", "own_term"]
    assert losses[0] == {"name": "Total loss", "x": [1, 2, 3], "y": [1, 0.5, 0.33333]}
    assert [curve["name"] for curve in charts.memory_curves(report)] == ["Items used"]
