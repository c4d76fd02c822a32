"""Joining the results: events, file names and the data set."""

import math

import numpy as np
import pyarrow.parquet as pq
import pytest

from dmad.scan.merge import FilmEvents, Row, _write_scores, scores_file


def as_rows(scores, gaps=()):
    found = []
    for index, score in enumerate(scores):
        late = 5.0 if any(gap <= index for gap in gaps) else 0.0
        found.append(Row(index, 0.1 * index + late, index in gaps, score, score, 0.0, score))
    return found


def events_of(calibration, scores, gaps=()):
    finder = FilmEvents(calibration, 10.0)
    found = [event for row in as_rows(scores, gaps) for event in finder.add(row)]
    return finder, [*found, *finder.end()]


@pytest.mark.parametrize("seed", range(5))
def test_events_are_those_of_the_whole_series(calibration_of, seed):
    rng = np.random.default_rng(seed)
    scores = np.repeat(rng.uniform(0, 2, 60), rng.integers(1, 6, 60))
    scores[:4] = np.nan
    calibration = calibration_of(1.5)
    finder, found = events_of(calibration, scores.tolist())
    expected = calibration.events(scores)
    assert finder.spans == [(event.start, event.end) for event in expected]
    assert [event.score for event in found] == [event.score for event in expected]
    assert [event.start for event in found] == [pytest.approx(0.1 * e.start) for e in expected]
    assert [event.end for event in found] == [pytest.approx(0.1 * e.end) for e in expected]
    assert [event.peak for event in found] == [pytest.approx(0.1 * e.peak) for e in expected]
    assert len(found) > 1


def test_a_gap_ends_an_event(calibration_of):
    _, whole = events_of(calibration_of(1.0), [2.0] * 10)
    _, parted = events_of(calibration_of(1.0), [2.0] * 10, gaps=[5])
    assert [(e.start, e.end) for e in whole] == [(0, pytest.approx(1.0))]
    assert [e.end for e in parted] == [pytest.approx(0.5), pytest.approx(6.0)]
    assert parted[1].start == pytest.approx(5.5)


def test_without_a_threshold_the_highest_frame_is_kept():
    finder, found = events_of(None, [1.0, 3.0, math.nan, 2.0])
    assert found == []
    assert (finder.highest.peak, finder.highest.score) == (pytest.approx(0.1), 3.0)
    assert math.isnan(finder.highest.threshold)
    assert finder.seconds == pytest.approx(0.4)


def test_frames_of_events_are_anomalous(tmp_path):
    rows = as_rows([math.nan, 1.0, 2.0, math.nan, 1.0])
    _write_scores(tmp_path / "a.parquet", "film.mp4", iter(rows), [(2, 4)])
    table = pq.read_table(tmp_path / "a.parquet").to_pylist()
    assert [row["verdict"] for row in table] == [None, "good", "anomalous", "anomalous", "good"]
    assert [row["score"] for row in table] == [None, 1.0, 2.0, None, 1.0]
    assert {row["path"] for row in table} == {"film.mp4"}


def test_files_of_the_data_set_have_names_of_their_own(tmp_path):
    one = scores_file(tmp_path, "a/b", "/x/film.mp4")
    two = scores_file(tmp_path, "a/b", "/y/film.mp4")
    assert one.parent == two.parent == tmp_path / "view=a%2Fb"
    assert one.name != two.name
    assert one.name.startswith("film.mp4-")
    odd = scores_file(tmp_path, "gate", "/x/" + "é" * 300 + "\udcbc")
    assert len(odd.name) < 100
