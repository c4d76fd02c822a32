"""Trainings that start from the weights of a model, and settings of a resumed run."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from dmad.api import train_network
from dmad.config import changed
from dmad.errors import DmadError
from dmad.runs import find_model, read_config, read_weights
from dmad.training.warm_start import check_resumed_settings, read_starting_weights


def test_a_training_starts_from_a_model_of_another_size(
    tmp_path, normal_data, tiny, trained
) -> None:
    config = tiny(normal_data, lr=1e-9, start=trained)
    config = replace(config, data=replace(config.data, size=64))
    after = read_weights(find_model(train_network(config, tmp_path).folder))
    before = read_weights(find_model(trained))
    assert after.pop("background").shape[-2:] == (64, 64)
    for name, value in after.items():
        if not any(count in name for count in ("running", "num_batches")):
            torch.testing.assert_close(value, before[name], rtol=0, atol=1e-6)


@pytest.mark.parametrize("other", [{"memory_items": 7}, {"displacements": (2.0, 2.0)}])
def test_a_start_with_another_network_is_refused(
    tmp_path, normal_data, tiny, trained, other
) -> None:
    config = tiny(normal_data, start=trained)
    config = replace(config, model=replace(config.model, **other))
    with pytest.raises(DmadError, match=rf"other settings.*model\.{next(iter(other))}"):
        train_network(config, tmp_path)
    assert not [*tmp_path.iterdir()]


def test_a_start_with_a_model_of_the_other_form_is_refused(trained, tiny_images) -> None:
    config = tiny_images(start=trained)
    with pytest.raises(DmadError, match=r"other settings.*model\.teacher"):
        read_starting_weights(config)


@pytest.mark.parametrize("changes", [{"revive_after": 3}, {"size": 64}, {"epochs": 9}])
def test_settings_that_do_not_change_the_network_may_differ(
    normal_data, tiny, trained, changes
) -> None:
    weights = read_starting_weights(changed(tiny(normal_data, start=trained), **changes))
    assert weights.keys() == read_weights(find_model(trained)).keys() - {"background"}


def test_weights_of_another_version_are_refused(tmp_path, normal_data, tiny, trained) -> None:
    start = shutil.copytree(trained, tmp_path / "start")
    path = start / "model.safetensors"
    tensors = load_file(path)
    del tensors["memory.items"]
    save_file(tensors, path)
    with pytest.raises(DmadError, match="another version"):
        train_network(tiny(normal_data, start=start), tmp_path / "new")


@pytest.fixture
def run(trained, tmp_path) -> Path:
    return shutil.copytree(trained, tmp_path / "run")


def test_a_resumed_run_keeps_its_settings(run) -> None:
    config = read_config(run)
    check_resumed_settings(config, run)
    with pytest.raises(DmadError, match=r"settings of the run.*--train\.start"):
        check_resumed_settings(changed(config, epochs=9), run)


def test_the_location_of_the_data_may_change_on_resuming(run, tmp_path) -> None:
    check_resumed_settings(changed(read_config(run), root=tmp_path, cache=tmp_path, workers=2), run)
