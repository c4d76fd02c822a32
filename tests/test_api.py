"""The functions of `import dmad`: load, train, calibrate and evaluate."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import dmad
from dmad.api import (
    calibrate,
    choose_weight,
    complete,
    evaluate,
    load,
    log_threshold,
    set_threshold,
    train,
    train_network,
    write_evaluation,
)
from dmad.calibration.budget import Budget
from dmad.calibration.calibration import read_calibration
from dmad.calibration.request import CalibrationRequest
from dmad.config import changed
from dmad.errors import DmadError
from dmad.evaluation.metrics import micro_auroc
from dmad.evaluation.result import CALIBRATED, RAW
from dmad.runs import Run, find_model, has_model, new_run, read_card, read_config, write_config


@pytest.fixture
def run(trained, tmp_path) -> Path:
    """A copy of the trained run of video, which has no threshold."""
    return shutil.copytree(trained, tmp_path / "run")


@pytest.fixture
def image_run(trained_images, tmp_path) -> Path:
    """A copy of the trained run of images, which has a threshold."""
    return shutil.copytree(trained_images, tmp_path / "image-run")


@pytest.fixture
def normal(write_clip, tmp_path) -> Path:
    return write_clip(tmp_path / "normal", 3, 40)


@pytest.fixture
def held_out_config(write_clip, tiny, tmp_path):
    """Settings of a training that holds out one of two clips of 40 frames."""
    for seed in (0, 1):
        write_clip(tmp_path / "data" / "train" / str(seed), seed, 40)
    return tiny(tmp_path / "data", data={"held_out": 0.5, "fps": 10.0})


def with_data(run: Path, root: Path) -> Path:
    """The run, as if it was trained on data in another folder."""
    card = json.loads((run / "model.json").read_text())
    card["config"]["data"]["root"] = str(root)
    (run / "model.json").write_text(json.dumps(card))
    write_config(changed(read_config(run), root=root), Run(run))
    return run


def test_a_model_is_loaded_by_its_folder_and_by_its_file(trained, frames_of) -> None:
    frames = frames_of(3, 9)
    by_folder, by_file = load(trained), load(str(trained / "model.safetensors"))
    assert by_folder.form.name == by_file.form.name == "video"
    np.testing.assert_array_equal(by_folder(frames).score, by_file(frames).score)


def test_the_form_of_a_model_is_that_of_its_settings(trained_images) -> None:
    assert load(trained_images).form.name == "images"


def test_an_unknown_model_is_refused(tmp_path) -> None:
    with pytest.raises(DmadError, match=r"no model at .*nowhere; give a run folder"):
        load(tmp_path / "nowhere")


def test_a_model_is_loaded_with_the_threshold_of_a_camera(run, normal, tmp_path) -> None:
    out = tmp_path / "yard.json"
    stored = calibrate(run, footage=[normal], fps=10, out=out, scene="yard")
    assert load(run).calibration is None
    assert load(run, scene="yard", calibration=out).calibration == stored
    with pytest.raises(DmadError, match="was set for view yard"):
        load(run, calibration=out)
    with pytest.raises(DmadError, match="is not a file"):
        load(run, calibration=tmp_path / "nowhere.json")


def test_training_a_network_alone_sets_no_threshold(held_out_config, tmp_path) -> None:
    run = train_network(held_out_config, tmp_path / "runs")
    assert run.folder.parent == tmp_path / "runs" / "video"
    assert load(run.folder).calibration is None


def test_training_needs_settings() -> None:
    with pytest.raises(DmadError, match=r'give settings, as dmad\.recipe\("ped2"'):
        train("ped2")


def test_training_sets_a_threshold(held_out_config, tmp_path, logged) -> None:
    folder = train(held_out_config, tmp_path / "runs").folder
    calibration = load(folder).calibration
    assert (calibration.clips, calibration.frames) == (1, 36)
    assert "weighing" in read_card(find_model(folder))
    assert f"threshold {calibration.threshold:.3f}; with a probability of 90 %" in logged()


def test_a_run_is_completed_once(held_out_config, tmp_path) -> None:
    folder = new_run(held_out_config, tmp_path / "runs").folder
    complete(held_out_config, folder)
    assert has_model(folder)
    assert load(folder).calibration
    before = {name: (folder / name).stat().st_mtime_ns for name in ("model.json", "model.npz")}
    complete(held_out_config, folder)
    assert {name: (folder / name).stat().st_mtime_ns for name in before} == before


def test_a_model_without_suitable_held_out_data_stays_without_threshold(run, logged) -> None:
    """The frame rate of the footage is not known, so no threshold can be set."""
    set_threshold(run)
    assert "no threshold was set: " in logged()
    assert "calibration" not in read_card(find_model(run))


def test_without_held_out_data_no_threshold_is_tried(run, logged) -> None:
    write_config(changed(read_config(run), held_out=0.0), Run(run))
    set_threshold(run)
    assert logged() == ""


def test_the_weight_of_a_run_is_chosen_and_stored(held_out_config, tmp_path) -> None:
    folder = train(held_out_config, tmp_path / "runs").folder
    choose_weight(folder)
    card = read_card(find_model(folder))
    assert load(folder).config.score.weight == card["weighing"]["weight"]


def test_the_weight_stays_if_it_is_not_to_be_chosen(held_out_config, tmp_path) -> None:
    folder = train(changed(held_out_config, choose=False), tmp_path / "runs").folder
    set_threshold(folder)
    assert "weighing" not in read_card(find_model(folder))
    assert load(folder).calibration.scorer.weight == 0.5


def test_a_request_and_single_fields_are_the_same(run, normal) -> None:
    request = CalibrationRequest(footage=[normal], false_alarms="2/hour", fps=10)
    first = calibrate(run, request)
    assert calibrate(run, footage=[normal], false_alarms="2/hour", fps=10) == first
    assert calibrate(run, request, false_alarms="1/day").budget == Budget.parse("1/day")


def test_an_unknown_field_is_refused(run) -> None:
    with pytest.raises(TypeError, match="budget"):
        calibrate(run, budget="1/day")


def test_a_model_that_ships_with_the_project_is_not_changed(normal, tmp_path) -> None:
    with pytest.raises(DmadError, match=r"ped2 comes with dmad .* --out FILE"):
        calibrate("ped2", footage=[normal], fps=10)
    stored = calibrate("ped2", footage=[normal], fps=10, out=tmp_path / "mine.json")
    assert read_calibration(tmp_path / "mine.json") == stored


def test_a_threshold_is_logged_with_its_footage_and_warnings(run, normal, logged) -> None:
    calibration = calibrate(run, footage=[normal], false_alarms="30/hour", fps=10)
    logged()
    log_threshold(calibration)
    messages = logged().splitlines()
    (about,) = (line for line in messages if line.startswith("threshold "))
    assert about.startswith(f"threshold {calibration.threshold:.3f}; with a probability of 90 %")
    assert "the right threshold for 30/hour is between" in about
    assert about.endswith("(from 1 normal clip, 36 frames at 10 per second)")
    assert [line for line in messages if line != about] == list(calibration.warnings)


def test_a_threshold_of_images_is_logged_with_their_number(trained_images, logged) -> None:
    log_threshold(load(trained_images).calibration)
    (about,) = (line for line in logged().splitlines() if line.startswith("threshold "))
    assert "for 0.2/image" in about
    assert about.endswith("(from 4 good images)")


def test_an_evaluation_writes_ledger_scores_and_report(trained, normal_data, tmp_path) -> None:
    result = evaluate(trained, out=tmp_path)
    names = {path.name for path in tmp_path.glob("[!.]*")}
    assert names == {"ledger.json", "ledger.md", "scores.npz", "report.html"}
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


def test_an_evaluation_is_written_into_the_run_unless_a_folder_is_given(run) -> None:
    evaluate(run)
    assert (run / "evaluation" / "ledger.json").is_file()
    with pytest.raises(DmadError, match="is no run folder; give a folder with --out DIR"):
        evaluate(run / "model.safetensors")


def test_an_evaluation_uses_the_threshold_of_the_model(run, normal) -> None:
    calibrate(run, footage=[normal], false_alarms="30/hour", fps=10)
    result = evaluate(run)
    metrics = {row.metric for row in result.ledger.rows if row.signal == CALIBRATED}
    assert metrics >= {"micro_AUROC", "AP"}
    expected = micro_auroc(result.deployable[CALIBRATED], result.scores.labels)
    assert result.ledger.value(CALIBRATED) == expected


def test_an_evaluation_of_images_writes_the_same_files(image_run) -> None:
    result = evaluate(image_run)
    names = {path.name for path in (image_run / "evaluation").glob("[!.]*")}
    assert names == {"ledger.json", "ledger.md", "scores.npz", "report.html"}
    page = (image_run / "evaluation" / "report.html").read_text()
    assert "backward field" in page
    rows = json.loads((image_run / "evaluation" / "ledger.json").read_text())["rows"]
    assert [row["value"] for row in rows] == [row.value for row in result.ledger.rows]


def test_test_data_may_be_in_another_folder(run, normal_data, tmp_path) -> None:
    root = shutil.copytree(normal_data, tmp_path / "moved")
    first = evaluate(run, out=tmp_path / "first").ledger.value(RAW)
    second = evaluate(run, root=root, cache=tmp_path / "cache", out=tmp_path / "second")
    assert second.ledger.value(RAW) == first


def test_test_data_without_labels_is_refused(run, normal_data, tmp_path) -> None:
    root = shutil.copytree(normal_data, tmp_path / "data")
    (root / "test" / "labels.npy").unlink()
    with pytest.raises(DmadError, match=r"has no labels; .*says where to put them"):
        evaluate(run, root=root)


@pytest.mark.parametrize(("value", "kind"), [(0, "normal"), (1, "abnormal")])
def test_labels_of_one_kind_are_refused(run, normal_data, tmp_path, value, kind) -> None:
    root = shutil.copytree(normal_data, tmp_path / "data")
    np.save(root / "test" / "labels.npy", np.full(16, value))
    with pytest.raises(
        DmadError, match=rf"everything in .* is {kind} .*needs normal and abnormal data"
    ):
        evaluate(run, root=root)


def test_test_images_that_may_have_been_trained_on_are_reported(
    image_run, image_data, tmp_path, logged
) -> None:
    root = shutil.copytree(image_data, tmp_path / "data")
    with_data(image_run, root)
    assert "trained on" not in evaluate(image_run).ledger.labels.name
    assert "any more" not in logged()
    (root / "discs" / "train" / "good" / "000.png").unlink()
    result = evaluate(image_run)
    assert "into a folder named test" in logged()
    assert "trained on" in result.ledger.labels.name
    for path in (root / "discs" / "train" / "good").iterdir():
        path.unlink()
    evaluate(image_run)  # the training images are not needed


def test_an_evaluation_can_be_written_elsewhere(trained, tmp_path) -> None:
    result = evaluate(trained, out=tmp_path / "first")
    (tmp_path / "second").mkdir()
    write_evaluation(result, tmp_path / "second")
    for name in ("ledger.json", "ledger.md"):
        first, second = ((tmp_path / folder / name).read_text() for folder in ("first", "second"))
        assert first == second


class Pooling(torch.nn.Module):
    """A teacher that is no network of timm."""

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        stacked = torch.cat((x, -x.flip(1)), 1)
        return [torch.nn.functional.avg_pool2d(stacked, stride) for stride in (4, 8, 16)]


def test_a_teacher_can_be_given_in_python(tiny_images, tmp_path) -> None:
    config = tiny_images({"teacher_weights": None, "student_widths": (16, 16, 16)}, epochs=1)
    folder = train(config, tmp_path, teacher=Pooling()).folder
    choose_weight(folder, teacher=Pooling())
    calibrate(folder, false_alarms="0.2/image", teacher=Pooling())
    assert 0 <= evaluate(folder, teacher=Pooling()).ledger.rows[0].value <= 1
    images = np.random.default_rng(0).integers(0, 255, (2, 64, 64, 3), np.uint8)
    assert np.isfinite(load(folder, teacher=Pooling())(images).score).all()
    with pytest.raises(DmadError, match=r"was given in Python \(Pooling\)"):
        load(folder)


def test_video_has_no_teacher(tiny) -> None:
    with pytest.raises(DmadError, match="a model of video has no teacher"):
        train(tiny(None), teacher=Pooling())


def test_a_weight_file_of_another_known_network_chooses_the_teacher(
    tiny_images, teacher_weights, tmp_path
) -> None:
    default = {"teacher": "tf_efficientnet_lite0", "student_widths": (16, 16, 16)}
    config = tiny_images(default, epochs=1)
    run = train(config, tmp_path)
    assert read_config(run.folder).model.teacher == "resnet18"
    assert train(config, resume=run.folder).folder == run.folder


def test_the_public_names_are_those_of_the_api() -> None:
    for name in ("load", "train", "calibrate", "evaluate"):
        assert getattr(dmad, name) is globals()[name]
    assert set(dmad.__all__) >= {"load", "train", "calibrate", "evaluate", "recipe", "DmadError"}
