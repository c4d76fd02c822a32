"""Every setting of the project, as frozen dataclasses that check themselves when built.

The defaults are the paper's. Where the authors' released code differs in a way that matters,
the field names both values; `docs/equations.md` says why. Recipes set what depends on the data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from dmad.errors import checked, require

Layout = Literal[
    "ped2", "avenue", "shanghaitech", "video", "street", "mnist", "digits", "mvtec", "images"
]


@dataclass(frozen=True)
class DataConfig:
    """Where the data lies and how it is read.

    Args:
        root: Folder of the data set; `dmad data PATH` says what a folder holds.
        layout: How the folder is laid out; a recipe names its own.
        size: Height and width of a frame or image in pixels after resizing.
        channels: 1 for grey, 3 for colour.
        antialias: Resize frames with antialiasing. Without it, as released, thin things stay sharp.
        history: Past frames from which the next is predicted; 0 reconstructs a single image.
        fps: Frames a second where the footage does not say, as folders of frames do not; 0 is
            unknown, and nothing is said in seconds or hours then.
        cache: Folder for decoded frames (default: $DMAD_CACHE, else ~/.cache/dmad).
        workers: Processes that load batches; 0 is fastest for memory-mapped frames on few cores.
        normal: Digits that count as normal (recipes `mnist` and `digits`).
        held_out: Share of the normal clips kept from training, for thresholds; 0 trains on all.
        limit: Use at most this many training samples, evenly spread; 0 uses all.
        categories: Recipe `mvtec`: a model for each of these, separated by commas; empty is all.
        tiles: Images: cut each into `tiles` x `tiles` overlapping pieces of `size` pixels, so that
            small defects of large images are seen; maps are blended. 1 takes it whole.
    """

    root: Path | None = None
    layout: Layout = "video"
    size: int = 256
    channels: Literal[1, 3] = 3
    antialias: bool = True
    history: int = 4
    fps: float = 0.0
    cache: Path | None = None
    workers: int = 0
    normal: tuple[int, ...] = (1, 3, 5, 7, 9)
    held_out: float = 0.125
    limit: int = 0
    categories: str = ""
    tiles: int = 1

    @property
    def canvas(self) -> int:
        """Height and width of a whole image's map and mask in pixels."""
        return self.size * self.tiles

    def __post_init__(self) -> None:
        require(self.size >= 16, f"data.size is {self.size}; give 16 pixels or more")
        checked(self, "data", history=0, limit=0, fps=0, workers=0)
        require(0 <= self.held_out < 1, f"data.held_out is {self.held_out}; give 0 to below 1")
        require(1 <= self.tiles <= 16, f"data.tiles is {self.tiles}; give 1 (whole) to 16")


@dataclass(frozen=True)
class ModelConfig:
    """The network. Each part can be switched off, as the paper's ablation (Table 4) needs.

    Args:
        widths: Channels of each encoder level, finest first, with a 2x pooling between them; the
            last are the channels D of the memory.
        stem: Factor by which pixels are folded into channels before the first convolution.
            1 works at full resolution (released code); 2 costs about a quarter.
        memory: Quantise the embedding to memory items (Eq. 4).
        memory_items: Number N of memory items.
        revive_after: Steps after which an unused item is replaced by an embedding; 0 never (paper).
        skips: `compressed` passes few channels of detached features to the decoder (paper),
            `full` passes all of them (as MNAD), `none` passes nothing.
        skip_channels: Channels a compressed skip keeps.
        positions: Positional embedding PE in the decoder and the deformation estimator.
        reductions: For each deformation head, coarse first, image size over field size.
            Empty switches the deformation off; one entry is K = 1.
        displacements: For each head, the largest displacement in pixels.
        estimator_width: Channels of the deformation estimator.
        estimator_sees: What the deformation is estimated from in video: `past` is what the
            encoder sees too (the one x of Eq. 3), `target` adds the frame to be matched.
        background: Learn a background template and a foreground mask (Eq. 9).
        mask: Where the foreground mask comes from: `encoder` draws it from the finest features of
            the input, one mask a channel (released on Ped2 and Avenue); `decoder` draws it beside
            the reference, so that it too passes the memory (released on ShanghaiTech).
        teacher: Images (PPDM): the frozen network of timm whose features are restored, such as
            `wide_resnet50_2` or `resnet18`. With one, `widths`, `stem`, `skips`, `skip_channels`,
            `estimator_sees`, `background` and `mask` do not count. Empty: PDM (video, digits).
        teacher_weights: File of the teacher's weights (.safetensors, or .pth of tensors alone);
            without one, timm fetches them.
    """

    widths: tuple[int, ...] = (32, 64, 128, 256)
    stem: Literal[1, 2, 4] = 1
    memory: bool = True
    memory_items: int = 200
    revive_after: int = 0
    skips: Literal["compressed", "full", "none"] = "compressed"
    skip_channels: int = 32
    positions: bool = True
    reductions: tuple[int, ...] = (4, 1)
    displacements: tuple[float, ...] = (2.0, 3.0)
    estimator_width: int = 64
    estimator_sees: Literal["past", "target"] = "past"
    background: bool = True
    mask: Literal["encoder", "decoder"] = "encoder"
    teacher: str = ""
    teacher_weights: Path | None = None

    def __post_init__(self) -> None:
        checked(self, "model", memory_items=1, skip_channels=1, estimator_width=1)
        levels = len(self.widths) >= 2 and min(self.widths) >= 1
        require(levels, f"model.widths is {self.widths}; give channels for two levels or more")
        require(
            len(self.reductions) == len(self.displacements),
            f"model.reductions has {len(self.reductions)} entries and model.displacements "
            f"{len(self.displacements)}; give one of each per head",
        )
        require(
            list(self.reductions) == sorted(self.reductions, reverse=True),
            f"model.reductions is {self.reductions}; order the heads from coarse to fine",
        )
        for reduction in self.reductions:
            power = reduction >= 1 and reduction & (reduction - 1) == 0
            require(power, f"model.reductions holds {reduction}; give powers of two")
        for pixels in self.displacements:
            require(pixels > 0, f"model.displacements holds {pixels}; give pixels above 0")


@dataclass(frozen=True)
class LossConfig:
    """Weights of Eq. 5, 8, 10, 11, 18 and 19.

    Args:
        gamma1: Weight of the compression loss (Eq. 11, 19).
        gamma2: Weight of the deformation loss (Eq. 11, 19).
        gamma3: Weight of the cycle consistency of images (Eq. 19); 0 removes it.
        beta: Weight of the commitment term (Eq. 5).
        gradient: Video: weight of the gradient part of Dis (Eq. 10, 12) beside its squared error.
        coarse_gradient: Factor on it for all heads but the last; released code: 0.25.
        smoothness: Weight of the smoothness term of Eq. 8; 0 removes it.
        strength: Weight of the strength term of Eq. 8; 0 removes it (released code: 0.4 on Ped2).
        smoothness_window: 0 uses differences of neighbours (paper); an odd width compares a
            vector with the mean around it (near the released code: 7 coarse, 3 fine).
        backward_strength: Eq. 18 weighs backward fields' strength too (released code: false).
        background: Weight of the loss that fits the template to the frames (released: its only).
    """

    gamma1: float = 1.0
    gamma2: float = 0.25
    gamma3: float = 0.25
    beta: float = 0.25
    gradient: float = 1.0
    coarse_gradient: float = 1.0
    smoothness: float = 1.0
    strength: float = 1.0
    smoothness_window: int = 0
    backward_strength: bool = True
    background: float = 1.0

    def __post_init__(self) -> None:
        checked(self, "loss", **dict.fromkeys((item.name for item in fields(self)), 0))
        require(
            self.smoothness_window == 0 or self.smoothness_window in range(3, 1000, 2),
            f"loss.smoothness_window is {self.smoothness_window}; give 0, or an odd number above 1",
        )


@dataclass(frozen=True)
class ScoreConfig:
    """How maps become a score (Eq. 12 to 14, 20 to 23).

    Args:
        alpha: Weight of the deformation term.
        weight: Video: its weight in the deployable score, where both terms are standardised.
        kernel: Video: height and width of the averaging kernel k*, in pixels.
        sigma: Images: standard deviation of the Gaussian kernel k* in pixels, in place of the
            averaging one.
        backward_only: Images: measure the backward fields alone in Eq. 21 (released code).
        choose: Choose `weight` at the end of training by synthetic anomalies in what was held out,
            and for images `alpha`.
    """

    alpha: float = 0.2
    weight: float = 0.5
    kernel: tuple[int, int] = (16, 14)
    sigma: float = 4.0
    backward_only: bool = False
    choose: bool = True

    def __post_init__(self) -> None:
        checked(self, "score", alpha=0, weight=0)
        require(min(self.kernel) >= 1, f"score.kernel is {self.kernel}; give 1 or more")
        require(self.sigma > 0, f"score.sigma is {self.sigma}; give pixels above 0")


@dataclass(frozen=True)
class TrainConfig:
    """How the model is trained.

    Args:
        epochs: Passes over the training data.
        batch_size: Samples a step.
        lr: Peak learning rate of AdamW, decayed to zero along a cosine.
        betas: Its two decay rates.
        background_lr: Factor on `lr` for the background template.
        weight_decay: Weight decay of AdamW.
        warmup: Steps over which the learning rate first rises to its peak; half of all at most.
        clip: Largest norm of the gradient of all weights together; 0 does not clip.
        seed: Seed of weights and sample order.
        precision: `auto` takes bf16 where the machine computes in it, else 32-bit floats.
        compile: `torch.compile`; `auto` does so on a GPU.
        channels_last: Keep activations in channels-last order; `auto` does so where bf16 is fast.
        start: Trained model (run, file, shipped name) whose weights but templates to begin with.
    """

    epochs: int = 60
    batch_size: int = 8
    lr: float = 2e-4
    betas: tuple[float, float] = (0.9, 0.999)
    background_lr: float = 10.0
    weight_decay: float = 0.01
    warmup: int = 0
    clip: float = 0.0
    seed: int = 0
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    compile: Literal["auto", "on", "off"] = "auto"
    channels_last: Literal["auto", "on", "off"] = "auto"
    start: Path | None = None

    def __post_init__(self) -> None:
        least = {"epochs": 1, "batch_size": 1, "warmup": 0, "clip": 0, "weight_decay": 0}
        checked(self, "train", **least, seed=0, background_lr=0)
        require(self.seed < 2**32, f"train.seed is {self.seed}; give less than 2^32")
        require(
            0 <= min(self.betas) <= max(self.betas) < 1, f"train.betas is {self.betas}; below 1"
        )
        require(self.lr > 0, f"train.lr is {self.lr}; give a number above 0")


@dataclass(frozen=True)
class Config:
    """One experiment: its recipe's name and every setting.

    Args:
        recipe: The recipe these settings started from.
        data: Where the data lies and how it is read.
        model: The network.
        loss: Weights of the losses.
        score: How maps become a score.
        train: How the model is trained.
    """

    recipe: str = "video"
    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    score: ScoreConfig = field(default_factory=ScoreConfig)
    train: TrainConfig = field(default_factory=TrainConfig)

    def __post_init__(self) -> None:
        images = self.data.layout in ("mvtec", "images")
        require(
            images == bool(self.model.teacher),
            f"data.layout {self.data.layout} goes {'with' if images else 'without'} a "
            "model.teacher: recipes mvtec and images have one, those of video and digits none",
        )
        deepest = self.model.stem * 2 ** (len(self.model.widths) - 1)
        if self.model.teacher:
            deepest = 32
            require(
                (self.data.channels, self.data.history) == (3, 0),
                f"a teacher sees single colour images, not data.channels {self.data.channels} and "
                f"data.history {self.data.history}; give 3 and 0, or no model.teacher",
            )
        alone = self.train.batch_size == 1 and self.data.size == deepest
        require(not alone, "train.batch_size is 1 for an embedding of one place; give 2 or more")
        coarsest = max((deepest, *self.model.reductions))
        require(
            self.data.size % coarsest == 0,
            f"data.size is {self.data.size}; give a multiple of {coarsest}, the coarsest "
            "reduction of the model",
        )


SECTIONS = {
    "data": DataConfig,
    "model": ModelConfig,
    "loss": LossConfig,
    "score": ScoreConfig,
    "train": TrainConfig,
}

PLACES = ("root", "cache", "teacher_weights")  # paths that are made absolute

PATHS = (*PLACES, "start")


def plain(value: Any) -> Any:
    """Turn a configuration into dicts, lists, numbers and strings, for YAML or JSON."""
    if hasattr(value, "__dataclass_fields__"):
        return {item.name: plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def changed(config: Config, **changes: object) -> Config:
    """Settings with some changed, each by its own name; all at once, as some belong together.

    Args:
        config: What the others stay like.
        **changes: Any setting of any section: `epochs=4, size=128, root=Path("UCSDped2")`; where
            two sections have one of that name, with the section: `loss_background=0.0`.

    Raises:
        DmadError: No such setting, or a value out of range.
    """
    known = [(section, own) for section in SECTIONS for own in vars(getattr(config, section))]
    new: dict[str, dict[str, object]] = {section: {} for section in SECTIONS}
    for key, value in changes.items():
        meant = [(section, own) for section, own in known if key in (own, f"{section}_{own}")]
        more = " or ".join("_".join(place) for place in meant)
        helped = f"`dmad train {config.recipe} --help` lists them"
        require(bool(meant), f"no setting is called {key!r}; {helped}")
        require(len(meant) == 1, f"{key!r} is a setting of several sections; say {more}")
        ((section, own),) = meant
        new[section][own] = value
    sections = {name: replace(getattr(config, name), **own) for name, own in new.items() if own}
    return replace(config, **sections)


def anchored(config: Config) -> Config:
    """The same settings, whose paths hold from any folder."""
    return restore(plain(config))


def restore(tree: dict[str, Any]) -> Config:
    """Build a `Config` from what `plain` made of one; unknown names raise `DmadError`.

    Relative paths are taken from the present folder and made absolute.
    """
    sections = {name: _section(name, tree.get(name, {})) for name in SECTIONS}
    return Config(recipe=str(tree.get("recipe", "video")), **sections)


def of_card(card: Mapping[str, Any]) -> Config:
    """The settings in a model's card, with the α that was chosen for it."""
    config = restore(card["config"])
    choice = card.get("choice")
    return changed(config, alpha=choice["alpha"]) if choice else config


def _section(name: str, values: dict[str, Any]) -> Any:
    known = {item.name for item in fields(SECTIONS[name])}
    unknown = sorted(set(values) - known)
    require(not unknown, f"unknown setting {name}.{', '.join(unknown)}; known: {sorted(known)}")
    return SECTIONS[name](**{key: _value(key, item) for key, item in values.items()})


def _value(key: str, value: Any) -> Any:
    if isinstance(value, list):
        return tuple(value)
    if key not in PATHS or value is None:
        return value
    return Path(value).absolute() if key in PLACES else Path(value)
