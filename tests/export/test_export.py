"""Exported models: their scores, their files, and what is refused."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dmad.api import load
from dmad.config import plain
from dmad.errors import DmadError
from dmad.export.compare import COMPARED, SyntheticChange
from dmad.export.export import (
    LEAST_KEPT,
    ExportOptions,
    ExportReport,
    check_ranking,
    check_synthetic,
    export,
    write_graph,
)
from dmad.forms.images.pictures import judge_image
from dmad.forms.video.form import Video
from dmad.forms.video.pictures import ColourScale, pictures
from dmad.inference.detector import Detector
from dmad.inference.exported_backend import ExportedBackend
from dmad.inference.torch_backend import TorchBackend
from dmad.model.pdm import PDM
from dmad.runs import find_model, read_weights

FORMATS = pytest.mark.parametrize("format", ["onnx", "openvino"])
VIEWS = pytest.mark.parametrize("scene", ["", "elsewhere"])


KINDS = [(format, "fp32") for format in ("onnx", "openvino")] + [
    ("openvino", "bf16"),
    ("onnx", "int8"),
    ("openvino", "int8"),
]


@pytest.mark.parametrize(("format", "precision"), KINDS)
@pytest.mark.parametrize("form", ["trained", "trained_images"])
def test_every_form_is_exported_in_every_format_and_precision(
    request, export_run, tmp_path, form, format, precision
):
    if precision == "int8":
        pytest.importorskip("nncf", reason="needs pip install '.[export]'")
    run = request.getfixturevalue(form)
    options = {"out": tmp_path / "export", "auroc_loss": 1.0}
    report = export_run(run, format, precision, **options)
    ours, theirs = load(run, fast=False, device="cpu"), load(report.folder)
    data = ours.config.data
    shape = (9, data.size, data.size, data.channels)
    frames = np.random.default_rng(0).integers(0, 255, shape, np.uint8)
    expected, found = (detector(frames).raw[data.history :] for detector in (ours, theirs))
    tolerance = {"fp32": 1e-3, "bf16": 0.05, "int8": 0.3}[precision]
    np.testing.assert_allclose(found, expected, rtol=tolerance)
    tells_cost = any("test split: AUROC" in line for line in report.lines())
    assert tells_cost == (precision == "int8")


@FORMATS
@VIEWS
def test_an_export_has_the_scores_of_pytorch(trained, exported, frames_of, format, scene):
    frames = frames_of(3, 40)
    ours, theirs = load(trained, fast=False, device="cpu"), load(exported[format])
    assert isinstance(theirs.backend, ExportedBackend)
    expected, found = ours(frames, scene), theirs(frames, scene)
    for term in ("raw", "reconstruction", "deformation"):
        a, b = getattr(expected, term), getattr(found, term)
        assert np.isnan(b[:4]).all()
        np.testing.assert_allclose(b[4:], a[4:], rtol=1e-3, atol=1e-6)
    for name, values in expected.released.items():
        np.testing.assert_allclose(found.released[name][4:], values[4:], rtol=1e-3, atol=1e-5)


@pytest.fixture
def without_data(trained, tmp_path) -> Path:
    """A copy of a run of video whose data set is not known."""
    run = shutil.copytree(trained, tmp_path / "run")
    card = json.loads((run / "model.json").read_text())
    card["config"]["data"]["root"] = None
    (run / "model.json").write_text(json.dumps(card))
    return run


def test_without_data_an_export_is_compared_on_generated_frames(without_data, export_run, logged):
    report = export_run(without_data, "onnx")
    assert report.generated
    assert f"({COMPARED} generated frames)" in next(report.lines())
    assert "generated frames are compared" in logged()
    card = json.loads((report.folder / "model.json").read_text())
    assert card["export"]["generated"]


def test_int8_needs_data(without_data, export_run):
    with pytest.raises(DmadError, match=r"needs a folder of data; give --data\.root"):
        export_run(without_data, "onnx", "int8")


@FORMATS
@VIEWS
def test_an_export_is_drawn_as_pytorch_is(trained, exported, frames_of, format, scene):
    ours, theirs = load(trained, fast=False, device="cpu"), load(exported[format])
    frames = frames_of(3, 20)
    for a, b in zip(ours.judge(frames, scene), theirs.judge(frames, scene), strict=True):
        expected = list(pictures(a, ColourScale(ours.config)))
        found = list(pictures(b, ColourScale(ours.config)))
        for one, other in zip(found, expected, strict=True):
            assert one.titles() == other.titles()
            for tile, same in zip(one.tiles(), other.tiles(), strict=True):
                assert np.abs(tile.astype(int) - same).mean() < 1


@FORMATS
def test_an_export_of_images_has_the_scores_pictures_and_levels_of_its_run(
    trained_images, export_run, tmp_path, format
):
    folder = export_run(trained_images, format, out=tmp_path / format).folder
    ours, theirs = load(trained_images, fast=False, device="cpu"), load(folder)
    images = np.random.default_rng(0).integers(0, 255, (3, 64, 64, 3), np.uint8)
    np.testing.assert_allclose(theirs(images).score, ours(images).score, rtol=1e-3)
    assert theirs(images).verdict.tolist() == ours(images).verdict.tolist()
    assert theirs.levels == pytest.approx(ours.levels)
    expected, found = (judge_image(detector, images[:1], "one") for detector in (ours, theirs))
    assert found.verdict == expected.verdict
    assert np.abs(found.deformed.astype(int) - expected.deformed).max() <= 1
    for name in ("map", "forward", "backward"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), atol=1e-3)


def test_an_export_is_loaded_and_judges_with_numpy_and_its_runtime_alone(
    exported, frames_of, calibration_of, tmp_path
):
    folder = Path(shutil.copytree(exported["onnx"], tmp_path / "export"))
    card = json.loads((folder / "model.json").read_text())
    card["calibration"] = calibration_of(0.01).to_dict()
    (folder / "model.json").write_text(json.dumps(card))
    np.save(tmp_path / "frames.npy", frames_of(3, 9))
    code = f"""
import sys
import numpy as np
import dmad
detector = dmad.load({str(folder)!r})
result = detector(np.load({str(tmp_path / "frames.npy")!r}))
assert np.isfinite(result.score[4:]).all()
assert np.isfinite(result.calibrated[4:]).all()
assert result.alarm.any()
heavy = {{"torch", "scipy", "sklearn", "PIL", "av", "rich", "jinja2"}} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_export_without_heads_is_drawn_too(tiny, frames_of, tmp_path, exported):
    config = tiny(None, model=replace(tiny(None).model, reductions=(), displacements=()))
    model = PDM(config.model, 32, 1, 4).eval()
    backend = TorchBackend(model, config, Video(), "cpu", fast=False)
    write_graph(backend, "onnx", "fp32", tmp_path, [])
    card = {"config": plain(config), "scenes": [""]}
    (tmp_path / "model.json").write_text(json.dumps(card))
    np.save(tmp_path / "background.npy", backend.templates)
    (judged,) = load(tmp_path).judge(frames_of(3, 6))
    assert set(judged.drawings) == {"reference", "reconstructions"}
    assert len(list(pictures(judged, ColourScale(config)))) == 2


@pytest.fixture
def run_dmad(monkeypatch):
    """A function that calls the command line in this process."""
    from dmad.cli.main import main

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["dmad", *map(str, arguments)])
        main()

    return run


def test_commands_take_an_export_of_video(exported, write_clip, tmp_path, run_dmad, capsys):
    folder = Path(shutil.copytree(exported["onnx"], tmp_path / "carried"))
    clip = write_clip(tmp_path / "clip", 3, 40)
    run_dmad("predict", folder, clip, "--out", tmp_path / "judged", "--fps", "10")
    assert (tmp_path / "judged" / "clip" / "annotated.mp4").is_file()
    view = ("--scene", "elsewhere", "--fps", "10")
    run_dmad("calibrate", folder, clip, "--false-alarms", "1/day", *view)
    card = json.loads((folder / "model.json").read_text())
    assert card["calibration"]["budget"] == {"amount": 1.0, "unit": "day"}
    capsys.readouterr()
    run_dmad("watch", folder, clip, *view)
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (last["frames"], last["scored"]) == (40, 36)


def test_commands_take_an_export_of_images(trained_images, export_run, tmp_path, run_dmad):
    folder = export_run(trained_images, "onnx", out=tmp_path / "carried").folder
    before = load(folder).calibration
    assert before == load(trained_images).calibration
    root = Path(load(trained_images).config.data.root or "")
    run_dmad("predict", folder, root, "--out", tmp_path / "judged")
    assert (tmp_path / "judged" / "scores.csv").is_file()
    run_dmad("calibrate", folder, "--false-alarms", "0.1/image", "--data.root", root)
    card = json.loads((folder / "model.json").read_text())
    assert card["calibration"]["budget"] == {"amount": 0.1, "unit": "image"}
    run_dmad("evaluate", folder, "--data.root", root)
    assert (folder / "evaluation" / "ledger.json").is_file()


def test_an_export_is_no_model_to_export_or_to_train_from(exported, export_run, tmp_path):
    with pytest.raises(DmadError, match="is already an export"):
        export_run(exported["onnx"], "onnx", out=tmp_path / "again")
    with pytest.raises(DmadError, match="not weights"):
        read_weights(find_model(exported["onnx"]))


def test_the_card_holds_what_a_camera_needs_and_no_paths(trained, exported):
    card = json.loads((exported["onnx"] / "model.json").read_text())
    whole = json.loads((trained / "model.json").read_text())
    assert card.get("calibration") == whole.get("calibration")
    assert card["scenes"] == whole["scenes"]
    assert card["config"]["data"]["root"] is None
    assert card["export"]["difference"] < 1e-3
    assert (card["export"]["format"], card["export"]["precision"]) == ("onnx", "fp32")
    assert np.load(exported["onnx"] / "background.npy").shape == (1, 1, 32, 32)


class OtherWhenExported(Video):
    """A form whose score is twice as high in an exported graph."""

    def outputs(self, *arguments):
        import torch

        outputs = super().outputs(*arguments)
        if torch.onnx.is_in_onnx_export():
            outputs["terms"] = 2 * outputs["terms"]
        return outputs


def test_an_export_that_differs_is_refused_and_not_written(trained, tmp_path):
    detector = load(trained, fast=False, device="cpu")
    form = OtherWhenExported()
    backend = TorchBackend(detector.backend.model, detector.config, form, "cpu", fast=False)
    other = Detector(backend, detector.config, form, detector.scenes)
    with pytest.raises(DmadError, match=r"differs from PyTorch by .*try another --format"):
        export(other, find_model(trained), ExportOptions("onnx", out=tmp_path / "out"))
    assert [path.name for path in tmp_path.iterdir()] == [".out.lock"]


@FORMATS
def test_images_in_int8_are_compared_on_synthetic_defects_without_labels(
    trained_images, export_run, tmp_path, format
):
    pytest.importorskip("nncf", reason="needs pip install '.[export]'")
    root = Path(load(trained_images).config.data.root or "") / "discs" / "train" / "good"
    good = Path(shutil.copytree(root, tmp_path / "data" / "discs" / "train" / "good")).parents[2]
    out = tmp_path / format
    report = export_run(trained_images, format, "int8", out=out, root=good)
    assert report.auroc is None
    assert report.synthetic is not None
    assert report.synthetic.kept >= LEAST_KEPT


def test_int8_that_finds_fewer_synthetic_anomalies_is_refused():
    report = ExportReport(Path("out"), "onnx", "int8", 0.01, 32)
    kept = check_synthetic(report, SyntheticChange(0.951, 0.95, 0.97, 900), loss=0.005)
    assert kept.synthetic is not None
    with pytest.raises(DmadError, match=r"lowers the AUROC of synthetic anomalies by 2.00 points"):
        check_synthetic(report, SyntheticChange(0.93, 0.95, 0.97, 900), loss=0.005)
    few = SyntheticChange(0.93, 0.95, 0.97, 48)  # one pair less is 2 points
    assert check_synthetic(report, few, loss=0.005).synthetic == few
    with pytest.raises(DmadError, match="keeps 12% of the score of synthetic anomalies"):
        check_synthetic(report, SyntheticChange(0.95, 0.95, 0.12, 900), loss=0.005)


def test_an_export_that_costs_too_much_auroc_is_refused(trained, exported):
    detector, other = load(trained, fast=False, device="cpu"), load(exported["onnx"])
    report, data = ExportReport(Path("out"), "onnx", "int8", 0.01, 32), detector.config.data
    assert check_ranking(report, detector, other, data, loss=0.005).auroc is not None
    with pytest.raises(DmadError, match=r"int8 lowers AUROC by .* points"):
        check_ranking(report, detector, other, data, loss=-0.5)


def test_a_report_says_if_only_synthetic_anomalies_were_compared():
    change = SyntheticChange(0.95, 0.96, 0.97, 900)
    report = ExportReport(Path("out"), "openvino", "int8", 0.01, 32, change)
    assert list(report.lines()) == [
        "largest difference from PyTorch: 1.0e-02 (32 frames)",
        "synthetic anomalies: AUROC 0.9500, PyTorch 0.9600: -1.00 points; 97.0% of the score kept",
        "no test split with labels: only synthetic anomalies were compared",
    ]
    *_, last = replace(report, synthetic=None).lines()
    assert last == "no test split with labels and no synthetic anomalies: no AUROC was compared"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "onnx", "--precision", "bf16"], "no bf16"),
        (["--format", "coreml"], "coreml"),
    ],
)
def test_an_impossible_export_is_refused_in_one_line(trained, capsys, run_dmad, arguments, message):
    with pytest.raises(SystemExit) as stopped:
        run_dmad("export", trained, *arguments)
    error = capsys.readouterr().err.strip()
    assert stopped.value.code == 2
    assert message in error
    assert "\n" not in error


def test_without_an_output_folder_an_export_is_put_into_its_run(trained, export_run, tmp_path):
    run = Path(shutil.copytree(trained, tmp_path / "run"))
    assert export_run(run, "onnx").folder == run / "export" / "onnx-fp32"


def test_of_a_graph_and_weights_in_one_folder_the_graph_is_loaded(
    trained, exported, frames_of, tmp_path
):
    shutil.copytree(exported["onnx"], tmp_path, dirs_exist_ok=True)
    shutil.copy(trained / "model.safetensors", tmp_path)
    detector = load(tmp_path)
    assert isinstance(detector.backend, ExportedBackend)
    assert np.isfinite(detector(frames_of(3, 6)).score[4:]).all()


@FORMATS
def test_a_full_disk_is_named_and_nothing_is_left(trained, export_run, at_most, tmp_path, format):
    with pytest.raises((OSError, DmadError), match=str(tmp_path)), at_most(2000):
        export_run(trained, format, out=tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == [".out.lock"]


def test_an_export_replaces_another_export(trained, exported, export_run, tmp_path):
    shutil.copytree(exported["onnx"], tmp_path / "one")
    export_run(trained, "openvino", out=tmp_path / "one")
    assert find_model(tmp_path / "one").weights.name == "model.xml"


def test_an_export_replaces_no_other_files_and_removes_old_terms(trained, export_run, tmp_path):
    with pytest.raises(DmadError, match="contains a trained model"):
        export_run(trained, "onnx", out=trained)
    out = tmp_path / "out"
    out.mkdir()
    (out / "model.onnx").write_bytes(b"of another tool")
    with pytest.raises(DmadError, match=r"contains model\.onnx, but is no export"):
        export_run(trained, "onnx", out=out)
    assert (out / "model.onnx").read_bytes() == b"of another tool"
    (out / "model.onnx").unlink()
    export_run(trained, "onnx", out=out)
    (out / "model.npz").write_bytes(b"terms of its last threshold")
    export_run(trained, "onnx", out=out)
    assert not (out / "model.npz").exists()


def test_damaged_and_half_exports_are_refused(exported, tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(DmadError, match="keep the two together"):
        load(tmp_path)
    (tmp_path / "model.json").write_text((exported["onnx"] / "model.json").read_text())
    with pytest.raises(DmadError, match=r"has no background\.npy"):
        load(tmp_path)


@pytest.mark.parametrize("name", ["model.onnx", "background.npy"])
def test_an_export_with_a_missing_or_a_changed_part_is_refused(exported, tmp_path, name):
    part = Path(shutil.copytree(exported["onnx"], tmp_path / "export")) / name
    content = bytearray(part.read_bytes())
    content[-1] ^= 1
    part.write_bytes(content)
    with pytest.raises(DmadError, match=f"{name} is damaged or belongs to another export"):
        load(tmp_path / "export")
    part.unlink()
    with pytest.raises(DmadError, match=f"has no {name}|no model at"):
        load(tmp_path / "export")


@pytest.mark.parametrize(
    "templates",
    [np.zeros((1, 1, 32, 32)), np.zeros((2, 1, 32, 32), np.float32), np.zeros(3, np.float32)],
)
def test_templates_of_another_shape_are_refused(exported, tmp_path, templates):
    folder = Path(shutil.copytree(exported["onnx"], tmp_path / "export"))
    card = json.loads((folder / "model.json").read_text())
    del card["export"]["sha256"]  # as in an early export
    (folder / "model.json").write_text(json.dumps(card))
    load(folder)
    np.save(folder / "background.npy", templates)
    with pytest.raises(DmadError, match=r"background\.npy holds .*; export the model again"):
        load(folder)


def test_frames_of_another_shape_are_refused(exported):
    with pytest.raises(DmadError, match=r"give uint8 \(N, 32, 32, 1\)"):
        load(exported["onnx"])(np.zeros((9, 16, 32, 1), np.uint8))
