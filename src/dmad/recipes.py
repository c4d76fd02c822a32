"""The numbers: one function a data set, named as on the command line.

Sizes and epochs of real video and MVTec are the paper's. The network of video, the default of
`ModelConfig`, is the released one of Ped2 but for its fields (their scale, width and what they see)
and the hidden layer of its mask; Avenue and ShanghaiTech have more memory items, as released. On a
CPU without 16-bit arithmetic a lean one trains in a fraction of the time:
`--model.widths [16,32,64,128] --model.reductions [8,4] --model.estimator_width 32`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from dmad.config import (
    Config,
    DataConfig,
    LossConfig,
    ModelConfig,
    ScoreConfig,
    TrainConfig,
    changed,
)
from dmad.errors import DmadError

SHARP = LossConfig(gradient=4.0)  # of the released frame scores only the gradient error is local
LIVELY = LossConfig(gamma2=0.02)  # with the paper's 0.25 the fields of digits stay small
# Fields at 1/8 and 1/2 instead of the released 1/4 and 1/1: twice as fast. The past alone tells
# them little beside the encoder's mask; the frame to be matched is what they are to measure.
FIELDS = ModelConfig(reductions=(8, 2), estimator_sees="target")
# Many small steps: the paper's 2e-4 at batch 8 needs its 60 epochs. Begun gently and clipped, they
# use every memory item in the first epoch.
QUICK = TrainConfig(batch_size=2, lr=1e-3, warmup=100, clip=1.0)
# Forward fields held short, backward ones free to undo them: with the paper's γ₂ = 1 on both,
# backward fields stay zero, and forward ones squeeze a part until little is left to restore.
FAITHFUL = LossConfig(gamma2=8.0, gamma3=1.0, backward_strength=False)
REVIVE = 50  # steps: a frozen teacher does not come towards items that nobody uses


def ped2() -> Config:
    """UCSD Ped2: grey, one fixed view of a walkway."""
    return _video("ped2", DataConfig(layout="ped2", channels=1, antialias=False, fps=10), epochs=60)


def avenue() -> Config:
    """CUHK Avenue: colour, one fixed view."""
    base = _video("avenue", DataConfig(layout="avenue", antialias=False, fps=25), epochs=60)
    return changed(base, memory_items=420)


def shanghaitech() -> Config:
    """ShanghaiTech Campus: colour, thirteen fixed views, one background template each."""
    data = DataConfig(layout="shanghaitech", antialias=False, fps=24)
    base = _video("shanghaitech", data, epochs=10)
    return changed(base, memory_items=1000, mask="decoder", estimator_sees="past")


def video() -> Config:
    """Any folder of videos or frame folders from fixed cameras."""
    return _video("video", DataConfig(layout="video"), epochs=20)


def _video(name: str, data: DataConfig, epochs: int) -> Config:
    return Config(name, data, FIELDS, SHARP, train=replace(QUICK, epochs=epochs))


def street() -> Config:
    """A scripted street scene, rendered on the fly; needs no data."""
    return Config(
        "street",
        DataConfig(layout="street", size=64, channels=1),
        ModelConfig(widths=(16, 32, 64), reductions=(8, 4), estimator_width=24, skip_channels=16),
        loss=LossConfig(gradient=0.0),  # figures are a few pixels wide: gradients are mostly noise
        score=ScoreConfig(kernel=(14, 14)),
        train=TrainConfig(epochs=7, batch_size=4, lr=2e-3, warmup=50, clip=1.0),
    )


def mnist() -> Config:
    """MNIST, odd digits normal (Sec. 4.2)."""
    return Config(
        "mnist",
        DataConfig(layout="mnist", size=32, channels=1, history=0, held_out=0),
        _toy_model(),
        LIVELY,
        ScoreConfig(kernel=(8, 8)),
        TrainConfig(epochs=3, batch_size=32, lr=1e-3),
    )


def digits() -> Config:
    """The 1,797 digits that come with scikit-learn, odd ones normal; needs no data."""
    base = mnist()
    return Config(
        "digits",
        DataConfig(layout="digits", size=32, channels=1, history=0, held_out=0),
        base.model,
        base.loss,
        base.score,
        TrainConfig(epochs=15, batch_size=16, lr=1e-3),
    )


def _toy_model() -> ModelConfig:
    """One embedding an image, so that a memory item is the prototype of a whole digit."""
    return ModelConfig(
        widths=(16, 32, 64, 128, 128),
        stem=2,
        memory_items=20,
        revive_after=50,
        skips="none",
        reductions=(8, 4),
        displacements=(4.0, 3.0),
        estimator_width=32,
        background=False,
    )


def mvtec() -> Config:
    """MVTec AD: one model a category, wide ResNet-50 as teacher, as the paper has it."""
    model = ModelConfig(
        teacher="wide_resnet50_2",
        revive_after=REVIVE,
        reductions=(8, 2),
        displacements=(8.0, 3.0),
        background=False,
    )
    return _images("mvtec", model, epochs=400)


def images() -> Config:
    """Any folder of images of good parts, ResNet-18 as teacher: for two cores."""
    model = ModelConfig(
        teacher="resnet18",
        revive_after=REVIVE,
        reductions=(8, 4),
        displacements=(8.0, 3.0),
        estimator_width=32,
        background=False,
    )
    return _images("images", model, epochs=100)


def _images(name: Literal["mvtec", "images"], model: ModelConfig, epochs: int) -> Config:
    return Config(
        name,
        DataConfig(layout=name, history=0),
        model,
        FAITHFUL,
        ScoreConfig(alpha=0.05),
        TrainConfig(epochs=epochs, lr=5e-3, betas=(0.5, 0.999)),
    )


RECIPES = (ped2, avenue, shanghaitech, video, street, mnist, digits, mvtec, images)


def names() -> list[str]:
    """The recipes' names."""
    return [recipe.__name__ for recipe in RECIPES]


def get(name: str) -> Config:
    """The settings of a recipe; `DmadError` with the nearest names where there is none."""
    from difflib import get_close_matches

    for recipe in RECIPES:
        if recipe.__name__ == name:
            return recipe()
    near = get_close_matches(name, names(), 1)
    hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(names())}"
    raise DmadError(f"unknown recipe {name!r}; {hint}")


def recipe(name: str, **changes: object) -> Config:
    """A recipe with some settings changed, each by its own name.

    Args:
        name: As on the command line.
        **changes: Any setting of any section: `epochs=4, size=128, root=Path("UCSDped2")`; where
            two sections have one of that name, with the section: `loss_background=0.0`.

    Raises:
        DmadError: No such recipe or setting, or a value out of range.
    """
    return changed(get(name), **changes)


def describe() -> list[tuple[str, str]]:
    """Each recipe's name and one line on it."""
    return [(recipe.__name__, (recipe.__doc__ or "").strip()) for recipe in RECIPES]
