import csv
import io

import numpy as np
import pytest

from dmad.inference.result import JudgedFrames
from dmad.inference.streaming import JudgedFrame
from dmad.predict.clip_scores import ClipScores

EMPTY = np.zeros(0)
NO_BATCH = JudgedFrames(EMPTY, EMPTY, EMPTY, EMPTY, EMPTY, {}, EMPTY, EMPTY, {})


def judged(raw: float, is_calibrated: bool) -> JudgedFrame:
    calibrated = 10 * raw if is_calibrated else np.nan
    return JudgedFrame(raw, raw / 2, raw / 4, calibrated, NO_BATCH)


def scores_of(values, gaps=(), calibration=None) -> ClipScores:
    """The scores of a clip at ten frames a second; None: no score."""
    times = [index / 10 for index in range(len(values))]
    scores = ClipScores(10.0, times, gaps, calibration)
    for value in values:
        if value is None:
            scores.add_unscored()
        else:
            scores.add_scored(judged(value, calibration is not None))
    return scores


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_frames_without_a_score_have_empty_cells():
    scores = scores_of([None, 0.5])
    first, second = rows_of(scores.to_csv())
    assert list(first.values()) == ["0", "0.000", "", "", "", ""]
    assert second == {
        "frame": "1",
        "time": "0.100",
        "score": "0.5",
        "raw": "0.5",
        "reconstruction": "0.25",
        "deformation": "0.125",
    }
    assert (len(scores), scores.scored_frames) == (2, 1)


def test_without_a_threshold_the_raw_score_counts_and_there_are_no_events():
    scores = scores_of([None, 0.5, 9.0])
    np.testing.assert_array_equal(scores.main_score, [np.nan, 0.5, 9.0])
    assert scores.events == []


def test_with_a_threshold_the_calibrated_score_and_alarms_are_listed(calibration_of):
    calibration = calibration_of(5.0, minimum=1, gap=1, cooldown=0)
    scores = scores_of([None, 0.1, 0.7, None, 0.7, 0.1], calibration=calibration)
    np.testing.assert_array_equal(scores.main_score, [np.nan, 1, 7, np.nan, 7, 1])
    rows = rows_of(scores.to_csv())
    assert [row["score"] for row in rows] == ["", "1", "7", "", "7", "1"]
    assert [row["raw"] for row in rows] == ["", "0.1", "0.7", "", "0.7", "0.1"]
    assert [row["alarm"] for row in rows] == ["", "0", "1", "1", "1", "0"]


def test_an_event_ends_at_the_next_frame(calibration_of):
    calibration = calibration_of(5.0, minimum=1, gap=0, cooldown=0)
    scores = scores_of([0.1, 0.7, 0.9, 0.1], calibration=calibration)
    (row,) = rows_of(scores.events_to_csv())
    assert row == {
        "start": "0.100",
        "end": "0.300",
        "peak": "0.200",
        "score": "9",
        "threshold": "5",
    }


@pytest.mark.parametrize("gaps", [(2,), ()])
def test_an_event_ends_with_its_last_frame_at_a_gap_or_the_end(calibration_of, gaps):
    calibration = calibration_of(5.0, minimum=1, gap=0, cooldown=0)
    values = [0.1, 0.7, 0.1] if gaps else [0.1, 0.7]
    scores = scores_of(values, gaps, calibration)
    if gaps:
        scores.times[2] = 60.0
    (row,) = rows_of(scores.events_to_csv())
    assert row["end"] == "0.200"


def test_no_event_continues_over_a_gap(calibration_of):
    calibration = calibration_of(5.0, minimum=1, gap=5, cooldown=0)
    assert len(scores_of([0.7, 0.7, 0.7, 0.7], calibration=calibration).events) == 1
    assert len(scores_of([0.7, 0.7, 0.7, 0.7], [2], calibration).events) == 2


@pytest.mark.parametrize(
    ("terms", "word"), [((9, 1), "error"), ((1, 9), "deformation"), ((5, 5), "error")]
)
def test_the_larger_term_gives_the_word(calibration_of, terms, word) -> None:
    scores = ClipScores(10.0, [0.0, 0.1], calibration=calibration_of(1.0, window=2))
    scores.add_unscored()
    scores.add_scored(JudgedFrame(1.0, *terms, 5.0, NO_BATCH))
    assert scores.larger_part(1) == word


def test_without_a_threshold_no_word_is_given() -> None:
    assert ClipScores(10.0, [0.0]).larger_part(0) == ""
