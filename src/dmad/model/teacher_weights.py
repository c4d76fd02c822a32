"""A teacher's weights: from a file, or through timm; and its features of all images, kept."""

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

REACHED = 10  # seconds in which the hub must answer


def load_teacher(teacher: Teacher, config: ImageModelConfig) -> None:
    """Give a teacher its weights.

    Raises:
        DmadError: The file is missing, unreadable or of another network; or none was given and
            timm cannot fetch the weights.
    """
    path = config.teacher_weights
    found = fetched(config.teacher) if path is None else read_weights(path)
    fit(teacher, found, str(path or "timm"), config.teacher)


def read_weights(path: Path) -> dict[str, Tensor]:
    """Tensors of a `.safetensors` or `.pth` file; nothing in it is executed."""
    require(path.is_file(), f"--model.teacher_weights {path} does not exist; give a file")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        found = torch.load(path, map_location="cpu", weights_only=True)
        return dict(found.get("state_dict", found))
    except Exception as error:  # each format raises kinds of its own
        raise DmadError(
            f"{path} holds no readable weights ({one_line(error)[:80]}); give .safetensors, or .pth "
            "of tensors alone"
        ) from error


def fetched(name: str) -> dict[str, Tensor]:
    """A network's weights from timm: torchvision's where it has them and no tag says otherwise."""
    import timm
    from timm.models import is_model_pretrained

    tagged = f"{name}.{TORCHVISION}"
    name = tagged if "." not in name and is_model_pretrained(tagged) else name
    try:
        with only_errors_of("huggingface_hub"), no_waiting():
            return dict(timm.create_model(name, pretrained=True).state_dict())
    except Exception as error:  # no network, no such file, no weights for this name
        raise DmadError(
            f"the weights of teacher {name} cannot be fetched ({type(error).__name__}); without "
            "a network give a file: --model.teacher_weights PATH"
        ) from error


@contextmanager
def no_waiting() -> Iterator[None]:
    """Ask the hub for no more than what it left on this disk, where it cannot be reached.

    By itself it tries again for most of a minute, silently.
    """
    from huggingface_hub import constants
    from huggingface_hub.utils import get_session  # type: ignore[attr-defined]

    before = constants.HF_HUB_OFFLINE
    try:
        get_session().head(constants.ENDPOINT, timeout=REACHED)
    except Exception:  # each version raises kinds of its own
        constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def fit(teacher: Teacher, found: Mapping[str, Tensor], source: str, name: str) -> None:
    """Copy weights by name; those of other layers are left, dots and underscores are alike."""
    given = {key.replace(".", "_"): value for key, value in found.items()}
    own = teacher.network.state_dict()
    taken = {key: given.get(key.replace(".", "_")) for key in own}
    lacking = [
        key
        for key, value in taken.items()
        if not key.endswith("num_batches_tracked")
        and (value is None or value.shape != own[key].shape)
    ]
    require(
        not lacking,
        f"{source} holds no {lacking[0] if lacking else ''} as {name} has it; give the weights of "
        f"{name}, or name their network with --model.teacher",
    )
    teacher.network.load_state_dict({k: own[k] if v is None else v for k, v in taken.items()})
