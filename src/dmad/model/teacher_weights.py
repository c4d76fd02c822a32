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

TIMEOUT = 10  # seconds in which the hub must answer


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
    except Exception as error:  # each format raises its own kinds
        raise DmadError(
            f"{path} holds no readable weights ({one_line(error)[:80]}); give .safetensors, or "
            ".pth that holds only tensors"
        ) from error


def download_weights(name: str) -> dict[str, Tensor]:
    """Download the weights of a network with timm.

    If torchvision has weights for it and `name` has no tag, these are taken.
    """
    import timm
    from timm.models import is_model_pretrained

    tagged = f"{name}.{TORCHVISION}"
    if "." not in name and is_model_pretrained(tagged):
        name = tagged
    try:
        with only_errors_of("huggingface_hub"), offline_if_unreachable():
            return dict(timm.create_model(name, pretrained=True).state_dict())
    except Exception as error:  # no network, no such file, no weights for this name
        raise DmadError(
            f"the weights of teacher {name} cannot be fetched ({type(error).__name__}); without "
            "a network give a file: --model.teacher_weights PATH"
        ) from error


@contextmanager
def offline_if_unreachable() -> Iterator[None]:
    """Use only files on this disk while the hub of the weights cannot be reached.

    Otherwise the hub's library retries silently for most of a minute.
    """
    from huggingface_hub import constants
    from huggingface_hub.utils import get_session  # type: ignore[attr-defined]

    offline_before = constants.HF_HUB_OFFLINE
    try:
        get_session().head(constants.ENDPOINT, timeout=TIMEOUT)
    except Exception:  # each version raises its own kinds
        constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = offline_before


def copy_weights(teacher: Teacher, weights: Mapping[str, Tensor], source: str, name: str) -> None:
    """Copy weights into a teacher by their names, in which dots and underscores are the same.

    Weights of other layers are ignored.

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
                f"{source} holds no {key} as {name} has it; give the weights of {name}, or name "
                "their network with --model.teacher"
            )
        state[key] = value
    teacher.network.load_state_dict(state)
