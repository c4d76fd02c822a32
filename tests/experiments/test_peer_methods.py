"""dmad as one of the compared methods."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from dmad import recipes
from dmad.errors import DmadError
from dmad.experiments.peer_methods import Own, own_methods


def test_a_finished_run_is_described_and_scores_images(trained_images, tiny_images, tmp_path):
    (own,) = own_methods(tiny_images(), [trained_images])
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
    (own,) = own_methods(tiny_images(), [trained_images])
    with pytest.raises(DmadError, match="was trained on other images"):
        own.train(replace(own.config.data, held_out=0.5), tmp_path)


def test_several_runs_have_different_names(trained_images, tiny_images):
    names = [own.name for own in own_methods(tiny_images(), [trained_images] * 2)]
    assert names == ["dmad 1", "dmad 2"]


def test_runs_must_be_of_images_and_alike(trained, trained_images, tiny_images, tmp_path):
    with pytest.raises(DmadError, match="is a model of video; give one of images"):
        own_methods(recipes.images(), [trained])
    other = shutil.copytree(trained_images, tmp_path / "other")
    card = json.loads((other / "model.json").read_text())
    card["config"]["data"]["size"] = 96
    (other / "model.json").write_text(json.dumps(card))
    with pytest.raises(DmadError, match=r"other data settings than .* give runs with equal ones"):
        own_methods(tiny_images(), [trained_images, other])


def test_without_runs_the_folder_of_the_images_is_needed():
    with pytest.raises(DmadError, match=r"give --data\.root"):
        own_methods(recipes.images(), [])
