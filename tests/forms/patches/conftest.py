"""Runs with a bank of normal patches."""

from collections.abc import Callable
from pathlib import Path

import pytest

from dmad import recipes
from dmad.api import train
from dmad.config import PatchConfig, changed


@pytest.fixture(scope="session")
def bank_settings(tmp_path_factory, image_data, teacher_weights) -> Callable[..., PatchConfig]:
    """Makes settings of a small bank on the 16 good discs of `image_data`."""
    cache = tmp_path_factory.mktemp("bank-cache")

    def make(**changes) -> PatchConfig:
        small = {"root": image_data / "discs", "size": 64, "cache": cache, "patches": 100}
        small |= {"teacher": "resnet18", "teacher_weights": teacher_weights}
        return changed(recipes.patches(), **small | changes)

    return make


@pytest.fixture(scope="session")
def bank_run(tmp_path_factory, bank_settings) -> Path:
    """A run folder with a threshold. Tests change only copies."""
    return train(bank_settings(), tmp_path_factory.mktemp("bank-runs")).folder
