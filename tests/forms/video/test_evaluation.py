import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest

from dmad.calibration.alarms import Event, find_events
from dmad.calibration.standardisation import Scorer, Standardisation
from dmad.cli.main import main
from dmad.data.footage import stack
from dmad.data.splits import LabelledFootage, load_split
from dmad.data.zones import Zone
from dmad.errors import DmadError
from dmad.evaluation.metrics import micro_auroc
from dmad.evaluation.pixel_metrics import PixelMetrics
from dmad.evaluation.result import CALIBRATED, RAW
from dmad.forms.video.evaluation import evaluate, judge, known_before, score_clips
from dmad.forms.video.pictures import Limits
from dmad.forms.video.summary import panels
from dmad.inference.detector import Detector, load
from dmad.model.scoring import pixel_map
from dmad.predict.video import predict
from dmad.runs import find_model, read_card
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


@pytest.fixture
def detector(random_model, tiny, monkeypatch) -> Detector:
    monkeypatch.setattr("dmad.inference.detector.has_fast_bf16", lambda _: False)
    return Detector(random_model, tiny(None), device="cpu")


@pytest.fixture
def two(frames_of) -> LabelledFootage:
    """Two clips of ten frames, the last three of each abnormal."""
    whole = stack([frames_of(1, 10), frames_of(2, 10)], 10.0)
    return LabelledFootage(whole, np.tile([0] * 7 + [1] * 3, 2).astype(np.uint8), "mine")


def test_scores_are_the_detectors_clip_by_clip(detector, two, frames_of, calibration_of):
    detector.calibration = calibration_of(1.0, window=8)
    found = judge(detector, two)
    alone = [detector(frames_of(seed, 10)) for seed in (1, 2)]
    for name, term in (("eq12", "reconstruction"), ("eq13", "deformation")):
        whole = np.concatenate([getattr(one, term) for one in alone])
        np.testing.assert_allclose(found.scores.channels[name], whole, atol=1e-5)
    scorer = detector.calibration.scorer
    calibrated = np.concatenate([scorer.score(one.reconstruction, one.deformation) for one in alone])
    np.testing.assert_allclose(found.deployable[CALIBRATED], calibrated, atol=1e-4)


def test_a_threshold_is_judged_by_its_alarms(detector, two, calibration_of):
    detector.calibration = calibration_of(1e-6)
    assert judge(detector, two).ledger.value(CALIBRATED, "event_recall") == 1


def test_maps_lie_where_their_clip_does(detector, two):
    squares = {clip.name: np.zeros((10, 32, 32), bool) for clip in two.footage.clips}
    metrics = PixelMetrics()
    for clip in two.footage.clips:
        squares[clip.name][7:, 10:16, 10:16] = True
        for part in detector.explain(two.footage.frames[clip.span]):
            maps = pixel_map(part.scores, detector.config.score).cpu().numpy()
            for index, scores in zip(part.index, maps, strict=True):
                metrics.update(scores, squares[clip.name][index])
    found = judge(detector, replace(two, masks=squares.__getitem__))
    assert found.ledger.value(RAW, "pixel_AUROC") == pytest.approx(metrics.auroc())


def test_only_the_zone_is_scored(detector, frames_of):
    footage = stack([frames_of(3, 9)], 10.0)
    zone = Zone.parse("0,0 0.49,0 0.49,0.49 0,0.49", [])
    (part,), (whole,) = score_clips(detector, footage, zone=zone), score_clips(detector, footage)
    assert (part.score[4:] < whole.score[4:]).all()


def test_what_was_trained_on_is_told(detector, write_clip, tmp_path):
    for name in ("mine/1", "mine/2", "apart/train/a", "apart/test/a"):
        write_clip(tmp_path / name, 1)
    for name, told in (("mine", True), ("apart", False)):
        data = replace(detector.config.data, root=tmp_path / name)
        detector.config = replace(detector.config, data=data)
        assert ("were trained on too" in known_before(detector, data, {})) == told
