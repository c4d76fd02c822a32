"""The interface of a form, and the forms that keep it."""

import inspect

import pytest
from torch.nn import Identity

from dmad import recipes
from dmad.config import Config, ImageConfig, PatchConfig, TrainedConfig, VideoConfig
from dmad.errors import DmadError
from dmad.form import Form, TrainedForm
from dmad.forms import FORMS, form_of


def methods(interface: type) -> list[str]:
    """The names of the methods that an interface states, with those that it inherits."""
    return [name for name, _ in inspect.getmembers(interface, inspect.isfunction)
            if not name.startswith("_")]  # fmt: skip


METHODS = [
    (name, method)
    for name, form in FORMS.items()
    for method in methods(TrainedForm if isinstance(form, TrainedForm) else Form)
]


@pytest.mark.parametrize(("name", "method"), METHODS)
def test_a_form_takes_the_parameters_that_the_interface_states(name: str, method: str) -> None:
    expected = inspect.signature(getattr(TrainedForm, method)).parameters
    assert list(inspect.signature(getattr(type(FORMS[name]), method)).parameters) == list(expected)


@pytest.mark.parametrize(("name", "method"), METHODS)
def test_every_method_of_a_form_is_described(name: str, method: str) -> None:
    assert inspect.getdoc(getattr(type(FORMS[name]), method))


def test_the_interface_has_methods() -> None:
    assert {"network", "outputs", "evaluate", "calibrate"} <= set(methods(Form))
    assert {*methods(TrainedForm)} - {*methods(Form)} == {
        "fixed_features",
        "losses",
        "choose_weight",
    }


@pytest.mark.parametrize("name", recipes.names())
def test_forms_whose_settings_have_a_loss_are_trained(name: str) -> None:
    config = recipes.get(name)
    assert isinstance(form_of(config), TrainedForm) == isinstance(config, TrainedConfig)
    assert hasattr(config, "loss") == isinstance(config, TrainedConfig)


def test_settings_find_their_form() -> None:
    assert form_of(VideoConfig()) is FORMS["video"]
    assert form_of(ImageConfig()) is FORMS["images"]
    assert {form_of(recipes.get(name)).name for name in recipes.names()} == set(FORMS)
    with pytest.raises(DmadError, match="no form is called ''; known: video, images, patches"):
        form_of(Config())


def test_only_forms_of_images_take_a_teacher() -> None:
    network = Identity()
    for config in (ImageConfig(), PatchConfig()):
        form = form_of(config, network)
        assert form.teacher is network
        assert type(form) is type(form_of(config))
    with pytest.raises(DmadError, match="a model of video has no teacher"):
        form_of(VideoConfig(), network)


def test_video_judges_frames_and_the_other_forms_judge_images() -> None:
    assert {name: form.judges for name, form in FORMS.items()} == {
        "video": "frames",
        "images": "images",
        "patches": "images",
    }
    assert all(form.name == name for name, form in FORMS.items())
