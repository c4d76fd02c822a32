"""Where a calibration is stored, and how a change is undone."""

import json

import numpy as np
import pytest

from dmad.calibration.calibration import Calibration, read_calibration
from dmad.calibration.held_out import HeldOut
from dmad.calibration.store import KEPT, CalibrationStore
from dmad.errors import DmadError
from dmad.runs import ModelFiles


def footage(value: float) -> HeldOut:
    return HeldOut(np.array([value, value]), np.ones(2), np.array([2]), 10.0)


@pytest.fixture
def store(tmp_path) -> CalibrationStore:
    """The store of a camera's own file."""
    files = ModelFiles(tmp_path / "model.safetensors", tmp_path / "model.json")
    return CalibrationStore(files, tmp_path / "gate.json")


def change(store: CalibrationStore, old: Calibration | None, new: Calibration, value: float):
    store.remember(old)
    store.write_terms(footage(value), None)
    store.write(new)


def test_undo_restores_threshold_and_terms_to_the_last_digit(store, calibration_of):
    first, second, third = (calibration_of(value) for value in (np.pi, 2 / 3, 7.0))
    change(store, None, first, 1.0)
    change(store, first, second, 2.0)
    change(store, second, third, 3.0)
    for expected, value in ((second, 2.0), (first, 1.0)):
        assert store.undo() == expected
        assert read_calibration(store.out) == expected
        held, synthetic = store.read_terms()
        assert (held.reconstruction[0], synthetic) == (value, None)
    with pytest.raises(DmadError, match="no earlier threshold is kept beside"):
        store.undo()


def test_a_threshold_without_terms_is_restored_without_terms(store, calibration_of):
    change(store, calibration_of(4.0), calibration_of(5.0), 1.0)
    assert store.undo().threshold == 4.0
    assert not store.terms.exists()


def test_entries_of_the_card_are_restored_too(tmp_path, calibration_of):
    card = tmp_path / "model.json"
    card.write_text(json.dumps({"format": 2, "config": {}, "scenes": [""]}))
    store = CalibrationStore(ModelFiles(tmp_path / "model.safetensors", card))
    store.remember(calibration_of(1.0), levels={"0.01/image": 1.0})
    store.write(calibration_of(2.0), levels={"0.01/image": 2.0})
    assert store.undo().threshold == 1.0
    assert json.loads(card.read_text())["levels"] == {"0.01/image": 1.0}


def test_only_the_last_calibrations_are_kept(store, calibration_of):
    for value in range(KEPT + 3):
        store.remember(calibration_of(float(value)))
    assert len(list(store.history.iterdir())) == KEPT
    assert store.undo().threshold == KEPT + 2


def test_a_damaged_file_is_refused(store, calibration_of):
    store.remember(calibration_of(1.0))
    (store.history / "0001.json").write_text("{")
    with pytest.raises(DmadError, match=r"0001\.json is damaged"):
        store.undo()
