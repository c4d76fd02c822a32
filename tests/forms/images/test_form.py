"""The form of images: its network, losses and scores, and its warnings."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from dmad import recipes
from dmad.api import load, train_network
from dmad.config import changed
from dmad.data.splits import load_split
from dmad.data.windows import Batch, to_model
from dmad.errors import DmadError
from dmad.forms.images.evaluation import frames_of
from dmad.forms.images.form import Images
from dmad.model.deformation import grid_units, warp
from dmad.model.ppdm import PPDM
from dmad.model.scoring import feature_map, gaussian_blur, reconstruction_map_plus, score_plus
from dmad.runs import Run, find_model, read_card, read_weights

IMAGES = Images()
WITHOUT_HEADS = {"reductions": (), "displacements": ()}


@pytest.fixture(scope="module")
def network(tiny_images, shaken) -> PPDM:
    torch.manual_seed(0)
    return shaken(IMAGES.network(tiny_images()))


@pytest.fixture(scope="module")
def batch(tiny_images) -> Batch:
    frames = np.stack(frames_of(load_split(tiny_images().data, "train").footage)[:2])
    return Batch(torch.from_numpy(frames)[:, None], torch.tensor([0, 0]))


def test_training_learns_and_leaves_the_teacher(trained_images, teacher_weights) -> None:
    history = read_card(find_model(trained_images))["history"]
    assert history[-1]["reconstruction"] < 0.9 * history[0]["reconstruction"]
    assert history[-1].keys() > {"cycle", "strength", "smoothness", "compression", "perplexity"}
    before, after = load_file(teacher_weights), read_weights(find_model(trained_images))
    for name, tensor in before.items():
        torch.testing.assert_close(after[f"teacher.network.{name}"].to(tensor.dtype), tensor)


@pytest.mark.parametrize(
    "model",
    [
        WITHOUT_HEADS,
        WITHOUT_HEADS | {"memory": False},
        {"memory": False},
        {"reductions": (8,), "displacements": (3.0,)},
    ],
    ids=["without deformation", "distillation alone", "without memory", "one head"],
)
def test_every_ablation_trains(tiny_images, tmp_path, model) -> None:
    run = train_network(tiny_images(model, epochs=1), tmp_path)
    history = read_card(find_model(run.folder))["history"]
    assert np.isfinite(history[0]["total"])
    assert ("perplexity" in history[0]) == model.get("memory", True)


def test_the_memory_starts_with_features_of_training_images(tiny_images) -> None:
    """So no item is unused from the start."""
    config = tiny_images()
    data = load_split(config.data, "train")
    model = IMAGES.prepare(config, data)
    x, _ = to_model(torch.from_numpy(np.stack(frames_of(data.footage)))[:, None])
    with torch.no_grad():
        z_e = model.teacher(x)[-1].permute(0, 2, 3, 1).flatten(0, 2)
    assert torch.cdist(model.memory.items, z_e).min(1).values.max() < 1e-2


def test_features_are_fixed_only_if_nothing_deforms_the_image(tiny_images) -> None:
    for model, count in ((WITHOUT_HEADS, 3), ({}, 0)):
        config = tiny_images(model)
        data = load_split(config.data, "train")
        features = IMAGES.fixed_features(IMAGES.prepare(config, data), data.footage)
        assert len(features) == count
        assert all(len(feature) == len(data.footage.frames) for feature in features)


def test_known_features_give_the_same_losses(tiny_images, batch) -> None:
    config = tiny_images(WITHOUT_HEADS)
    data = load_split(config.data, "train")
    model = IMAGES.prepare(config, data).eval()
    x, target = to_model(batch.frames)
    with torch.no_grad():
        known = Batch(batch.frames, batch.scene, tuple(model.teacher(x)))
        _, first = IMAGES.losses(model, config, known, x, target)
        _, second = IMAGES.losses(model, config, batch, x, target)
    torch.testing.assert_close(first.total, second.total, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_outputs_have_the_shapes_that_are_stated(network, tiny_images, batch) -> None:
    outputs = IMAGES.outputs(network, tiny_images(), *to_model(batch.frames), None)
    assert {name: tuple(value.shape) for name, value in outputs.items()} == {
        "terms": (2, 3),
        "reconstruction_map": (2, 64, 64),
        "deformation_map": (2, 64, 64),
        "deformed": (2, 3, 64, 64),
        "forward": (2, 2, 2, 64, 64),
        "backward": (2, 2, 2, 64, 64),
    }


@torch.no_grad()
def test_a_network_without_heads_gives_no_fields(tiny_images, batch) -> None:
    config = tiny_images(WITHOUT_HEADS)
    model = IMAGES.network(config).eval()
    outputs = IMAGES.outputs(model, config, *to_model(batch.frames), None)
    assert not {"forward", "backward"} & set(outputs)
    torch.testing.assert_close(outputs["deformed"], to_model(batch.frames)[0])


@torch.no_grad()
def test_terms_are_those_of_equation_22(network, tiny_images, batch) -> None:
    config = tiny_images()
    x, target = to_model(batch.frames)
    scores = score_plus(network(x), config.score)
    expected = torch.stack((scores.score, scores.reconstruction, scores.deformation), 1)
    torch.testing.assert_close(IMAGES.outputs(network, config, x, target, None)["terms"], expected)


@torch.no_grad()
def test_the_highest_place_of_the_score_map_is_near_the_score(network, tiny_images, batch) -> None:
    """The two terms may have their maxima at different places."""
    config = changed(tiny_images(), alpha=0.3)
    outputs = IMAGES.outputs(network, config, *to_model(batch.frames), None)
    maps = IMAGES.score_map(outputs["reconstruction_map"], outputs["deformation_map"], config)
    mixed = outputs["reconstruction_map"] + 0.3 * outputs["deformation_map"]
    torch.testing.assert_close(maps, gaussian_blur(mixed, config.score.sigma))
    assert (maps.amax((1, 2)) <= outputs["terms"][:, 0] + 1e-5).all()


@torch.no_grad()
def test_scores_of_whole_maps_are_those_of_the_network(network, tiny_images, batch) -> None:
    config = changed(tiny_images(), alpha=0.3)
    outputs = IMAGES.outputs(network, config, *to_model(batch.frames), None)
    maps = (outputs[name].numpy() for name in ("reconstruction_map", "deformation_map"))
    reconstruction, deformation = (IMAGES.smoothed(one, config).max((1, 2)) for one in maps)
    found = (reconstruction + 0.3 * deformation, reconstruction, deformation)
    np.testing.assert_allclose(np.stack(found, 1), outputs["terms"], rtol=1e-4)


def test_a_loss_that_is_not_finite_stops_the_training(tiny_images, tmp_path) -> None:
    with pytest.raises(DmadError, match=r"lower --train.lr"):
        train_network(tiny_images(lr=1e30), tmp_path)


def copy_of_run_and_data(trained_images: Path, image_data: Path, folder: Path) -> Run:
    """A run whose card says that it was trained on a copy of the data, in `folder / data`."""
    run = Run(shutil.copytree(trained_images, folder / "run"))
    root = shutil.copytree(image_data, folder / "data")
    card = read_card(find_model(run.folder))
    card["config"]["data"]["root"] = str(root)
    run.card.write_text(json.dumps(card))
    return run


def overlap(run: Run) -> str:
    detector = load(run.folder)
    card = read_card(find_model(run.folder))
    return IMAGES.training_overlap(detector.config.data, detector, card)


def test_changed_training_images_give_a_warning(trained_images, image_data, tmp_path) -> None:
    run = copy_of_run_and_data(trained_images, image_data, tmp_path)
    assert overlap(run) == ""
    good = tmp_path / "data" / "discs" / "train" / "good"
    (good / "000.png").unlink()
    assert "into a folder named test" in overlap(run)
    for path in good.iterdir():
        path.unlink()
    assert overlap(run) == ""  # a test is possible without them


def test_a_test_split_of_other_data_gives_no_warning(trained_images, image_data, tmp_path) -> None:
    run = copy_of_run_and_data(trained_images, image_data, tmp_path)
    (tmp_path / "data" / "discs" / "train" / "good" / "000.png").unlink()
    detector = load(run.folder)
    other = replace(detector.config.data, root=image_data)
    assert IMAGES.training_overlap(other, detector, read_card(find_model(run.folder))) == ""


class KnownFields(torch.nn.Module):
    """A deformation estimator that gives one forward and one backward field for any image."""

    def __init__(self, forward_field: torch.Tensor, backward_field: torch.Tensor) -> None:
        super().__init__()
        self.fields = [forward_field, backward_field]

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        return self.fields


def hottest_place(maps: torch.Tensor) -> np.ndarray:
    """Row and column of the hottest place: the mean over what reaches 90 % of the peak."""
    return np.argwhere(maps[0].numpy() >= 0.9 * maps.max().item()).mean(0)


@pytest.mark.data
@torch.no_grad()
def test_a_known_deformation_leaves_a_defect_where_it_is(data_root, tmp_path) -> None:
    """Eq. 20: with a known field a defect is marked within 2 px of its place without a field."""
    base = recipes.mvtec()
    weights = data_root / "weights" / "resnet18_layers1-3.safetensors"
    data = replace(
        base.data, root=data_root / "mvtec", categories="bottle", limit=64, cache=tmp_path
    )
    small = replace(base.model, teacher="resnet18", teacher_weights=weights, **WITHOUT_HEADS)
    config = replace(base, data=data, model=small, train=replace(base.train, epochs=2))
    with torch.enable_grad():
        run = train_network(config, tmp_path)
    model = load(run.folder, fast=False, device="cpu").backend.model
    ramp = torch.linspace(-1, 1, 256)
    rows, columns = torch.meshgrid(ramp, ramp, indexing="ij")
    bump = torch.exp(-2 * (rows**2 + columns**2)) * grid_units(8, 256)
    forward_field = torch.stack((bump, -bump))[None]
    backward_field = -forward_field
    for _ in range(20):  # until it undoes the forward field
        backward_field = -warp(forward_field, backward_field)
    frames = frames_of(load_split(data, "held_out").footage)
    good, _ = to_model(torch.from_numpy(frames[0][None, None].copy()))
    for row, column in [(110, 90), (128, 150), (150, 120)]:
        x = good.clone()
        x[..., row : row + 14, column : column + 14] = torch.tensor([1.0, -1, -1])[:, None, None]
        deformed = warp(x, backward_field)  # which the forward field undoes
        model.estimator = None
        expected = hottest_place(gaussian_blur(reconstruction_map_plus(model(deformed)), 4.0))
        model.estimator = KnownFields(forward_field, backward_field)
        output = model(deformed)
        returned = hottest_place(gaussian_blur(reconstruction_map_plus(output), 4.0))
        not_returned = hottest_place(gaussian_blur(feature_map(output, 256), 4.0))
        assert np.hypot(*(returned - expected)) <= 2
        assert np.hypot(*(not_returned - expected)) > 4


def test_synthetic_anomalies_are_good_images_with_a_defect(tiny_images) -> None:
    good = load_split(tiny_images().data, "held_out").footage
    made = IMAGES.synthetic_anomalies(tiny_images(), good)
    assert made.frames.shape[1:] == (1, 64, 64, 3)
    assert 3 * len(good.clips) >= len(made.frames) == len(made.scenes) > len(good.clips)
    originals = np.stack(frames_of(good))
    assert not any((originals == image[0]).all((1, 2, 3)).any() for image in made.frames)


def test_a_student_that_cannot_restore_negative_features_is_reported(tiny_images, caplog) -> None:
    lite = {"teacher": "tf_efficientnet_lite0", "teacher_weights": None}
    config = tiny_images(lite)
    footage = load_split(config.data, "train")
    IMAGES.prepare(config, footage)
    assert "give --model.student_widths [64,128,256]" in caplog.text
    caplog.clear()
    IMAGES.prepare(tiny_images(lite | {"student_widths": (16, 16, 16)}), footage)
    assert not caplog.text
