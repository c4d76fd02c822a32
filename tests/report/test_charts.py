"""The data of the charts, and the thumbnails."""

import json
import re

import numpy as np
import pytest

from dmad.evaluation.summary import Report, Series
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


@pytest.mark.parametrize("frames", [1, 100, 171, 2000])
def test_a_thumbnail_shows_the_peak_in_its_place(frames: int) -> None:
    score = np.zeros(frames)
    score[frames // 3] = 9
    clip = Series("a", score, score, score, score, [(frames // 3, frames // 3 + 1)])
    (thumbnail,) = charts.thumbnails([clip], None)
    points = np.array(re.findall(r"([\d.]+) ([\d.]+)", thumbnail.path), float)
    assert len(points) == min(frames, charts.WIDTH)
    peak = points[points[:, 1].argmin(), 0]
    assert abs(peak - charts.WIDTH * (frames // 3 + 0.5) / frames) <= 1
    assert thumbnail.caption == "1 detected, 1 labelled"


def test_thumbnails_have_gaps_and_one_scale() -> None:
    low, high = np.array([0.0, np.nan, 1.0]), np.array([0.0, 2.0, 4.0])
    clips = [Series("a", low, low, low, None, []), Series("b", high, high, high, None, [])]
    first, second = charts.thumbnails(clips, 5.0)
    assert (first.path.count("M"), second.path.count("M")) == (2, 1)
    assert first.threshold == second.threshold == 2
    assert first.path.split()[1].startswith(second.path.split()[1].split("L")[0])


def test_a_score_between_gaps_is_a_dot() -> None:
    score = np.array([np.nan, np.nan, 1.0, np.nan, 2.0, 3.0])
    (thumbnail,) = charts.thumbnails([Series("a", score, score, score, None, [])], None)
    assert re.fullmatch(r"M[\d. ]+h0M[\d. ]+L[\d. ]+", thumbnail.path)


def test_a_clip_without_frames_has_an_empty_thumbnail() -> None:
    none = np.zeros(0)
    (thumbnail,) = charts.thumbnails([Series("a", none, none, none, none, None)], None)
    assert (thumbnail.path, thumbnail.truth, thumbnail.found) == ("", [], [])
