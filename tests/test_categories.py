"""Several categories of images: one run each, resumable, and one table with averages."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import lightning
import numpy as np
import pytest

from dmad.categories import (
    categories_of,
    config_of_category,
    evaluate_categories,
    has_category_runs,
    ledger_value,
    rows_of_run,
    table_of_block,
    train_categories,
)
from dmad.config import ImageConfig
from dmad.errors import DmadError, StoppedError
from dmad.evaluation.image_ledger import LARGER_OF_BOTH
from dmad.evaluation.ledger import LabelSet, Ledger, Row
from dmad.evaluation.ledger_file import write_ledger
from dmad.forms.images.evaluation import DISTANCE, RAW
from dmad.recipes import images, patches
from dmad.runs import Run, new_run


@pytest.fixture
def root(image_data, tmp_path) -> Path:
    """A data folder with three categories."""
    for name in ("carpet", "screw", "tile"):
        shutil.copytree(image_data / "discs", tmp_path / "data" / name)
    return tmp_path / "data"


@pytest.fixture
def config(root, tiny_images) -> ImageConfig:
    base = tiny_images(epochs=1)
    return replace(base, data=replace(base.data, root=root, categories=""))


def stop_at_category(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Makes Lightning stop the training of a category, as it does after Ctrl-C."""
    fit = lightning.Trainer.fit

    def stopping_fit(trainer, module, *arguments, **options):
        if module.config.data.categories == name:
            raise SystemExit
        return fit(trainer, module, *arguments, **options)

    monkeypatch.setattr(lightning.Trainer, "fit", stopping_fit)


def test_categories_are_all_of_the_folder_or_those_named(config) -> None:
    assert categories_of(config) == ["carpet", "screw", "tile"]
    assert categories_of(config_of_category(config, "tile,carpet")) == ["tile", "carpet"]
    assert categories_of(images()) == []


def test_a_stopped_training_is_resumed_and_evaluated_once(config, tmp_path, monkeypatch) -> None:
    with monkeypatch.context() as patch:
        stop_at_category(patch, "screw")
        with pytest.raises(StoppedError, match="stopped; resume with: dmad train --resume"):
            train_categories(config, ["carpet", "screw"], tmp_path / "runs")
    (folder,) = (tmp_path / "runs" / "mvtec").iterdir()
    before = Run(folder / "carpet").card.read_text()
    assert "calibration" in before
    assert train_categories(config, ["carpet", "screw"], tmp_path, resume=folder) == folder
    assert Run(folder / "carpet").card.read_text() == before
    assert "calibration" in Run(folder / "screw").card.read_text()
    assert has_category_runs(folder)
    assert not has_category_runs(folder / "carpet")

    tables = evaluate_categories(folder)
    assert {"carpet", "screw", "mean of all"} == {row[0] for row in tables[0].rows}
    pages = {path.name for path in Run(folder).evaluation.iterdir()}
    assert pages == {"categories.md", "categories.json"}
    ledgers = {name: Run(folder / name).evaluation / "ledger.json" for name in ("carpet", "screw")}
    written = {name: ledger.stat().st_mtime_ns for name, ledger in ledgers.items()}
    assert evaluate_categories(folder) == tables
    assert {name: ledger.stat().st_mtime_ns for name, ledger in ledgers.items()} == written
    Run(folder / "carpet").card.touch()  # as a new threshold does
    evaluate_categories(folder)
    assert ledgers["carpet"].stat().st_mtime_ns > written["carpet"]
    assert ledgers["screw"].stat().st_mtime_ns == written["screw"]


def test_a_single_category_has_a_table_without_means(config, tmp_path) -> None:
    folder = train_categories(config, ["tile"], tmp_path / "runs")
    card = json.loads(Run(folder / "tile").card.read_text())
    assert card["config"]["data"]["categories"] == "tile"
    (paper, deployable) = evaluate_categories(folder)
    assert [row[0] for row in paper.rows] == [row[0] for row in deployable.rows] == ["tile"]


def test_one_bad_category_does_not_stop_the_others(config, root, tmp_path, logged) -> None:
    shutil.rmtree(root / "carpet" / "train")
    (root / "carpet" / "train").mkdir()
    with pytest.raises(DmadError, match="1 of 2 categories were not trained: carpet; try again"):
        train_categories(config, ["carpet", "tile"], tmp_path / "runs")
    assert "category carpet skipped: " in logged()
    (folder,) = (tmp_path / "runs" / config.recipe).iterdir()
    shutil.rmtree(root / "tile" / "test")
    with pytest.raises(DmadError, match="none of 1 categories could be evaluated"):
        evaluate_categories(folder)
    assert "category tile skipped: " in logged()


def test_a_folder_without_trained_categories_is_refused(tmp_path) -> None:
    with pytest.raises(DmadError, match=r"no category of .* is trained; run dmad train --resume"):
        evaluate_categories(tmp_path)


def test_a_ledger_of_a_bank_may_hold_the_old_name_of_its_score(tmp_path) -> None:
    for recipe, name in ((patches, DISTANCE), (images, RAW)):
        run = new_run(recipe(), tmp_path)
        row = Row("deployable", RAW, "image_AUROC", 0.9)
        labels = LabelSet.from_labels("folders", np.ones(1))
        write_ledger(Ledger([row], labels, 0), run.evaluation)
        assert [row["signal"] for row in rows_of_run(run.folder)] == [name]


def rows(value: float) -> list[dict]:
    signal = {"block": "paper", "signal": LARGER_OF_BOTH}
    return [signal | {"metric": name, "value": value} for name in ("image_AUROC", "pixel_AUROC")]


def test_averages_are_of_textures_objects_and_all() -> None:
    ledgers = {"carpet": rows(0.9), "tile": rows(0.8), "screw": rows(0.5)}
    first_values = {row[0]: row[1] for row in table_of_block("paper", ledgers).rows}
    assert first_values["mean of textures"] == "0.8500"
    assert first_values["mean of all"] == "0.7333"
    assert "mean of objects" not in first_values  # there is only one object


def test_a_figure_that_a_ledger_does_not_have_is_nan() -> None:
    assert ledger_value(rows(0.8), "paper", LARGER_OF_BOTH, "image_AUROC") == 0.8
    assert np.isnan(ledger_value(rows(0.8), "paper", LARGER_OF_BOTH, "AUPRO"))
