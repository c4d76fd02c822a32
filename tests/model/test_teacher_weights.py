"""A teacher's weights from files and from nowhere, and its features kept."""

from http.server import HTTPServer, SimpleHTTPRequestHandler
from threading import Thread

import numpy as np
import pytest
import timm
import torch
from huggingface_hub import constants
from safetensors.torch import save_file

from dmad.config import ImageModelConfig
from dmad.data.footage import footage_from_arrays
from dmad.data.windows import to_model
from dmad.errors import DmadError
from dmad.model.distillation import Teacher
from dmad.model.teacher_weights import load_teacher, no_waiting
from dmad.training.features import keep_features


def wanting(path, name: str = "resnet18") -> ImageModelConfig:
    return ImageModelConfig(teacher=name, teacher_weights=path)


def test_weights_from_a_file(teacher_weights) -> None:
    first, second = Teacher("resnet18"), Teacher("resnet18")
    for teacher in (first, second):
        load_teacher(teacher, wanting(teacher_weights))
    x = torch.rand(1, 3, 32, 32)
    torch.testing.assert_close(first(x), second(x), rtol=0, atol=0)


def test_whole_networks_serve_too(tmp_path) -> None:
    """A file of all layers, with the head, as torchvision and timm give it."""
    torch.manual_seed(5)
    whole = timm.create_model("resnet18")
    torch.save(whole.state_dict(), tmp_path / "resnet18.pth")
    teacher = Teacher("resnet18")
    load_teacher(teacher, wanting(tmp_path / "resnet18.pth"))
    torch.testing.assert_close(teacher.network.layer3[1].conv2.weight, whole.layer3[1].conv2.weight)


def test_flattened_names_are_found(tmp_path) -> None:
    """As a network of features, this one calls its stages.2 stages_2."""
    whole = timm.create_model("test_byobnet")
    save_file(whole.state_dict(), tmp_path / "whole.safetensors")
    teacher = Teacher("test_byobnet")
    load_teacher(teacher, wanting(tmp_path / "whole.safetensors", "test_byobnet"))
    own, given = teacher.network.state_dict(), whole.state_dict()
    name = "stages{}2.0.attn_last.fc2.weight"
    torch.testing.assert_close(own[name.format("_")], given[name.format(".")], rtol=0, atol=0)
    torch.testing.assert_close(own["stem.conv.weight"], given["stem.conv.weight"], rtol=0, atol=0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "does not exist; give a file"),
        (b"not a tensor", "holds no readable weights"),
        ({"a": torch.zeros(2)}, "holds no conv1.weight as resnet18 has it"),
    ],
)
def test_wrong_files_are_said_in_one_line(tmp_path, content, message) -> None:
    path = tmp_path / "weights.safetensors"
    if isinstance(content, dict):
        save_file(content, path)
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(DmadError, match=message) as caught:
        load_teacher(Teacher("resnet18"), wanting(path))
    assert "\n" not in str(caught.value)


def test_no_pickle_is_executed(tmp_path) -> None:
    class Trap:
        def __reduce__(self):
            return print, ("sprung",)

    torch.save({"conv1.weight": Trap()}, tmp_path / "trap.pth")
    with pytest.raises(DmadError, match="no readable weights"):
        load_teacher(Teacher("resnet18"), wanting(tmp_path / "trap.pth"))


def test_without_network_or_file(monkeypatch) -> None:
    asked = []

    def offline(name: str, **options: object) -> None:
        asked.append(name)
        raise OSError("a message\nof several lines")

    teacher = Teacher("resnet18")
    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(DmadError, match=r"give a file: --model.teacher_weights PATH") as caught:
        load_teacher(teacher, wanting(None))
    assert "\n" not in str(caught.value)
    assert asked == ["resnet18.tv_in1k"]  # torchvision's, as the paper


def test_a_hub_out_of_reach_is_not_asked_again_and_again(monkeypatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with HTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as hub:
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{hub.server_port}")
        Thread(target=hub.handle_request, daemon=True).start()
        with no_waiting():
            assert not constants.HF_HUB_OFFLINE
    with no_waiting():  # nobody listens now
        assert constants.HF_HUB_OFFLINE
    assert not constants.HF_HUB_OFFLINE


def test_features_are_kept_as_the_teacher_gives_them() -> None:
    frames = np.random.default_rng(0).integers(0, 255, (5, 32, 32, 3), np.uint8)
    teacher = Teacher("resnet18")
    kept = keep_features(teacher, footage_from_arrays([frames]), batch=2)
    assert [stage.shape for stage in kept] == [(5, 64, 8, 8), (5, 128, 4, 4), (5, 256, 2, 2)]
    x, _ = to_model(torch.from_numpy(frames[:, None]))
    for stage, expected in zip(kept, teacher(x), strict=True):
        torch.testing.assert_close(torch.from_numpy(stage).float(), expected, rtol=2e-3, atol=2e-3)
