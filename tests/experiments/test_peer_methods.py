"""dmad as one of the compared methods."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from dmad import recipes
from dmad.api import train_network
from dmad.config import PatchConfig, changed
from dmad.data.splits import load_split
from dmad.errors import DmadError
from dmad.experiments.peer_methods import Own, UnavailableError, own_methods, shared_data


@pytest.fixture
def small_bank(image_data, teacher_weights, tmp_path) -> PatchConfig:
    """Settings of a bank of the 16 good discs, which are those of `tiny_images`."""
    places = {"root": image_data / "discs", "cache": tmp_path / "cache"}
    teacher = {"teacher": "resnet18", "teacher_weights": teacher_weights}
    return changed(recipes.patches(), **places, **teacher, size=64, held_out=0.25, patches=100)


def test_a_finished_run_is_described_and_scores_images(trained_images, tiny_images, tmp_path):
    (own,) = own_methods([tiny_images()], [trained_images])
    assert (own.settings, own.finished) == ("resnet18, 6 epochs", True)
    assert own.config.data == tiny_images().data  # so that other methods get the same images
    training = own.train(own.config.data, tmp_path)
    assert training.minutes > 0
    scored = own.load(training)([np.zeros((64, 64, 3), np.uint8)] * 3)
    assert scored.maps.shape == (2, 3, 64, 64)


def test_a_run_is_trained_if_none_is_given(tiny_images, tmp_path):
    own = Own(tiny_images(epochs=1))
    training = own.train(own.config.data, tmp_path)
    assert (tmp_path / "run" / "model.safetensors").samefile(training.model)
    assert own.load(training).alpha >= 0


def test_a_run_of_other_images_is_refused(trained_images, tiny_images, tmp_path):
    (own,) = own_methods([tiny_images()], [trained_images])
    with pytest.raises(DmadError, match="was trained on other images"):
        own.train(replace(own.config.data, held_out=0.5), tmp_path)


def test_runs_are_named_after_their_recipes(trained_images, small_bank, tmp_path):
    bank = train_network(small_bank, tmp_path / "runs").folder
    own = own_methods([recipes.images()], [trained_images, bank])
    assert [one.name for one in own] == ["dmad mvtec", "dmad patches"]  # in different layouts
    same = own_methods([recipes.images()], [bank, trained_images, bank])
    assert [one.name for one in same] == ["dmad patches 1", "dmad mvtec", "dmad patches 2"]


def test_each_recipe_is_trained_if_no_run_is_given(tiny_images, small_bank):
    own = own_methods([tiny_images(), small_bank], [])
    assert [(one.name, one.settings) for one in own] == [
        ("dmad mvtec", "resnet18, 2 epochs"),
        ("dmad patches", "resnet18, 100 patches"),
    ]


def test_a_bank_that_holds_no_images_out_is_not_measured(small_bank, tmp_path):
    own = own_methods([small_bank], [])
    data = shared_data(own)
    assert len(load_split(data, "held_out").footage.clips) == 4  # of other methods
    with pytest.raises(UnavailableError, match="fewer than 80 good images keeps patches of all"):
        own[0].train(data, tmp_path)


def test_runs_must_be_of_images_and_alike(trained, trained_images, tiny_images, tmp_path):
    with pytest.raises(DmadError, match="is a model of video; give one of images"):
        own_methods([recipes.images()], [trained])
    other = shutil.copytree(trained_images, tmp_path / "other")
    card = json.loads((other / "model.json").read_text())
    card["config"]["data"]["size"] = 96
    (other / "model.json").write_text(json.dumps(card))
    with pytest.raises(DmadError, match=r"other: other data settings than .* such as --data\.size"):
        own_methods([tiny_images()], [trained_images, other])


def test_without_runs_the_folder_of_the_images_is_needed():
    with pytest.raises(DmadError, match=r"give --data\.root"):
        own_methods([recipes.images()], [])
