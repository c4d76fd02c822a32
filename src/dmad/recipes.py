"""The recipes: for each data set, a function of the same name returns the settings.

The recipes `ped2`, `avenue`, `shanghaitech` and `mvtec` have the image size and number of epochs of
the paper. `ped2_crops` and `ped2_fast` are short trainings. The network of the recipes for real
video is similar to the network for Ped2 in the authors' released code. It differs in two parts: in
the estimator of the deformation (its resolution, width and input), and in the hidden layer that
computes the mask. `avenue` and `shanghaitech` have more memory items, as in the released code.

If a CPU has no 16-bit arithmetic, a smaller network needs much less time for the training:
`--model.widths [16,32,64,128] --model.reductions [8,4] --model.estimator_width 32`.
"""

from __future__ import annotations

from dataclasses import replace
from difflib import get_close_matches

from dmad.config import (
    Config,
    ImageConfig,
    ImageDataConfig,
    ImageLayout,
    ImageLossConfig,
    ImageModelConfig,
    ImageScoreConfig,
    PatchConfig,
    TrainConfig,
    VideoConfig,
    VideoDataConfig,
    VideoLossConfig,
    VideoModelConfig,
    VideoScoreConfig,
    VideoTrainConfig,
    changed,
)
from dmad.errors import DmadError

# Of the two error terms in the released frame scores, only the gradient error is measured in a
# small window. So it has the weight 4.
VIDEO_LOSS = VideoLossConfig(gradient=4.0)
# With the paper's γ₂ = 0.25, the deformation fields of digits stay small.
DIGITS_LOSS = VideoLossConfig(gamma2=0.02)
# Fields at 1/8 and 1/2 of the image size are computed twice as fast as those of the released code
# (1/4 and 1/1). The estimator gets the frame to be predicted as well, because the past frames alone
# add little to what the mask of the encoder already shows.
VIDEO_MODEL = VideoModelConfig(reductions=(8, 2), estimator_sees="target")
# Many small batches with a high learning rate. The paper's learning rate of 2e-4 with batches of 8
# needs 60 epochs. With a warm-up and clipped gradients, every memory item is used in the first
# epoch.
VIDEO_TRAINING = VideoTrainConfig(batch_size=2, lr=1e-3, warmup=100, clip=1.0)
# The strength term applies only to the forward fields, so the backward fields can undo them. With
# the paper's γ₂ = 1 on both, the backward fields stay zero, and the forward fields shrink the part
# in the image until little of it is left to restore.
IMAGE_LOSS = ImageLossConfig(gamma2=8.0, gamma3=1.0, backward_strength=False)
# Number of steps after which unused memory items are replaced. An encoder moves its features
# towards unused items in training. A frozen teacher cannot.
IMAGE_REVIVE_AFTER = 50
# Image size in pixels. Larger images have more patches, so smaller defects are found.
PATCHES_SIZE = 320


def ped2() -> VideoConfig:
    """UCSD Ped2: grey, one fixed view of a walkway."""
    return _video(
        "ped2", VideoDataConfig(layout="ped2", channels=1, antialias=False, fps=10), epochs=60
    )


def ped2_crops() -> VideoConfig:
    """UCSD Ped2 at 128 px, trained on crops. The model ped2 was trained with this recipe."""
    base = replace(ped2(), recipe="ped2_crops")
    # Skip connections for all features copy the background, so no template is learnt.
    shown = changed(base, size=128, crop=64, skips="full", model_background=False)
    return changed(shown, epochs=16, batch_size=4, gamma2=0.1)


def ped2_fast() -> VideoConfig:
    """UCSD Ped2 with a narrow network: a quarter of the computation of `ped2_crops`."""
    base = replace(ped2_crops(), recipe="ped2_fast")
    return changed(base, widths=(16, 32, 64, 128), estimator_width=32, epochs=24)


def avenue() -> VideoConfig:
    """CUHK Avenue: colour, one fixed view."""
    base = _video("avenue", VideoDataConfig(layout="avenue", antialias=False, fps=25), epochs=60)
    return changed(base, memory_items=420)


def shanghaitech() -> VideoConfig:
    """ShanghaiTech Campus: colour, thirteen fixed views with one background template each."""
    data = VideoDataConfig(layout="shanghaitech", antialias=False, fps=24)
    base = _video("shanghaitech", data, epochs=10)
    return changed(base, memory_items=1000, mask="decoder", estimator_sees="past")


def video() -> VideoConfig:
    """Any folder of videos or frame folders from fixed cameras."""
    return _video("video", VideoDataConfig(layout="video"), epochs=20)


def _video(name: str, data: VideoDataConfig, epochs: int) -> VideoConfig:
    training = replace(VIDEO_TRAINING, epochs=epochs)
    return VideoConfig(name, data, VIDEO_MODEL, loss=VIDEO_LOSS, train=training)


def street() -> VideoConfig:
    """A generated street scene, drawn during training. Needs no data."""
    return VideoConfig(
        recipe="street",
        # Deformed frames and a small γ₂ make the fields longer where something is abnormal.
        data=VideoDataConfig(layout="street", size=64, channels=1, deform_target=1.0),
        model=VideoModelConfig(
            widths=(16, 32, 64),
            reductions=(8, 4),
            estimator_width=24,
            skip_channels=16,
            estimator_sees="target",
        ),
        # People are a few pixels wide, so their gradients are mostly noise.
        loss=VideoLossConfig(gradient=0.0, gamma2=0.05),
        score=VideoScoreConfig(kernel=(14, 14)),
        train=VideoTrainConfig(epochs=7, batch_size=4, lr=2e-3, warmup=50, clip=1.0),
    )


def mnist() -> VideoConfig:
    """MNIST. Odd digits are normal (Sec. 4.2)."""
    return VideoConfig(
        recipe="mnist",
        data=VideoDataConfig(layout="mnist", size=32, channels=1, history=0, held_out=0),
        model=_digits_model(),
        loss=DIGITS_LOSS,
        score=VideoScoreConfig(kernel=(8, 8)),
        train=VideoTrainConfig(epochs=3, batch_size=32, lr=1e-3),
    )


def digits() -> VideoConfig:
    """The 1,797 digits of scikit-learn. Odd digits are normal. Needs no data."""
    return replace(
        mnist(),
        recipe="digits",
        data=VideoDataConfig(layout="digits", size=32, channels=1, history=0, held_out=0),
        train=VideoTrainConfig(epochs=15, batch_size=16, lr=1e-3),
    )


def _digits_model() -> VideoModelConfig:
    """A network with one embedding for each image: a memory item is the prototype of a digit."""
    return VideoModelConfig(
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


def mvtec() -> ImageConfig:
    """MVTec AD: one model for each category. The teacher is the paper's wide ResNet-50."""
    model = ImageModelConfig(
        teacher="wide_resnet50_2",
        revive_after=IMAGE_REVIVE_AFTER,
        reductions=(8, 2),
        displacements=(8.0, 3.0),
    )
    return _images("mvtec", model, epochs=400)


def images() -> ImageConfig:
    """Any folder of images of good parts. The teacher, EfficientNet-Lite0, needs no download."""
    model = ImageModelConfig(
        teacher="tf_efficientnet_lite0",
        student_widths=(64, 128, 256),
        even_channels=True,
        revive_after=IMAGE_REVIVE_AFTER,
        reductions=(8, 4),
        displacements=(8.0, 3.0),
        estimator_width=32,
    )
    return _images("images", model, epochs=100)


def patches() -> PatchConfig:
    """A few good images. Their patches are stored, as in the method PatchCore. No training."""
    return changed(PatchConfig(), size=PATCHES_SIZE)


def _images(name: ImageLayout, model: ImageModelConfig, epochs: int) -> ImageConfig:
    return ImageConfig(
        recipe=name,
        data=ImageDataConfig(layout=name),
        model=model,
        loss=IMAGE_LOSS,
        score=ImageScoreConfig(alpha=0.05),
        train=TrainConfig(epochs=epochs, lr=5e-3, betas=(0.5, 0.999)),
    )


RECIPES = (
    ped2,
    ped2_crops,
    ped2_fast,
    avenue,
    shanghaitech,
    video,
    street,
    mnist,
    digits,
    mvtec,
    images,
    patches,
)


def names() -> list[str]:
    """Return the names of the recipes."""
    return [recipe.__name__ for recipe in RECIPES]


def get(name: str) -> Config:
    """Return the settings of a recipe.

    Raises:
        DmadError: No recipe has this name. The message proposes the most similar name.
    """
    for recipe in RECIPES:
        if recipe.__name__ == name:
            return recipe()
    near = get_close_matches(name, names(), 1)
    hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(names())}"
    raise DmadError(f"unknown recipe {name!r}; {hint}")


def recipe(name: str, **changes: object) -> Config:
    """Return the settings of a recipe, in which some settings are changed.

    Args:
        name: Name of the recipe, such as "ped2".
        **changes: New values by the names of the settings, such as `epochs=4, size=128,
            root=Path("UCSDped2")`. If two sections have a setting with this name, put the section
            before the name: `loss_background=0.0`.

    Raises:
        DmadError: The recipe or a setting does not exist, or a value is out of range.
    """
    return changed(get(name), **changes)


def describe() -> list[tuple[str, str]]:
    """Return the name of each recipe, and one line that describes it."""
    return [(recipe.__name__, (recipe.__doc__ or "").strip()) for recipe in RECIPES]
