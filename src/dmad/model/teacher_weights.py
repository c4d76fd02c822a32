"""The weights of a teacher: read from a file, or downloaded through timm."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from dmad.config import ImageModelConfig
from dmad.console import only_errors_of
from dmad.errors import DmadError, one_line, require
from dmad.model.distillation import Teacher

TORCHVISION = "tv_in1k"  # timm's tag of the weights that the paper used

TIMEOUT = 10  # seconds to wait for an answer of the Hugging Face hub


def load_teacher(teacher: Teacher, config: ImageModelConfig) -> None:
    """Load the weights of a teacher.

    Raises:
        DmadError: The file is missing, unreadable or of another network. Or no file was given, and
            timm cannot download the weights.
    """
    path = config.teacher_weights
    weights = read_weight_file(path) if path else download_weights(config.teacher)
    copy_weights(teacher, weights, source=str(path or "timm"), name=config.teacher)


def read_weight_file(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a `.safetensors` or `.pth` file. No code in it is executed."""
    require(path.is_file(), f"--model.teacher_weights {path} does not exist; give a file")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
        return dict(content.get("state_dict", content))
    except Exception as error:  # each format raises other errors
        raise DmadError(
            f"cannot read weights from {path} ({one_line(error)[:80]}); give a .safetensors file, "
            "or a .pth file that contains only tensors"
        ) from error


def download_weights(name: str) -> dict[str, Tensor]:
    """Download the weights of a network with timm.

    If `name` has no tag, the weights of torchvision are used, if there are any.
    """
    import timm
    from timm.models import is_model_pretrained

    tagged = f"{name}.{TORCHVISION}"
    if "." not in name and is_model_pretrained(tagged):
        name = tagged
    try:
        with only_errors_of("huggingface_hub"), offline_if_unreachable():
            return dict(timm.create_model(name, pretrained=True).state_dict())
    except Exception as error:  # no connection, no such file, no weights for this name
        raise DmadError(
            f"cannot download the weights of teacher {name} ({type(error).__name__}); without an "
            "internet connection, give a file: --model.teacher_weights PATH"
        ) from error


@contextmanager
def offline_if_unreachable() -> Iterator[None]:
    """Use only local files if the Hugging Face hub cannot be reached.

    Otherwise its library tries again and again, without a message, for almost a minute.
    """
    from huggingface_hub import constants
    from huggingface_hub.utils import get_session  # type: ignore[attr-defined]

    offline_before = constants.HF_HUB_OFFLINE
    try:
        get_session().head(constants.ENDPOINT, timeout=TIMEOUT)
    except Exception:  # each version raises other errors
        constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = offline_before


def copy_weights(teacher: Teacher, weights: Mapping[str, Tensor], source: str, name: str) -> None:
    """Copy the weights that have the names of a teacher's weights into the teacher.

    A dot and an underscore in a name are equal. All other weights are ignored.

    Raises:
        DmadError: A weight is missing or has another shape.
    """
    given = {key.replace(".", "_"): value for key, value in weights.items()}
    state = teacher.network.state_dict()
    for key, own in state.items():
        if key.endswith("num_batches_tracked"):  # matters only in training
            continue
        value = given.get(key.replace(".", "_"))
        if value is None or value.shape != own.shape:
            raise DmadError(
                f"{source} has no weight {key} of the shape that {name} needs; give the weights of "
                f"{name}, or give the name of the right network with --model.teacher"
            )
        state[key] = value
    teacher.network.load_state_dict(state)
