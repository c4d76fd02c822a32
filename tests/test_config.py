"""Settings: what each form has, what is refused, and how they are stored and read again."""

import json
from copy import deepcopy
from dataclasses import fields, replace
from pathlib import Path

import pytest
import yaml

from dmad import recipes
from dmad.config import (
    SECTIONS,
    Config,
    ImageConfig,
    ImageDataConfig,
    ImageModelConfig,
    LossConfig,
    TrainConfig,
    VideoConfig,
    VideoDataConfig,
    VideoModelConfig,
    VideoScoreConfig,
    VideoTrainConfig,
    changed,
    config_class,
    config_of_card,
    plain,
    restore,
    section_classes,
    with_absolute_paths,
)
from dmad.errors import DmadError

ROOT = Path(__file__).parents[1]

# The settings of `mvtec` in the old format, in which both forms had the same setting classes.
OLD_IMAGE_SETTINGS = {
    "recipe": "mvtec",
    "data": {
        "root": "/data/mvtec",
        "layout": "mvtec",
        "size": 256,
        "channels": 3,
        "antialias": True,
        "history": 0,
        "fps": 0.0,
        "cache": None,
        "workers": 0,
        "normal": [1, 3, 5, 7, 9],
        "held_out": 0.125,
        "limit": 0,
        "categories": "screw",
        "tiles": 2,
    },
    "model": {
        "widths": [32, 64, 128, 256],
        "stem": 1,
        "memory": True,
        "memory_items": 200,
        "revive_after": 50,
        "skips": "compressed",
        "skip_channels": 32,
        "positions": True,
        "reductions": [8, 2],
        "displacements": [8.0, 3.0],
        "estimator_width": 64,
        "estimator_sees": "past",
        "background": True,
        "mask": "encoder",
        "teacher": "wide_resnet50_2",
        "teacher_weights": "/data/weights/wide.safetensors",
    },
    "loss": {
        "gamma1": 1.0,
        "gamma2": 8.0,
        "gamma3": 1.0,
        "beta": 0.25,
        "gradient": 1.0,
        "coarse_gradient": 1.0,
        "smoothness": 1.0,
        "strength": 1.0,
        "smoothness_window": 0,
        "backward_strength": False,
        "background": 1.0,
    },
    "score": {
        "alpha": 0.05,
        "weight": 0.5,
        "kernel": [16, 14],
        "sigma": 4.0,
        "backward_only": False,
        "choose": True,
    },
    "train": {
        "epochs": 400,
        "batch_size": 8,
        "lr": 0.005,
        "betas": [0.5, 0.999],
        "background_lr": 10.0,
        "weight_decay": 0.01,
        "warmup": 0,
        "clip": 0.0,
        "seed": 3,
        "precision": "auto",
        "compile": "auto",
        "channels_last": "auto",
        "start": None,
    },
}


def stored(config: Config) -> dict:
    """Return the settings as they are read from a YAML or JSON file."""
    from_yaml = yaml.safe_load(yaml.safe_dump(plain(config)))
    assert json.loads(json.dumps(plain(config))) == from_yaml
    return from_yaml


def test_each_form_has_sections_of_its_own() -> None:
    video, images = section_classes("video"), section_classes("images")
    assert tuple(video) == tuple(images) == SECTIONS
    of_video = {item.name for item in fields(video["model"])}
    of_images = {item.name for item in fields(images["model"])}
    assert "teacher" in of_images - of_video
    assert "widths" in of_video - of_images
    assert "memory_items" in of_video & of_images
    assert (video["train"], images["train"]) == (VideoTrainConfig, TrainConfig)


def test_the_class_of_a_form_is_found_by_its_name() -> None:
    assert config_class("video") is VideoConfig
    assert config_class("images") is ImageConfig
    with pytest.raises(DmadError, match="no form is called 'sound'; known: images, patches, video"):
        config_class("sound")


def test_settings_that_are_fixed_for_a_form_are_not_listed() -> None:
    """No setting changes that images are single and in colour, but other code can read it."""
    data = ImageDataConfig()
    assert (data.channels, data.history, data.fps, data.antialias) == (3, 0, 0, True)
    assert not {"channels", "history", "fps"} & {item.name for item in fields(data)}
    assert VideoDataConfig().tiles == 1
    assert "background_lr" not in {item.name for item in fields(TrainConfig())}
    assert (TrainConfig().background_lr, VideoTrainConfig().background_lr) == (1.0, 10.0)
    with pytest.raises(TypeError, match="history"):
        ImageDataConfig(history=4)


@pytest.mark.parametrize("name", recipes.names())
def test_stored_settings_are_read_back_as_they_were(name: str) -> None:
    config = recipes.get(name)
    assert restore(stored(config)) == config
    assert stored(config)["form"] == config.form


def test_a_setting_that_is_not_stored_has_its_default() -> None:
    config = restore({"form": "video", "train": {"epochs": 3}, "data": None})
    assert config == VideoConfig("video", train=VideoTrainConfig(epochs=3))
    assert restore({"form": "images"}) == ImageConfig()


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"form": "video", "model": {"memory_itms": 5}}, r"unknown setting model\.memory_itms;"),
        ({"form": "video", "model": {"teacher": "resnet18"}}, r"unknown setting model\.teacher;"),
        ({"form": "images", "data": {"history": 4}}, r"unknown setting data\.history;"),
        ({"form": "images", "train": {"background_lr": 10.0}}, r"setting train\.background_lr;"),
        ({"model": {"memory_itms": 5}}, r"unknown setting model\.memory_itms;"),
        ({"form": "sound"}, "no form is called 'sound'"),
    ],
    ids=[
        "misspelt",
        "of images",
        "of video",
        "template of video",
        "misspelt before forms had sections",
        "form",
    ],
)
def test_unknown_settings_are_refused(tree: dict, message: str) -> None:
    with pytest.raises(DmadError, match=message):
        restore(tree)


def test_video_settings_stored_before_forms_had_sections_are_read() -> None:
    tree = json.loads((ROOT / "models" / "ped2.json").read_text())["config"]
    tree = deepcopy(tree)
    tree.pop("form", None)
    tree["model"] |= {"teacher": "", "teacher_weights": None}
    tree["loss"] |= {"gamma3": 0.25, "backward_strength": True}
    tree["score"] |= {"sigma": 4.0, "backward_only": False}
    tree["data"] |= {"categories": "", "tiles": 1}
    config = restore(tree)
    assert isinstance(config, VideoConfig)
    assert (config.recipe, config.data.layout, config.data.size) == ("ped2", "ped2", 128)
    assert config.model.reductions == (8, 2)
    assert config.score.kernel == (16, 14)


def test_image_settings_stored_before_forms_had_sections_are_read() -> None:
    config = restore(OLD_IMAGE_SETTINGS)
    assert isinstance(config, ImageConfig)
    expected = changed(
        recipes.mvtec(),
        root=Path("/data/mvtec"),
        categories="screw",
        tiles=2,
        teacher_weights=Path("/data/weights/wide.safetensors"),
        seed=3,
    )
    assert config == expected
    assert restore(stored(config)) == config


def test_a_card_gives_the_weights_of_the_deformation_chosen_for_its_model() -> None:
    card = {"config": OLD_IMAGE_SETTINGS, "choice": {"alpha": 0.7, "weight": 1.0}}
    assert config_of_card(card).score.alpha == 0.7
    video = {"config": stored(recipes.ped2()), "weighing": {"weight": 2.0, "auroc": {}}}
    assert config_of_card(video).score.weight == 2.0
    assert config_of_card({"config": stored(recipes.ped2())}) == recipes.ped2()


def test_paths_are_absolute_but_for_the_start(tmp_path, monkeypatch) -> None:
    """The start may be the name of a shipped model."""
    monkeypatch.chdir(tmp_path)
    config = changed(recipes.ped2(), root=Path("here"), cache=Path("there"), start=Path("ped2"))
    absolute = with_absolute_paths(config)
    assert (absolute.data.root, absolute.data.cache) == (tmp_path / "here", tmp_path / "there")
    assert absolute.train.start == Path("ped2")
    images = changed(recipes.images(), teacher_weights=Path("weights.pth"))
    assert with_absolute_paths(images).model.teacher_weights == tmp_path / "weights.pth"
    assert config.data.root == Path("here")


def test_settings_are_changed_by_their_own_names() -> None:
    config = changed(recipes.street(), epochs=3, size=128, loss_background=0.0)
    assert (config.train.epochs, config.data.size, config.loss.background) == (3, 128, 0)
    assert config.model.background
    assert changed(recipes.street()) == recipes.street()
    # Both lists must change together, because both have an entry for each head.
    flat = changed(recipes.street(), reductions=(), displacements=(), deform_target=0.0)
    assert not flat.model.reductions


def test_a_change_of_an_unknown_setting_is_refused() -> None:
    with pytest.raises(DmadError, match=r"no setting is called 'epoch'; .* street --help-all`"):
        changed(recipes.street(), epoch=3)
    with pytest.raises(DmadError, match="no setting is called 'teacher'"):
        changed(recipes.street(), teacher="resnet18")
    with pytest.raises(DmadError, match="give model_background or loss_background"):
        changed(recipes.street(), background=0.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: VideoDataConfig(size=8), "data.size is 8; give 16 pixels or more"),
        (lambda: VideoDataConfig(held_out=1.0), "data.held_out is 1.0; give 0 to below 1"),
        (lambda: VideoDataConfig(limit=-1), "data.limit is -1; give 0 or more"),
        (lambda: VideoDataConfig(workers=-1), "data.workers is -1; give 0 or more"),
        (lambda: VideoDataConfig(history=-1), "data.history is -1; give 0 or more"),
        (lambda: VideoDataConfig(fps=-1.0), "data.fps is -1.0; give 0 or more"),
        (lambda: VideoDataConfig(deform_target=-1.0), "data.deform_target is -1.0; give 0 or more"),
        (lambda: changed(recipes.ped2(), deform_target=2.0, estimator_sees="past"), "needs fields"),
        (lambda: changed(recipes.mnist(), deform_target=2.0), "data.deform_target needs fields"),
        (lambda: VideoDataConfig(channels=2), "data.channels is 2; give one of 1, 3"),
        (lambda: VideoDataConfig(layout="mvtec"), "data.layout is 'mvtec'; give one of ped2"),
        (lambda: ImageDataConfig(layout="ped2"), "data.layout is 'ped2'; give one of mvtec"),
        (lambda: ImageDataConfig(tiles=17), r"data.tiles is 17; give 1 \(whole\) to 16"),
        (lambda: VideoModelConfig(memory_items=0), "model.memory_items is 0; give 1 or more"),
        (lambda: VideoModelConfig(estimator_width=0), "model.estimator_width is 0; give 1"),
        (lambda: VideoModelConfig(skip_channels=0), "model.skip_channels is 0; give 1 or more"),
        (lambda: VideoModelConfig(widths=(32,)), "give channels for two levels or more"),
        (lambda: VideoModelConfig(widths=(32, 0)), "give channels for two levels or more"),
        (lambda: VideoModelConfig(mask="decodr"), "model.mask is 'decodr'; give one of encoder"),
        (lambda: VideoModelConfig(reductions=(4,)), "give both one entry for each deformation"),
        (lambda: VideoModelConfig(reductions=(1, 4)), "order the heads from coarse to fine"),
        (lambda: VideoModelConfig(reductions=(6, 1)), "model.reductions holds 6; give powers of"),
        (lambda: VideoModelConfig(reductions=(4, 0)), "model.reductions holds 0; give powers of"),
        (lambda: VideoModelConfig(displacements=(2.0, 0.0)), "holds 0.0; give pixels above 0"),
        (lambda: LossConfig(gamma1=-1.0), "loss.gamma1 is -1.0; give 0 or more"),
        (lambda: LossConfig(smoothness_window=4), "give 0, or an odd number above 1"),
        (lambda: LossConfig(smoothness_window=1), "give 0, or an odd number above 1"),
        (lambda: VideoScoreConfig(alpha=-0.1), "score.alpha is -0.1; give 0 or more"),
        (lambda: VideoScoreConfig(weight=-0.1), "score.weight is -0.1; give 0 or more"),
        (lambda: VideoScoreConfig(kernel=(0, 4)), r"score.kernel is \(0, 4\); give 1 or more"),
        (lambda: changed(recipes.images(), sigma=0.0), "score.sigma is 0.0; give pixels above 0"),
        (lambda: TrainConfig(epochs=0), "train.epochs is 0; give 1 or more"),
        (lambda: TrainConfig(batch_size=0), "train.batch_size is 0; give 1 or more"),
        (lambda: TrainConfig(warmup=-1), "train.warmup is -1; give 0 or more"),
        (lambda: TrainConfig(clip=-1), "train.clip is -1; give 0 or more"),
        (lambda: VideoTrainConfig(background_lr=-1), "train.background_lr is -1; give 0 or more"),
        (lambda: TrainConfig(seed=2**32), r"train.seed is 4294967296; give less than 2\^32"),
        (lambda: TrainConfig(betas=(0.9, 1.0)), "give two numbers from 0 to below 1"),
        (lambda: TrainConfig(lr=0.0), "train.lr is 0.0; give a number above 0"),
        (lambda: TrainConfig(precision="fp8"), "train.precision is 'fp8'; give one of auto"),
    ],
)  # fmt: skip
def test_values_out_of_range_are_refused_in_one_line(make, message: str) -> None:
    with pytest.raises(DmadError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("config", "multiple"), [(recipes.ped2(), 8), (recipes.images(), 32), (recipes.mnist(), 32)],
    ids=["ped2", "images", "mnist"],
)  # fmt: skip
def test_the_size_must_fit_the_coarsest_map_of_the_network(config: Config, multiple: int) -> None:
    assert config.model.coarsest == multiple
    with pytest.raises(DmadError, match=f"data.size is 100; give a multiple of {multiple}, the"):
        changed(config, size=100)
    assert changed(config, size=2 * multiple).data.size == 2 * multiple


@pytest.mark.parametrize("config", [recipes.images(), recipes.digits()], ids=["images", "digits"])
def test_a_batch_of_one_needs_more_than_one_embedding(config: Config) -> None:
    """Batch norm needs more than one value for each channel."""
    with pytest.raises(DmadError, match="the embedding has one position"):
        changed(config, batch_size=1, size=32)
    assert changed(config, batch_size=1, size=64).train.batch_size == 1


def test_the_canvas_of_an_image_covers_all_its_tiles() -> None:
    assert ImageDataConfig(size=64, tiles=3).canvas == 192
    assert VideoDataConfig(size=64).canvas == 64


def test_settings_can_not_be_changed_in_place() -> None:
    config = recipes.ped2()
    with pytest.raises(AttributeError):
        config.recipe = "mine"
    assert replace(config, recipe="mine").recipe == "mine"


def test_without_deformation_the_embedding_is_the_coarsest_map() -> None:
    assert ImageModelConfig(reductions=(), displacements=()).coarsest == 32
    assert VideoModelConfig(reductions=(), displacements=(), widths=(4, 8)).coarsest == 2
