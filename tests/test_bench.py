"""`dmad bench`: the table on screen is the table that is written."""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

import dmad.bench
from dmad.bench import EXPORTS, PEERS, PLAIN, bench, time_in_turn
from dmad.cli.main import run
from dmad.errors import DmadError
from dmad.experiments.anomalib_methods import AnomalibMethod


def test_prediction_is_timed_in_both_ways(tmp_path: Path) -> None:
    table = bench("predict", [32, 64], rounds=1, frames=6)
    assert list(table.columns) == ["size", "plain ms", "shipped ms", "times faster"]
    for size, row in zip((32, 64), table.rows, strict=True):
        number, plain, shipped, faster = map(float, row)
        assert number == size
        assert faster == pytest.approx(plain / shipped, rel=0.1)


@pytest.mark.parametrize("what", ["train", "images"])
def test_training_and_images_are_timed_too(what: str) -> None:
    ((size, plain, shipped, _),) = bench(what, [32], rounds=1).rows
    assert size == "32"
    assert float(plain) > 0
    assert float(shipped) > 0


def test_every_kind_of_export_is_timed_on_the_same_video() -> None:
    for package in ("onnx", "onnxruntime", "openvino", "nncf"):
        pytest.importorskip(package, reason="needs pip install '.[export]'")
    rows = bench("deploy", [32], rounds=1, frames=7).rows
    assert [row[0] for row in rows] == [PLAIN, "PyTorch as shipped", *EXPORTS]
    assert float(rows[0][-1]) == 1.0


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_exports_of_images_are_timed_beside_other_methods(monkeypatch) -> None:
    """A convolution replaces each method of anomalib, so that anomalib need not be installed."""
    for package in ("onnx", "openvino", "nncf"):
        pytest.importorskip(package, reason="needs pip install '.[export]'")

    def export(method: AnomalibMethod, folder: Path) -> Path:
        folder.mkdir()
        x = torch.zeros(1, 3, method.size, method.size)
        file = folder / "model.onnx"
        torch.onnx.export(torch.nn.Conv2d(3, 1, 3), (x,), file, input_names=["input"], dynamo=False)
        return file

    monkeypatch.setattr(AnomalibMethod, "export", export)
    monkeypatch.setattr(dmad.bench, "require_anomalib", lambda: None)
    monkeypatch.setattr(dmad.bench, "BANK", 50)
    rows = bench("peers", [64], rounds=1).rows
    own = ["images, fp32", "images, int8", "patches, fp32", "patches, int8"]
    assert [row[0] for row in rows] == [*own, *PEERS]
    assert [float(rows[len(own) + i][4 + i]) for i in range(len(PEERS))] == [1.0] * len(PEERS)


def test_the_comparison_says_what_to_install() -> None:
    if find_spec("anomalib") is None:
        with pytest.raises(DmadError, match=r"needs anomalib; pip install 'dmad\[peers\]'"):
            bench("peers", [64])


def test_jobs_run_in_turn_and_the_first_round_does_not_count() -> None:
    calls = []

    def job(name: str, seconds: list[float]):
        def once() -> float:
            calls.append(name)
            return seconds.pop(0)

        return once

    jobs = {"a": job("a", [9.0, 1.0, 2.0]), "b": job("b", [9.0, 3.0, 4.0])}
    assert time_in_turn(jobs, rounds=2) == {"a": [1.0, 2.0], "b": [3.0, 4.0]}
    assert calls == ["a", "b"] * 3


def test_the_command_shows_the_table_that_it_writes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(["bench", "images", "--sizes", "[32]", "--out", f"{tmp_path}"])
    stored = json.loads((tmp_path / "bench-images.json").read_text())
    (row,) = stored["lines"]
    shown = capsys.readouterr().out
    assert all(cell in shown for cell in row)
    assert stored["machine"] in shown
