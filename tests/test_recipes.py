"""The recipes: one for each data set, found by its name."""

from dataclasses import replace
from pathlib import Path

import pytest

from dmad import recipes
from dmad.config import ImageConfig, PatchConfig, VideoConfig, restore
from dmad.errors import DmadError
from dmad.runs import find_model, read_card

LAYOUTS = {"patches": "images", "ped2_crops": "ped2", "ped2_fast": "ped2"}
OTHERS = {"mvtec": ImageConfig, "images": ImageConfig, "patches": PatchConfig}


@pytest.mark.parametrize("name", recipes.names())
def test_a_recipe_carries_its_name_and_the_settings_of_its_form(name: str) -> None:
    config = recipes.get(name)
    assert config.recipe == name
    assert config.data.layout == LAYOUTS.get(name, name)
    assert isinstance(config, OTHERS.get(name, VideoConfig))


def test_every_recipe_is_described_in_one_line() -> None:
    described = dict(recipes.describe())
    assert list(described) == recipes.names()
    assert all(text and "\n" not in text for text in described.values())
    assert described["ped2"].startswith("UCSD Ped2")


@pytest.mark.parametrize(
    ("name", "hint"),
    [("ped3", "did you mean ped2?"), ("mvtek", "did you mean mvtec?"), ("xyzzy", "known: ped2, ")],
)
def test_an_unknown_recipe_is_refused_with_the_nearest_name(name: str, hint: str) -> None:
    with pytest.raises(DmadError) as caught:
        recipes.get(name)
    assert f"unknown recipe {name!r}; {hint}" in str(caught.value)


def test_settings_of_a_recipe_can_be_changed() -> None:
    config = recipes.recipe("ped2", epochs=4, size=128, root=Path("UCSDped2"))
    assert (config.train.epochs, config.data.size, config.data.root) == (4, 128, Path("UCSDped2"))
    assert config.model == recipes.ped2().model
    with pytest.raises(DmadError, match="no setting is called 'epoch'"):
        recipes.recipe("ped2", epoch=4)
    with pytest.raises(DmadError, match="unknown recipe"):
        recipes.recipe("pedestrians-of-all-kinds", epochs=4)


def test_real_video_and_mvtec_have_the_sizes_and_epochs_of_the_paper() -> None:
    epochs = {"ped2": 60, "avenue": 60, "shanghaitech": 10, "mvtec": 400}
    for name, count in epochs.items():
        config = recipes.get(name)
        assert (config.data.size, config.train.epochs) == (256, count)
    assert recipes.mvtec().model.teacher == "wide_resnet50_2"
    items = [recipes.get(name).model.memory_items for name in ("ped2", "avenue", "shanghaitech")]
    assert items == [200, 420, 1000]


def test_ped2_crops_has_the_settings_of_the_model_that_comes_with_dmad() -> None:
    shipped = restore(read_card(find_model("ped2"))["config"])
    config = recipes.ped2_crops()
    for section in ("data", "model", "loss", "score", "train"):
        ours, theirs = getattr(config, section), getattr(shipped, section)
        if section == "data":
            ours, theirs = (replace(one, root=None, cache=None) for one in (ours, theirs))
        assert ours == theirs


def test_digits_are_reconstructed_from_one_embedding() -> None:
    for config in (recipes.mnist(), recipes.digits()):
        assert config.model.embedding_reduction == config.data.size == 32
        assert (config.data.history, config.data.normal) == (0, (1, 3, 5, 7, 9))
