"""Many categories: a run each, resumed where it stopped, one table with averages."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import yaml

from dmad import categories, thresholds
from dmad.categories import evaluate_categories, ledger_value, table_of_block, train_categories
from dmad.cli import main as cli
from dmad.config import plain
from dmad.errors import DmadError
from dmad.evaluation.image_ledger import LARGER_OF_BOTH
from dmad.runs import Run


@pytest.fixture
def three(image_data, tmp_path):
    for name in ("carpet", "screw", "tile"):
        shutil.copytree(image_data / "discs", tmp_path / "data" / name)
    return tmp_path / "data"


@pytest.fixture
def config(three, tiny_images):
    base = tiny_images(epochs=1)
    return replace(base, data=replace(base.data, root=three, categories=""))


def test_resumable_from_the_command_line(config, three, tmp_path, monkeypatch, capsys) -> None:
    settings = tmp_path / "settings.yaml"
    settings.write_text(yaml.safe_dump(plain(config)))
    real, stopped = thresholds.train, []

    def train(own, **options):
        if own.data.categories == "screw" and not stopped:
            stopped.append(1)
            raise KeyboardInterrupt
        return real(own, **options)

    def call(*arguments: object) -> str:
        monkeypatch.setattr("sys.argv", ["dmad", *map(str, arguments)])
        cli.main()
        return capsys.readouterr().out

    monkeypatch.setattr(thresholds, "train", train)
    with pytest.raises(SystemExit):
        call("train", "mvtec", "--config", settings, "--out", tmp_path / "runs",
             "--data.categories", "carpet,screw")  # fmt: skip
    (folder,) = (tmp_path / "runs" / "mvtec").iterdir()
    before = (folder / "carpet" / "model.json").read_text()
    assert "calibration" in before
    assert call("train", "--resume", folder).strip() == str(folder)
    assert (folder / "carpet" / "model.json").read_text() == before
    assert "calibration" in (folder / "screw" / "model.json").read_text()
    shown = call("evaluate", folder)
    assert "mean of all" in shown
    monkeypatch.setattr(categories, "evaluate", None)  # nothing is judged twice
    assert call("evaluate", folder) == shown
    pages = {path.name for path in Run(folder).evaluation.iterdir()}
    assert pages == {"categories.md", "categories.json"}


def test_single_categories_are_named(config, tmp_path) -> None:
    assert categories.categories_of(config) == ["carpet", "screw", "tile"]
    folder = train_categories(config, ["tile"], tmp_path / "runs")

    card = json.loads((folder / "tile" / "model.json").read_text())
    assert card["config"]["data"]["categories"] == "tile"
    (paper, _) = evaluate_categories(folder)
    assert [row[0] for row in paper.rows] == ["tile"]


def test_one_bad_category_does_not_stop_the_others(config, three, tmp_path, logged) -> None:
    shutil.rmtree(three / "carpet" / "train")
    (three / "carpet" / "train").mkdir()
    with pytest.raises(DmadError, match="1 of 2 categories were not trained: carpet; go on with"):
        train_categories(config, ["carpet", "tile"], tmp_path / "runs")
    assert "skipped: carpet: " in logged()
    (folder,) = (tmp_path / "runs" / config.recipe).iterdir()
    shutil.rmtree(three / "tile" / "test")
    with pytest.raises(DmadError, match="none of 1 categories could be judged"):
        evaluate_categories(folder)


def rows(level: float) -> list[dict]:
    signal = {"block": "paper", "signal": LARGER_OF_BOTH}
    return [signal | {"metric": m, "value": level} for m in ("image_AUROC", "pixel_AUROC")]


def test_averages_of_textures_and_objects() -> None:
    found = {"carpet": rows(0.9), "tile": rows(0.8), "screw": rows(0.5)}
    lines = {row[0]: row[1] for row in table_of_block("paper", found).rows}
    assert lines["mean of textures"] == "0.8500"
    assert lines["mean of all"] == "0.7333"
    assert "mean of objects" not in lines  # of one there is no mean
    assert np.isnan(ledger_value(found["tile"], "paper", LARGER_OF_BOTH, "AUPRO"))
