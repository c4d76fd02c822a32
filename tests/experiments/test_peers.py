"""The comparison with other methods, with a stub instead of a package that is not installed."""

import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from dmad import recipes
from dmad.api import evaluate
from dmad.calibration.held_out import HeldOut
from dmad.calibration.threshold import choose_threshold
from dmad.config import DataConfig, PatchDataConfig, changed
from dmad.data.footage import LabelledFootage, footage_from_arrays
from dmad.errors import DmadError
from dmad.evaluation.ledger_file import read_rows
from dmad.experiments.peer_methods import (
    ImageScorer,
    Training,
    UnavailableError,
    own_methods,
    shared_data,
)
from dmad.experiments.peers import (
    COLUMNS,
    MethodOutcome,
    in_own_process,
    ledger_of,
    notes_of,
    peak_memory,
    peers,
)
from dmad.forms.images.evaluation import ScoredImages


def here(function: Callable, *arguments: object) -> object:
    return function(*arguments)


@dataclass(frozen=True)
class RedScorer:
    """Scores an image by how red its reddest pixel is."""

    alpha: float = 0.0

    def __call__(self, frames: Sequence[np.ndarray]) -> ScoredImages:
        redness = np.stack([frame[..., 0] - frame[..., 1].astype(float) for frame in frames])
        maps = np.stack([redness, np.zeros_like(redness)]).astype(np.float32)
        return ScoredImages(redness.max((1, 2)), np.zeros(len(frames)), maps)


@dataclass(frozen=True)
class Stub:
    """A method that needs no training."""

    name: str = "red"
    settings: str = "no network"
    finished: bool = False

    def train(self, data: DataConfig, folder: Path) -> Training:
        (folder / "model").write_bytes(bytes(2_500_000))
        with (folder / "trainings").open("a") as file:
            file.write("x")
        return Training(1.25, str(folder / "model"), processor_minutes=0.75)

    def load(self, training: Training) -> ImageScorer:
        return RedScorer()


@dataclass(frozen=True)
class Absent(Stub):
    name: str = "absent"

    def train(self, data: DataConfig, folder: Path) -> Training:
        raise UnavailableError("its teacher cannot be downloaded")


@pytest.fixture
def data(tiny_images) -> DataConfig:
    return tiny_images().data


def test_each_method_has_a_row_with_its_figures(data, tmp_path):
    table = peers([Stub()], data, tmp_path, here)
    row = dict(zip(COLUMNS, table.rows[0], strict=True))
    assert row["image AUROC"] == row["pixel AUROC"] == row["AUPRO"] == "1.0000"
    assert (row["recall"], row["false positives"]) == ("4 of 4", "0 of 4")
    assert (row["training min"], row["model MB"]) == ("1.2 (0.8)", "2.5")
    assert re.fullmatch(r"\d+ \(\d+\)", row["ms an image"])
    assert float(row["memory MiB"]) > 100
    stored = json.loads((tmp_path / "peers.json").read_text())
    assert stored["lines"] == [list(line) for line in table.rows]
    assert "same 4 held-out good images" in stored["notes"][0]


def test_the_figures_of_a_finished_run_are_those_of_its_evaluation(
    trained_images, tiny_images, tmp_path
):
    own = own_methods([tiny_images()], [trained_images])
    (row,) = peers(own, own[0].config.data, tmp_path, here).rows
    evaluation = evaluate(trained_images, out=tmp_path / "evaluation")
    figures = dict(zip(COLUMNS, row, strict=True))
    for column, metric in (("image AUROC", "image_AUROC"), ("pixel AUROC", "pixel_AUROC")):
        values = {one.value for one in evaluation.ledger.rows if one.metric == metric}
        assert float(figures[column]) in {round(value, 4) for value in values}
    notes = {one.note for one in evaluation.ledger.rows if one.signal == "at 1 %"}
    ours = {
        one["note"] for one in read_rows(tmp_path / "dmad-mvtec" / "ledger.json") if one["note"]
    }
    assert notes <= ours
    assert figures["memory of training MiB"] == ""


def test_a_bank_has_the_figures_of_its_evaluation_too(
    tiny_images, teacher_weights, tmp_path, monkeypatch
):
    monkeypatch.setattr(PatchDataConfig, "hold_out_from", 16)  # as many as there are
    teacher = {"teacher": "resnet18", "teacher_weights": teacher_weights}
    bank = replace(
        changed(recipes.patches(), **teacher, patches=100),
        data=PatchDataConfig(**vars(tiny_images().data)),
    )
    own = own_methods([bank], [])
    table = peers(own, shared_data(own), tmp_path, here)
    figures = dict(zip(COLUMNS, table.rows[0], strict=True))
    assert "same 4 held-out good images" in table.notes[0]
    evaluation = evaluate(tmp_path / "dmad-patches" / "run", out=tmp_path / "evaluation")
    values = {row.metric: row.value for row in evaluation.ledger.rows}
    assert figures["pixel AUROC"] == f"{values['pixel_AUROC']:.4f}"
    notes = {row.note for row in evaluation.ledger.rows if row.signal == "at 1 %"}
    assert any(f": {figures['recall']} " in note for note in notes)
    assert any(f": {figures['false positives']} " in note for note in notes)


def test_all_methods_get_their_threshold_by_the_rule_of_dmad_calibrate():
    random = np.random.default_rng(0)
    good, tested = random.normal(5, 1, 20), np.append(random.normal(5, 1, 9), [5.0, 30.0])
    labels = np.append(np.zeros(9), [1, 1]).astype(np.uint8)
    frames = [np.zeros((1, 16, 16, 3), np.uint8)] * 11
    split = LabelledFootage(footage_from_arrays(frames), labels, "stub")
    held_out = HeldOut(good, np.zeros(20), np.ones(20, int), 1.0)
    calibration = choose_threshold(held_out, "0.01/image", weight=0.0)
    expected = calibration.score(tested, np.zeros(11)) >= calibration.threshold
    assert expected.tolist() == [False] * 9 + [False, True]
    for factor in (1.0, 1000.0):  # methods have scores of different units
        scored = [terms(factor * values) for values in (good, tested)]
        ledger = ledger_of(*scored, 0.0, split)
        assert ledger.value("at 1 %", "recall") == 0.5
        assert ledger.value("at 1 %", "false_positive_rate") == 0


def terms(values: np.ndarray) -> ScoredImages:
    maps = np.zeros((2, len(values), 16, 16), np.float32)
    return ScoredImages(values, np.zeros(len(values)), maps)


def test_a_method_that_cannot_be_had_has_words_instead_of_figures(data, tmp_path, logged):
    table = peers([Absent(), Stub()], data, tmp_path, here)
    assert table.rows[0] == ["absent", "no network: not measured", *[""] * 10]
    assert table.rows[1][2] == "1.0000"
    assert "absent was not measured: its teacher cannot be downloaded." in table.notes
    assert "absent is left out" in logged()


def test_a_finished_training_is_not_repeated(data, tmp_path):
    for _ in range(2):
        peers([Stub()], data, tmp_path, here)
    assert (tmp_path / "red" / "trainings").read_text() == "x"
    with pytest.raises(DmadError, match="holds a training with other settings"):
        peers([replace(Stub(), settings="another")], data, tmp_path, here)


def test_another_machine_of_a_training_is_named():
    training = Training(1.0, "model", machine="an abacus")
    assert "red was trained on an abacus." in notes_of([MethodOutcome(Stub(), training)])


def test_tiles_are_refused(data, tmp_path):
    with pytest.raises(DmadError, match=r"give --data\.tiles 1"):
        peers([Stub()], replace(data, tiles=2), tmp_path, here)


def test_a_function_runs_in_another_process_and_its_end_is_one_line():
    assert in_own_process(os.getpid) != os.getpid()
    with pytest.raises(DmadError, match="needs more memory"):
        in_own_process(os._exit, 9)


def test_memory_that_was_used_once_counts():
    before = peak_memory()
    np.ones(2**25).sum()  # 256 MiB
    assert peak_memory() >= max(before, 256)
