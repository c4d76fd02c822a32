"""The models that ship with the project."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import dmad
from dmad.categories import ledger_value
from dmad.data.splits import load_split
from dmad.evaluation.metrics import micro_auroc
from dmad.evaluation.result import RAW
from dmad.forms.video.evaluation import score_clips

MODELS = sorted((Path(__file__).parents[1] / "models").glob("*.safetensors"))


def test_there_is_a_shipped_model() -> None:
    assert "ped2" in {path.stem for path in MODELS}


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_a_shipped_model_is_small_documented_and_loads(path: Path) -> None:
    assert path.stat().st_size <= 12e6
    card = json.loads(path.with_suffix(".json").read_text())
    assert card["config"]["data"]["root"] is None
    assert card["ledger"]["rows"]
    assert len(card["history"]) == card["config"]["train"]["epochs"]
    detector = dmad.load(path.stem)
    data = detector.config.data
    frames = np.zeros((6, data.size, data.size, data.channels), np.uint8)
    assert np.isfinite(detector(frames).score).sum() == 2


@pytest.mark.data
def test_the_shipped_ped2_model_gives_the_figures_of_its_card(data_root: Path) -> None:
    """The test fails if a change of the code changes the scores of the trained weights."""
    detector = dmad.load("ped2")
    test = load_split(replace(detector.config.data, root=data_root / "ped2"), "test")
    scores = np.concatenate([result.score for result in score_clips(detector, test.footage)])
    has_score = np.isfinite(scores)
    card = json.loads((MODELS[0].parent / "ped2.json").read_text())
    stated = ledger_value(card["ledger"]["rows"], "deployable", RAW, "micro_AUROC")
    auroc = micro_auroc(scores[has_score], test.labels[has_score])
    assert auroc == pytest.approx(stated, abs=1e-3)
