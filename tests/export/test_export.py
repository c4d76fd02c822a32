import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import dmad
from dmad.cli.main import main
from dmad.config import plain
from dmad.data.footage import Clip, Footage
from dmad.errors import DmadError
from dmad.export.quantise import FINE
from dmad.forms.images.pictures import judge_image
from dmad.forms.video.pictures import Limits, pictures
from dmad.inference import runtime
from dmad.inference.detector import Detector, load
from dmad.inference.exported import Exported
from dmad.model.pdm import PDM
from dmad.runs import find_model, read_weights

for package in ("onnx", "onnxruntime", "openvino"):
    pytest.importorskip(package, reason="needs pip install 'dmad[export]'")

from dmad.export import export as exporting
from dmad.export.export import export

TERMS = ("score", "reconstruction", "deformation")


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory) -> dict[str, Path]:
    out = tmp_path_factory.mktemp("exports")
    return {form: export(trained, form, out=out / form).folder for form in ("onnx", "openvino")}


@pytest.mark.parametrize("form", ["onnx", "openvino"])
@pytest.mark.parametrize("scene", ["", "elsewhere"])
def test_an_export_scores_as_pytorch_does(trained, exported, frames_of, form, scene):
    frames = frames_of(3, 40)
    ours, theirs = dmad.load(trained, fast=False, device="cpu"), dmad.load(exported[form])
    assert isinstance(ours, Detector)
    assert isinstance(theirs, runtime.Runtime)
    expected, found = ours(frames, scene), theirs(frames, scene)
    for term in TERMS:
        a, b = getattr(expected, term), getattr(found, term)
        assert np.isnan(b[:4]).all()
        np.testing.assert_allclose(b[4:], a[4:], rtol=1e-3, atol=1e-6)
    for name, values in expected.released.items():
        np.testing.assert_allclose(found.released[name][4:], values[4:], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("form", ["onnx", "openvino"])
def test_images_are_exported_too(trained_images, tmp_path, form):
    found = export(trained_images, form, out=tmp_path / form)
    ours, theirs = dmad.load(trained_images, fast=False, device="cpu"), dmad.load(found.folder)
    images = np.random.default_rng(0).integers(0, 255, (3, 64, 64, 3), np.uint8)
    np.testing.assert_allclose(theirs(images).score, ours(images).score, rtol=1e-3)
    assert theirs.levels == pytest.approx(ours.levels)


@pytest.mark.parametrize("form", ["onnx", "openvino"])
def test_an_export_of_images_takes_the_place_of_its_run(trained_images, tmp_path, form, run_dmad):
    folder = export(trained_images, form, out=tmp_path / form).folder
    image = np.random.default_rng(0).integers(0, 255, (1, 64, 64, 3), np.uint8)
    ours, theirs = load(trained_images, fast=False, device="cpu"), load(folder)
    assert isinstance(theirs, Exported)
    expected, found = (judge_image(detector, image, "one") for detector in (ours, theirs))
    assert found.verdict == expected.verdict
    assert np.abs(found.deformed.astype(int) - expected.deformed).max() <= 1
    for name in ("map", "forward", "backward"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), atol=1e-3)
    root = Path(ours.config.data.root or "")
    run_dmad("predict", folder, root, "--out", tmp_path / "judged")
    assert (tmp_path / "judged" / "scores.csv").is_file()
    where = ("--data.root", root)
    run_dmad("calibrate", folder, "--false-alarms", "0.1/image", *where)
    card = json.loads((folder / "model.json").read_text())
    assert card["calibration"]["budget"] == {"amount": 0.1, "unit": "image"}
    run_dmad("evaluate", folder, *where)
    assert (folder / "evaluation" / "ledger.json").is_file()
    assert theirs.calibration == ours.calibration


def test_an_export_runs_without_torch(exported, frames_of, tmp_path):
    np.save(tmp_path / "frames.npy", frames_of(3, 9))
    code = (
        "import sys, numpy as np, dmad; "
        f"detector = dmad.load({str(exported['onnx'])!r}); "
        f"print(detector(np.load({str(tmp_path / 'frames.npy')!r})).score[4:]); "
        "sys.exit(any(name in sys.modules for name in ('torch', 'scipy', 'sklearn', 'rich')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("drawn", ["heads.0/final", "final/final.3", "mask/layers/layers.3"])
def test_what_draws_is_kept_out_of_int8(exported, drawn):
    """By its name in the graph: a layer renamed would silently be rounded."""
    import onnx

    nodes = onnx.load(exported["onnx"] / "model.onnx").graph.node
    kept = [node.name for node in nodes if re.fullmatch(FINE, node.name)]
    assert any(f"/{drawn}/" in name for name in kept)


@pytest.mark.parametrize("form", ["onnx", "openvino"])
@pytest.mark.parametrize("scene", ["", "elsewhere"])
def test_an_export_takes_the_place_of_its_run(trained, exported, frames_of, form, scene):
    ours, theirs = load(trained, fast=False, device="cpu"), load(exported[form])
    assert isinstance(theirs, Exported)
    frames = frames_of(3, 20)
    for a, b in zip(ours.explain(frames, scene), theirs.explain(frames, scene), strict=True):
        for expected, found in zip(a.columns(), b.columns(), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)
        pairs = zip(pictures(a, Limits(ours.config)), pictures(b, Limits(ours.config)), strict=True)
        for expected, found in pairs:
            assert found.titles() == expected.titles()
            for one, other in zip(found.tiles(), expected.tiles(), strict=True):
                assert np.abs(one.astype(int) - other).mean() < 1
    assert theirs.run(torch.from_numpy(frames[None, :5]), None)[1].score.shape == (1,)


def test_an_export_without_heads_is_drawn_too(tiny, frames_of, tmp_path):
    config = tiny(None, model=replace(tiny(None).model, reductions=(), displacements=()))
    model = PDM(config.model, 32, 1, 4).eval()
    exporting.build(model, config, "onnx", "fp32", tmp_path, [])
    card = {"config": plain(config), "scenes": [""]}
    (tmp_path / "model.json").write_text(json.dumps(card))
    np.save(tmp_path / "background.npy", model.background.detach().numpy())
    (found,) = load(tmp_path).explain(frames_of(3, 6))
    assert found.output.offsets == ()
    assert len(list(pictures(found, Limits(config)))) == 2


@pytest.fixture
def run_dmad(monkeypatch):
    """The command line, called here."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["dmad", *map(str, arguments)])
        main()

    return run


def test_the_verbs_take_an_export(exported, write_clip, tmp_path, run_dmad, capsys):
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


def test_what_an_export_cannot_do_is_said(trained, exported, tmp_path):
    with pytest.raises(DmadError, match="is an export itself"):
        export(exported["onnx"], "onnx", out=tmp_path / "again")
    with pytest.raises(DmadError, match="not weights"):
        read_weights(find_model(exported["onnx"]))
    with pytest.raises(DmadError, match="has a card beside it already"):
        export(trained, "onnx", out=trained)


def test_the_card_holds_what_a_camera_needs_and_no_paths(trained, exported):
    card = json.loads((exported["onnx"] / "model.json").read_text())
    whole = json.loads((trained / "model.json").read_text())
    assert card.get("calibration") == whole.get("calibration")
    assert card["scenes"] == whole["scenes"]
    assert card["config"]["data"]["root"] is None
    assert card["export"]["difference"] < 1e-3
    assert np.load(exported["onnx"] / "background.npy").shape == (1, 1, 32, 32)


def test_an_export_that_differs_is_refused_and_not_written(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "compare", lambda *_: (0.02, 8))
    with pytest.raises(DmadError, match="differs from PyTorch by"):
        export(trained, "onnx", out=tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_int8_reports_what_it_costs_or_is_refused(trained, tmp_path, monkeypatch):
    pytest.importorskip("nncf", reason="needs pip install 'dmad[export]'")
    monkeypatch.setattr(exporting, "LOSS", 1.0)
    found = export(trained, "openvino", "int8", tmp_path / "kept")
    assert found.auroc is not None
    assert found.largest is not None
    assert any("points" in line for line in found.lines())
    monkeypatch.setattr(exporting, "LOSS", -1.0)
    with pytest.raises(DmadError, match="points of AUROC"):
        export(trained, "openvino", "int8", tmp_path / "refused")
    assert not (tmp_path / "refused").exists()


def test_tiles_count_by_their_highest_terms():
    terms = SimpleNamespace(reconstruction=np.array([1.0, 3.0]), deformation=np.array([4.0, 2.0]))
    config = SimpleNamespace(
        model=SimpleNamespace(teacher="resnet18"), score=SimpleNamespace(alpha=0.5)
    )

    class Judge:
        def __init__(self):
            self.config = config

        def __call__(self, frames, scene):
            return terms

    clips = (Clip("a", "", 0, 2, 0.0), Clip("b", "", 2, 2, 0.0))
    footage = Footage(np.zeros((4, 8, 8, 3), np.uint8), clips, ())
    assert exporting.ranked(Judge(), footage).tolist() == [5.0, 5.0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "onnx", "--precision", "bf16"], "no bf16"),
        (["--format", "coreml"], "coreml"),
    ],
)
def test_what_cannot_be_exported_is_one_line(trained, capsys, monkeypatch, arguments, message):
    monkeypatch.setattr(sys, "argv", ["dmad", "export", str(trained), *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    told = capsys.readouterr().err.strip()
    assert stopped.value.code == 2
    assert message in told
    assert "\n" not in told


def test_a_graph_beside_weights_is_what_runs(trained, exported, frames_of, tmp_path):
    shutil.copytree(exported["onnx"], tmp_path, dirs_exist_ok=True)
    shutil.copy(trained / "model.safetensors", tmp_path)
    assert np.isfinite(dmad.load(tmp_path)(frames_of(3, 6)).score[4:]).all()


def test_an_export_takes_the_place_of_another(trained, exported, tmp_path):
    shutil.copytree(exported["onnx"], tmp_path / "one")
    export(trained, "openvino", out=tmp_path / "one")
    assert find_model(tmp_path / "one").weights.name == "model.xml"


def test_an_export_replaces_nothing_of_others_and_no_terms_of_before(trained, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "model.onnx").write_bytes(b"of another tool")
    with pytest.raises(DmadError, match=r"holds model\.onnx of something else"):
        export(trained, "onnx", "fp32", out)
    assert (out / "model.onnx").read_bytes() == b"of another tool"
    (out / "model.onnx").unlink()
    export(trained, "onnx", "fp32", out)
    (out / "model.npz").write_bytes(b"terms of its last threshold")
    export(trained, "onnx", "fp32", out)
    assert not (out / "model.npz").exists()


def test_damaged_and_half_exports_are_refused(exported, tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(DmadError, match="keep the two together"):
        runtime.load(tmp_path)
    (tmp_path / "model.json").write_text((exported["onnx"] / "model.json").read_text())
    with pytest.raises(DmadError, match="cannot be read"):
        runtime.load(tmp_path)
    with pytest.raises(DmadError, match="no exported model"):
        runtime.load(tmp_path / "nowhere")


def test_frames_of_another_shape_are_refused(exported):
    with pytest.raises(DmadError, match=r"give uint8 \(N, 32, 32, 1\)"):
        dmad.load(exported["onnx"])(np.zeros((9, 16, 32, 1), np.uint8))
