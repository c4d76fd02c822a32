import re

import numpy as np
import pytest

from dmad.drawing.thumbnails import WIDTH, thumbnails
from dmad.evaluation.summary import Series


@pytest.mark.parametrize("frames", [1, 100, 171, 2000])
def test_a_thumbnail_shows_the_peak_in_its_place(frames: int) -> None:
    score = np.zeros(frames)
    score[frames // 3] = 9
    clip = Series("a", score, score, score, score, [(frames // 3, frames // 3 + 1)])
    (thumbnail,) = thumbnails([clip], None)
    points = np.array(re.findall(r"([\d.]+) ([\d.]+)", thumbnail.path), float)
    assert len(points) == min(frames, WIDTH)
    peak = points[points[:, 1].argmin(), 0]
    assert abs(peak - WIDTH * (frames // 3 + 0.5) / frames) <= 1
    assert thumbnail.caption == "1 detected, 1 labelled"


def test_thumbnails_have_gaps_and_one_scale() -> None:
    low, high = np.array([0.0, np.nan, 1.0]), np.array([0.0, 2.0, 4.0])
    clips = [Series("a", low, low, low, None, []), Series("b", high, high, high, None, [])]
    first, second = thumbnails(clips, 5.0)
    assert (first.path.count("M"), second.path.count("M")) == (2, 1)
    assert first.threshold == second.threshold == 2
    assert first.path.split()[1].startswith(second.path.split()[1].split("L")[0])


def test_a_score_between_gaps_is_a_dot() -> None:
    score = np.array([np.nan, np.nan, 1.0, np.nan, 2.0, 3.0])
    (thumbnail,) = thumbnails([Series("a", score, score, score, None, [])], None)
    assert re.fullmatch(r"M[\d. ]+h0M[\d. ]+L[\d. ]+", thumbnail.path)


def test_a_clip_without_frames_has_an_empty_thumbnail() -> None:
    none = np.zeros(0)
    (thumbnail,) = thumbnails([Series("a", none, none, none, none, None)], None)
    assert (thumbnail.path, thumbnail.truth, thumbnail.found) == ("", [], [])
