import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest

from dmad.cli import main
from dmad.data.load import load_split
from dmad.errors import DmadError
from dmad.evaluation.events import Event, find_events
from dmad.evaluation.metrics import micro_auroc
from dmad.evaluation.result import CALIBRATED, RAW
from dmad.evaluation.scorer import Scorer, Standardisation
from dmad.inference.detector import load
from dmad.inference.explain import Limits
from dmad.inference.predict import predict
from dmad.judge import evaluate
from dmad.runs import find_model, read_card
from dmad.summary import panels
from dmad.thresholds import calibrate


def test_evaluate_writes_ledger_and_scores(trained, normal_data, tmp_path):
    result = evaluate(trained, out=tmp_path)
    ledger = json.loads((tmp_path / "ledger.json").read_text())
    keys = {"block", "signal", "metric", "value", "note"}
    assert all(row.keys() == keys for row in ledger["rows"])
    assert [row["value"] for row in ledger["rows"]] == [row.value for row in result.ledger.rows]
    assert {row["block"] for row in ledger["rows"]} == {"deployable", "blind"}
    labels = np.load(normal_data / "test" / "labels.npy").astype(np.uint8)
    digest = hashlib.sha256(labels.tobytes()).hexdigest()
    assert ledger["labels"] == {"name": "labels.npy", "sha256": digest}
    assert ledger["frames_without_score"] == 8
    scores = np.load(tmp_path / "scores.npz", allow_pickle=False)
    assert scores["clip_lengths"].tolist() == [8, 8]
    assert scores["labels"].tolist() == labels.tolist()
    assert np.flatnonzero(np.isnan(scores["score"])).tolist() == [0, 1, 2, 3, 8, 9, 10, 11]
    assert result.ledger.value(RAW) == micro_auroc(scores["score"], labels)
    assert "Eq. 14 raw" in (tmp_path / "ledger.md").read_text()


def test_evaluate_writes_into_the_run_unless_told(trained):
    evaluate(trained)
    assert (trained / "evaluation" / "ledger.json").is_file()
    with pytest.raises(DmadError, match="--out"):
        evaluate(trained / "model.safetensors")


def test_full_heat_is_that_of_the_footage_of_the_threshold(trained, calibration_of):
    detector = load(trained)
    limits = Limits.of(detector)
    assert (limits.heat(1.0), limits.heat(9.0)) == (3.0, 15.0)  # the median of what came
    scorer = Scorer(Standardisation(2.0, 1.0), Standardisation(0.0, 1.0), 0.5, 1)
    detector.calibration = replace(calibration_of(1.0), scorer=scorer)
    limits = Limits.of(detector)
    assert (limits.heat(1.0), limits.heat(9.0)) == (6.0, 6.0)


def test_a_panel_has_a_tile_for_each_caption(trained):
    detector = load(trained)
    test = load_split(detector.config.data, "test")
    (first,) = np.flatnonzero(test.labels[:8])[:1]
    for labels, truth in ((test.labels, "abnormal"), (np.zeros(16, np.uint8), "normal: a false")):
        test = replace(test, labels=labels)
        event, limits = Event(first, 8, 7, 1.0, first), Limits(detector.config, 1.0)
        found = panels(detector, test, [event], 10.0, limits)[0]
        assert found.image.shape[1] == len(found.tiles) * found.image.shape[0]
        assert f"labelled {truth}" in found.caption


@pytest.fixture
def own(trained, tmp_path):
    """A copy of the trained run, to write a threshold into."""
    from shutil import copytree

    return copytree(trained, tmp_path / "run")


def test_calibrate_keeps_the_threshold_with_the_model(own, write_clip, tmp_path):
    clips = [write_clip(tmp_path / "normal" / str(seed), seed, 40) for seed in (3, 4)]
    found = calibrate(own, clips, "30/hour", fps=10)
    assert load(own).calibration == found
    assert found.clips == 2
    assert found.frames == 2 * 36
    assert read_card(find_model(own))["config"]  # the rest of the card is still there


def test_evaluate_uses_the_threshold(own, write_clip, tmp_path):
    calibrate(own, [write_clip(tmp_path / "normal", 3, 40)], "30/hour", fps=10)
    result = evaluate(own)
    metrics = {row.metric for row in result.ledger.rows if row.signal == CALIBRATED}
    assert metrics >= {"micro_AUROC", "AP"}
    expected = micro_auroc(result.deployable[CALIBRATED], result.scores.labels)
    assert result.ledger.value(CALIBRATED) == expected


def test_a_model_without_threshold_has_no_calibrated_row(trained):
    assert load(trained).calibration is None
    assert CALIBRATED not in {row.signal for row in evaluate(trained).ledger.rows}


def test_unknown_frame_rate_is_refused(own, write_clip, tmp_path):
    with pytest.raises(DmadError, match="--fps"):
        calibrate(own, [write_clip(tmp_path / "normal", 3, 40)])


def test_calibrate_prints_the_threshold(own, write_clip, tmp_path, monkeypatch, capsys):
    clip = write_clip(tmp_path / "normal", 3, 40)
    command = ["dmad", "calibrate", str(own), str(clip), "--false-alarms", "2/hour", "--fps", "10"]
    monkeypatch.setattr("sys.argv", command)
    main()
    assert "threshold" in capsys.readouterr().err


def test_a_budget_that_is_none_is_one_line(own, write_clip, tmp_path, monkeypatch, capsys):
    clip = write_clip(tmp_path / "normal", 3, 40)
    command = ["dmad", "calibrate", str(own), str(clip), "--false-alarms", "few", "--fps", "10"]
    monkeypatch.setattr("sys.argv", command)
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    assert "write 1/day" in capsys.readouterr().err


def test_predict_writes_events_at_the_threshold(own, write_clip, tmp_path):
    clip = write_clip(tmp_path / "normal", 3, 40)
    found = calibrate(own, [clip], "30/hour", fps=10)
    (out,) = predict(own, [clip], tmp_path / "out", panels=0, video=False)
    lines = (out / "scores.csv").read_text().splitlines()
    assert lines[0].split(",")[-2:] == ["calibrated", "alarm"]
    scores, alarms = np.array([line.split(",")[-2:] for line in lines[5:]], float).T
    events = find_events(scores, found.rule)
    assert alarms.sum() == sum(event.end - event.start for event in events)
    assert len((out / "events.csv").read_text().splitlines()) == 1 + len(events)
