"""The models that ship with the project."""

import json
from pathlib import Path

import numpy as np
import pytest

import dmad

MODELS = sorted((Path(__file__).parents[1] / "models").glob("*.safetensors"))


@pytest.mark.parametrize("path", MODELS, ids=lambda p: p.stem)
def test_shipped_model_is_small_documented_and_loads(path: Path) -> None:
    assert path.stat().st_size <= 12e6
    card = json.loads(path.with_suffix(".json").read_text())
    assert card["config"]["data"]["root"] is None
    assert card["ledger"]["rows"]
    assert len(card["history"]) == card["config"]["train"]["epochs"]
    detector = dmad.load(path.stem)
    data = detector.config.data
    frames = np.zeros((6, data.size, data.size, data.channels), np.uint8)
    assert np.isfinite(detector(frames).score).sum() == 2
