"""All settings of the project, as frozen dataclasses that check their values when they are created.

A model has one of three forms: video, images or patches. The settings are in five sections: data,
model, loss, score and train. The form `patches` has no section `loss`. Each form has its own
classes for its sections, so that `dmad train RECIPE --help-all` lists only settings that have an
effect. The defaults are the values of the paper. If the authors' released code uses another value,
the docstring names both values, and `docs/equations.md` gives the reason. The recipes change the
settings that depend on the data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

from dmad.errors import check_settings, require
from dmad.typed import dataclass_from, typed

VideoLayout = Literal["ped2", "avenue", "shanghaitech", "video", "street", "mnist", "digits"]
ImageLayout = Literal["mvtec", "images"]
Weather = Literal["clear", "clouds", "rain", "snow"]  # of recipe `street`
VALUES = ("black", "white")  # settings of `data` that come from the training images
EACH_IMAGE = -1.0  # `data.white`: each image has its own range of values


@dataclass(frozen=True)
class DataConfig:
    """Where the data is and how it is read: the settings that all forms share.

    Args:
        root: Folder of the data set. `dmad data PATH` shows what a folder contains.
        workers: Number of processes that load batches. 0 is fastest on a machine with few cores.
        limit: Largest number of training samples. If there are more, the samples are taken evenly
            from all of the data. 0: no limit.
        layout: How files are named and arranged in the folder. The recipe sets it.
    """

    root: Path | None = None
    size: int = 256
    cache: Path | None = None
    workers: int = 0
    held_out: float = 0.125
    limit: int = 0

    # These values have no type, so they are no settings of this class. Each of them is fixed, or a
    # setting of some forms only.
    layout = ""
    channels = 3
    history = 0
    antialias = True
    fps = 0.0
    crop = 0
    deform_target = 0.0
    hours = 0.0
    tiles = 1
    categories = ""
    black = 0.0
    white = 0.0
    megapixels = 250.0
    hold_out_from = 0  # if there are fewer normal clips or images, none of them is held out

    @property
    def canvas(self) -> int:
        """Height and width in pixels of the score map and the mask of a whole image."""
        return self.size * self.tiles

    def __post_init__(self) -> None:
        require(self.size >= 16, f"data.size is {self.size}; give 16 pixels or more")
        check_settings(self, "data", limit=0, workers=0)
        require(0 <= self.held_out < 1, f"data.held_out is {self.held_out}; give 0 to below 1")


@dataclass(frozen=True)
class VideoDataConfig(DataConfig):
    """Where the footage is and how it is read.

    Args:
        size: Height and width of a frame in pixels after resizing.
        cache: Folder for decoded frames (default: $DMAD_CACHE, else ~/.cache/dmad).
        held_out: Share of the normal clips that are not used for training, but only to set the
            threshold. 0: train on all clips.
        channels: 1 for grey frames, 3 for colour.
        history: Number of past frames from which the next frame is predicted. 0: the model
            reconstructs single images.
        antialias: Resize frames with antialiasing. `false` keeps thin objects sharp, as in the
            authors' released code.
        fps: Frames per second of footage that does not state its frame rate, such as folders of
            frames. 0: unknown. Then no result is given in seconds or hours.
        normal: Digits that are normal (recipes `mnist` and `digits`).
        weathers: Weathers of the generated clips, such as [clear,clouds,rain,snow] (recipe
            `street`). All weathers have the same number of clips.
        crop: Train on square crops of this height and width in pixels. Most of them are placed
            where something moves. The trained model scores whole frames. 0: train on whole frames.
        deform_target: In training, deform the frame to predict at random. The past frames are not
            deformed. So the fields learn to show deformations. The value is the largest standard
            deviation of the displacements in pixels. Their mean length is about a fifth of it. 0:
            no frame is deformed.
        hours: Number of hours of footage to use, for very long footage whose decoded frames do not
            fit on the disk. Pieces of 10 seconds are taken evenly from all clips. 0: use all
            footage.
    """

    layout: VideoLayout = "video"
    channels: Literal[1, 3] = 3
    history: int = 4
    antialias: bool = True
    fps: float = 0.0
    crop: int = 0
    deform_target: float = 0.0
    hours: float = 0.0
    normal: tuple[int, ...] = (1, 3, 5, 7, 9)
    weathers: tuple[Weather, ...] = ("clear",)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_settings(self, "data", history=0, fps=0, crop=0, deform_target=0, hours=0)
        require(bool(self.weathers), "data.weathers is empty; give one or more, such as [clear]")
        require(
            self.crop < self.size,
            f"data.crop is {self.crop} and data.size {self.size}; give a smaller crop, or 0 to "
            "train on whole frames",
        )


@dataclass(frozen=True)
class ImageDataConfig(DataConfig):
    """Where the images are and how they are read.

    Args:
        size: Height and width of an image, or of a tile, in pixels after resizing.
        cache: Folder for decoded images (default: $DMAD_CACHE, else ~/.cache/dmad).
        held_out: Share of the good images that are not used for training, but only to set the
            threshold. 0: train on all images.
        categories: Names of the categories to train, separated by commas (recipe `mvtec`). One
            model is trained for each category (default: all categories).
        tiles: Cut each image into `tiles` x `tiles` overlapping tiles of `size` pixels, to find
            small defects in large images. 1: do not cut.
        black: Pixel value that becomes black, for images with more than 8 bits. It is used only if
            `white` is given too.
        white: Pixel value that becomes white, for images with more than 8 bits, such as 4096 for 12
            bits. 0: the range from black to white comes from the training images. -1: each image
            has its own range, of 8, 12 or 16 bits.
        megapixels: Largest image in millions of pixels. Larger images are not read.
    """

    layout: ImageLayout = "images"
    tiles: int = 1
    categories: str = ""
    black: float = 0.0
    white: float = 0.0
    megapixels: float = 250.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require(1 <= self.tiles <= 16, f"data.tiles is {self.tiles}; give 1 (whole) to 16")
        require(self.megapixels > 0, f"data.megapixels is {self.megapixels}; give more than 0")
        require(
            self.white in (0, EACH_IMAGE) or self.white > self.black,
            f"data.white is {self.white} and data.black {self.black}; give a larger data.white",
        )


@dataclass(frozen=True)
class PatchDataConfig(ImageDataConfig):
    """Where the images are and how they are read.

    Args:
        held_out: Share of the good images that are used only to set the threshold. The patches of
            the other images are kept. With fewer than 80 good images, the patches of all images
            are kept. The threshold then comes from a cross-validation: each image is compared with
            patches of other images. 0: the patches of all images are kept, and no threshold is set.
            Set it with `dmad calibrate`.
    """

    hold_out_from = 80


@dataclass(frozen=True)
class BaseModelConfig:
    """Base class of the model settings: what the settings of all forms have."""

    displacements = tuple[float, ...]()  # a setting of forms with a deformation

    @property
    def coarsest(self) -> int:
        """Factor by which the coarsest feature map is smaller than the image."""
        return 1


@dataclass(frozen=True)
class ModelConfig(BaseModelConfig):
    """The parts of the neural network that video and images share. Each can be switched off.

    Args:
        memory: Use a memory: each vector of the embedding (the features of the input) is replaced
            by the nearest memory item (Eq. 4).
        memory_items: Number of memory items (N in the paper).
        revive_after: Number of training steps after which an unused memory item is replaced by a
            vector of the embedding. 0: never, as in the paper.
        displacements: Largest displacement in pixels of each deformation head, the coarse head
            first.
        estimator_width: Number of channels of the deformation estimator, which computes the fields.
    """

    memory: bool = True
    memory_items: int = 200
    revive_after: int = 0
    positions: bool = True
    reductions: tuple[int, ...] = (4, 1)
    displacements: tuple[float, ...] = (2.0, 3.0)
    estimator_width: int = 64

    @property
    def coarsest(self) -> int:
        """Factor by which the coarsest feature map is smaller than the image."""
        return max((self.embedding_reduction, *self.reductions))

    @property
    def embedding_reduction(self) -> int:
        """Image size divided by the size of the embedding."""
        return 1

    def __post_init__(self) -> None:
        check_settings(self, "model", memory_items=1, estimator_width=1)
        require(
            len(self.reductions) == len(self.displacements),
            f"model.reductions has {len(self.reductions)} entries and model.displacements "
            f"{len(self.displacements)}; give both one entry for each deformation head",
        )
        require(
            list(self.reductions) == sorted(self.reductions, reverse=True),
            f"model.reductions is {self.reductions}; order the heads from coarse to fine",
        )
        for reduction in self.reductions:
            power_of_two = reduction >= 1 and reduction & (reduction - 1) == 0
            require(power_of_two, f"model.reductions holds {reduction}; give powers of two")
        for pixels in self.displacements:
            require(pixels > 0, f"model.displacements holds {pixels}; give pixels above 0")


@dataclass(frozen=True)
class VideoModelConfig(ModelConfig):
    """The neural network for video (PDM). Each part can be switched off, as in the paper's Table 4.

    Args:
        positions: Use the positional embedding (PE in the paper) in the decoder and the deformation
            estimator.
        reductions: Image size divided by field size, for each deformation head, the coarse head
            first. One number: there is only one head (K = 1 in the paper). []: no deformation.
        widths: Number of channels of each encoder level, from fine to coarse. Each level has half
            the height and width of the level before it. The last number is also the number of
            channels of the memory (D in the paper).
        stem: Factor by which height and width are reduced before the first convolution, by turning
            blocks of pixels into channels. 1: full resolution, as in the released code. 2: about a
            quarter of the computing time.
        upsampling: How the output gets back to the image size if `stem` is above 1. `shuffle` turns
            channels into blocks of pixels. `resize` interpolates the features. `shuffle` can leave
            stripes in the reference. The fields then shift the whole reference by half a pixel to
            blur the stripes.
        skips: Skip connections from the encoder to the decoder. `compressed` passes a few channels
            of detached features, as in the paper. `full` passes all features, as in the method
            MNAD. `none` passes nothing.
        skip_channels: Number of channels that a compressed skip connection passes.
        estimator_sees: Input of the deformation estimator. `past`: the same input as the encoder (x
            in Eq. 3). `target`: this input, and also the frame to be predicted.
        background: Learn a background template and a foreground mask (Eq. 9).
        mask: Where the foreground mask comes from. `encoder`: from the finest features of the
            input, with a mask for each channel (released code for Ped2 and Avenue). `decoder`: from
            the memory items, together with the reference (released code for ShanghaiTech).
        binary_mask: Round the mask to 0 or 1, with the same mask for all channels, as in the paper.
            A mask that is not rounded (released code) mixes reference and background. So it can
            draw an object that the reference does not contain.
    """

    widths: tuple[int, ...] = (32, 64, 128, 256)
    stem: Literal[1, 2, 4] = 1
    upsampling: Literal["shuffle", "resize"] = "shuffle"
    skips: Literal["compressed", "full", "none"] = "compressed"
    skip_channels: int = 32
    estimator_sees: Literal["past", "target"] = "past"
    background: bool = True
    mask: Literal["encoder", "decoder"] = "encoder"
    binary_mask: bool = False

    @property
    def embedding_reduction(self) -> int:
        """Image size divided by the size of the embedding."""
        return int(self.stem * 2 ** (len(self.widths) - 1))

    def __post_init__(self) -> None:
        super().__post_init__()
        check_settings(self, "model", skip_channels=1)
        usable = len(self.widths) >= 2 and min(self.widths) >= 1
        require(usable, f"model.widths is {self.widths}; give channels for two levels or more")


@dataclass(frozen=True)
class TeacherConfig(BaseModelConfig):
    """The pretrained network whose features a model of images uses."""

    teacher: str = "tf_efficientnet_lite0"
    teacher_weights: Path | None = None


@dataclass(frozen=True)
class ImageModelConfig(TeacherConfig, ModelConfig):
    """The neural network for images (PPDM). Each part can be switched off.

    Args:
        positions: Use the positional embedding (PE in the paper) in the deformation estimator.
        reductions: Image size divided by field size, for each deformation head, the coarse head
            first. []: no deformation. The model is then reverse distillation, with a memory if
            `memory` is true.
        teacher: Pretrained network whose features the model learns to restore. Give the name of a
            network of the package timm, such as `wide_resnet50_2` or `resnet18`, or the name of
            your own network (docs/guide.md explains how). The weights of `tf_efficientnet_lite0`
            come with dmad.
        teacher_weights: File with the weights of the teacher (.safetensors, or a .pth file that
            contains only tensors). Without a file, the weights come from an installed package, or
            timm downloads them.
        student_widths: Number of channels of each of the student's three stages, from fine to
            coarse. []: the numbers of the teacher, as in the paper. Use [] only for a teacher whose
            features are never negative, such as a ResNet.
        even_channels: Divide each channel of the teacher's features by its standard deviation over
            the first training images, so that no channel dominates the score.
    """

    student_widths: tuple[int, ...] = ()
    even_channels: bool = False

    embedding_reduction = 32

    def __post_init__(self) -> None:
        super().__post_init__()
        widths = self.student_widths
        require(
            not widths or (len(widths) == 3 and min(widths) >= 16),
            f"model.student_widths is {widths}; give three numbers of 16 or more, or []",
        )


@dataclass(frozen=True)
class PatchModelConfig(TeacherConfig):
    """The bank of normal patches. A patch is the teacher's features at one place of an image.

    Args:
        teacher: Pretrained network that computes the features. Give the name of a network of the
            package timm, such as `wide_resnet50_2` or `resnet18`, or the name of your own network
            (docs/guide.md explains how). The weights of `tf_efficientnet_lite0` come with dmad.
        teacher_weights: File with the weights of the teacher (.safetensors, or a .pth file that
            contains only tensors). Without a file, the weights come from an installed package, or
            timm downloads them.
        patches: Largest number of patches that are kept. If the images have more patches, those
            that differ most from each other are kept. A model with more patches is slower, and its
            file is larger.
    """

    patches: int = 10_000

    coarsest = 16

    def __post_init__(self) -> None:
        check_settings(self, "model", patches=1)


@dataclass(frozen=True)
class LossConfig:
    """Weights of the losses that video and images share (Eq. 5, 8, 11, 18 and 19).

    Args:
        beta: Weight of the commitment term (Eq. 5).
    """

    gamma1: float = 1.0
    gamma2: float = 0.25
    beta: float = 0.25
    smoothness: float = 1.0
    strength: float = 1.0
    smoothness_window: int = 0

    def __post_init__(self) -> None:
        check_settings(self, "loss", **dict.fromkeys((item.name for item in fields(self)), 0))
        require(
            self.smoothness_window == 0 or self.smoothness_window in range(3, 1000, 2),
            f"loss.smoothness_window is {self.smoothness_window}; give 0, or an odd number above 1",
        )


@dataclass(frozen=True)
class VideoLossConfig(LossConfig):
    """Weights of the losses of video (Eq. 5, 8, 10 and 11).

    Args:
        gamma1: Weight of the compression loss (Eq. 11).
        gamma2: Weight of the deformation loss (Eq. 11).
        smoothness: Weight of the smoothness term (Eq. 8). 0: no smoothness term.
        strength: Weight of the strength term (Eq. 8). The released code uses 0.4 on Ped2. 0: no
            strength term.
        smoothness_window: How the smoothness is computed. 0: from the differences between
            neighbouring vectors, as in the paper. An odd number: from the difference between a
            vector and the mean in a window of this width. This is similar to the released code,
            which uses 7 for the coarse field and 3 for the fine field.
        gradient: Weight of the gradient difference in the distance Dis (Eq. 10 and 12). The squared
            error has the weight 1.
        coarse_gradient: Factor by which `gradient` is multiplied for all heads except the finest
            (released code: 0.25).
        background: Weight of the loss that fits the background template to the frames. In the
            released code, only this loss trains the template.
        mask_area: Weight of a loss that keeps the foreground mask at 0 where the background
            explains the frame. This loss is the mean of the mask.
        mask_entropy: Weight of a loss that moves each value of the foreground mask towards 0 or 1
            (released code for ShanghaiTech). This loss is the entropy of the mask.
    """

    gradient: float = 1.0
    coarse_gradient: float = 1.0
    background: float = 1.0
    mask_area: float = 0.0
    mask_entropy: float = 0.0


@dataclass(frozen=True)
class ImageLossConfig(LossConfig):
    """Weights of the losses of images (Eq. 5, 17, 18 and 19).

    Args:
        gamma1: Weight of the compression loss (Eq. 19).
        gamma2: Weight of the deformation loss (Eq. 19).
        smoothness: Weight of the smoothness terms (Eq. 18). 0: no smoothness terms.
        strength: Weight of the strength terms (Eq. 18). 0: no strength terms.
        smoothness_window: How the smoothness is computed. 0: from the differences between
            neighbouring vectors, as in the paper. An odd number: from the difference between a
            vector and the mean in a window of this width.
        gamma3: Weight of the cycle loss (Eq. 17 and 19). 0: no cycle loss.
        backward_strength: Include the strength of the backward fields in Eq. 18 (paper: true,
            released code: false).
    """

    gamma3: float = 0.25
    backward_strength: bool = True


@dataclass(frozen=True)
class ScoreConfig:
    """How the maps of errors or distances become a score: base class for all forms."""

    # As in `DataConfig`, each of these values is fixed, or a setting of some forms only.
    alpha = 0.0
    choose = False
    sigma = 4.0

    def __post_init__(self) -> None:
        check_settings(self, "score", alpha=0)
        require(self.sigma > 0, f"score.sigma is {self.sigma}; give pixels above 0")


@dataclass(frozen=True)
class VideoScoreConfig(ScoreConfig):
    """How the error and deformation maps of video become a score (Eq. 12 to 14).

    Args:
        alpha: Weight of the deformation term in the raw score (Eq. 14).
        choose: After the training, replace `weight` if another value finds synthetic anomalies
            clearly better. These anomalies are drawn into the held-out clips.
        weight: Weight of the deformation term in the calibrated score. This is the score that is
            compared with the threshold.
        kernel: Height and width in pixels of the kernel that averages the maps (k* in Eq. 14).
    """

    alpha: float = 0.2
    choose: bool = True
    weight: float = 0.5
    kernel: tuple[int, int] = (16, 14)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_settings(self, "score", weight=0)
        require(min(self.kernel) >= 1, f"score.kernel is {self.kernel}; give 1 or more")


@dataclass(frozen=True)
class ImageScoreConfig(ScoreConfig):
    """How the error and deformation maps of images become a score (Eq. 20 to 23).

    Args:
        alpha: Weight of the deformation term (Eq. 22).
        choose: After the training, choose `alpha` with synthetic defects, which are drawn into the
            held-out images.
        sigma: Standard deviation in pixels of the Gaussian kernel that smooths the maps (k* in
            Eq. 22).
        backward_only: Use only the backward fields in Eq. 21 (released code: true).
    """

    alpha: float = 0.05
    choose: bool = True
    sigma: float = 4.0
    backward_only: bool = False


@dataclass(frozen=True)
class PatchScoreConfig(ScoreConfig):
    """How the distances to the nearest patches become a score.

    Args:
        sigma: Standard deviation in pixels of the Gaussian kernel that smooths the map of
            distances.
    """

    sigma: float = 4.0


@dataclass(frozen=True)
class BaseTrainConfig:
    """Base class of the training settings: what the settings of all forms have."""

    epochs = 1  # a bank of patches is made in one pass
    seed = 0

    def __post_init__(self) -> None:
        check_settings(self, "train", seed=0)
        require(self.seed < 2**32, f"train.seed is {self.seed}; give less than 2^32")


@dataclass(frozen=True)
class TrainConfig(BaseTrainConfig):
    """How the model is trained.

    Args:
        epochs: Number of passes over the training data.
        batch_size: Number of samples in a batch.
        lr: Highest learning rate of the optimiser AdamW. It falls to zero along a cosine.
        betas: Decay rates of the two moments of AdamW.
        weight_decay: Weight decay of AdamW.
        warmup: Number of steps at the start in which the learning rate rises to `lr`. The rise
            takes at most half of all steps.
        clip: Largest norm of the gradient of all weights together. Larger gradients are scaled
            down to this norm. 0: no limit.
        seed: Random seed for the initial weights and the order of the samples.
        precision: Numbers for the computation: `fp32` has 32 bits, and `bf16` has 16 bits. `auto`
            uses bf16 if it is fast on this machine.
        compile: Use `torch.compile`. `auto` uses it on a GPU.
        channels_last: Use the channels-last memory format. `auto` uses it if bf16 is fast.
        start: Trained model whose weights the training starts from: a run folder, a weights file,
            or the name of a model that comes with dmad. Its network must have the same settings.
            Background templates are not taken from it.
        averaging: Decay rate of a moving average of the weights. The trained model has the average
            weights. 0.999 averages over about the last 1000 steps. 0: no average.
    """

    epochs: int = 60
    batch_size: int = 8
    lr: float = 2e-4
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.01
    warmup: int = 0
    clip: float = 0.0
    seed: int = 0
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    compile: Literal["auto", "on", "off"] = "auto"
    channels_last: Literal["auto", "on", "off"] = "auto"
    start: Path | None = None
    averaging: float = 0.0

    background_lr = 1.0  # a setting of video

    def __post_init__(self) -> None:
        super().__post_init__()
        least = {"epochs": 1, "batch_size": 1, "warmup": 0, "clip": 0, "weight_decay": 0}
        check_settings(self, "train", **least)
        require(
            0 <= min(self.betas) <= max(self.betas) < 1,
            f"train.betas is {self.betas}; give two numbers from 0 to below 1",
        )
        require(0 <= self.averaging < 1, f"train.averaging is {self.averaging}; give 0 to below 1")
        require(self.lr > 0, f"train.lr is {self.lr}; give a number above 0")


@dataclass(frozen=True)
class VideoTrainConfig(TrainConfig):
    """How the model is trained.

    Args:
        background_lr: Factor by which `lr` is multiplied for the background template.
    """

    background_lr: float = 10.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_settings(self, "train", background_lr=0)


@dataclass(frozen=True)
class PatchTrainConfig(BaseTrainConfig):
    """How the patches of the bank are chosen from all patches.

    Args:
        seed: Random seed of the choice.
    """

    seed: int = 0


@dataclass(frozen=True)
class Config:
    """The settings of a run. Each form (video, images, patches) has a subclass.

    Args:
        recipe: The name of the recipe that these settings started from.
        data: Where the data is and how it is read.
        model: The model.
        score: How the maps of errors or distances become a score.
        train: How the model is made.
    """

    form: ClassVar[str] = ""
    deforms: ClassVar[bool] = True  # the score has a deformation term

    recipe: str = ""
    data: DataConfig = field(default_factory=DataConfig)
    model: BaseModelConfig = field(default_factory=BaseModelConfig)
    score: ScoreConfig = field(default_factory=ScoreConfig)
    train: BaseTrainConfig = field(default_factory=BaseTrainConfig)

    @property
    def training(self) -> str:
        """The length of the training in words, such as "60 epochs"."""
        return f"{self.train.epochs} epochs"

    def __post_init__(self) -> None:
        coarsest = self.model.coarsest
        require(
            self.data.size % coarsest == 0,
            f"data.size is {self.data.size}; give a multiple of {coarsest}, the coarsest "
            "reduction of the model",
        )


@dataclass(frozen=True)
class TrainedConfig(Config):
    """The settings of a run with a network that is trained by gradients.

    Args:
        loss: Weights of the losses.
    """

    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    train: TrainConfig = field(default_factory=TrainConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        coarsest = self.model.coarsest
        require(
            self.data.crop % coarsest == 0,
            f"data.crop is {self.data.crop}; give a multiple of {coarsest}, the coarsest reduction "
            "of the model, or 0 to train on whole frames",
        )
        one_position = self.data.size == self.model.embedding_reduction
        require(
            not (one_position and self.train.batch_size == 1),  # batch norm needs two values
            "train.batch_size is 1 and the embedding has one position; give 2 or more",
        )


@dataclass(frozen=True)
class VideoConfig(TrainedConfig):
    """The settings of a run with video (PDM).

    If the setting `history` is 0, the model reconstructs single images, such as digits.
    """

    form: ClassVar[str] = "video"

    recipe: str = "video"
    data: VideoDataConfig = field(default_factory=VideoDataConfig)
    model: VideoModelConfig = field(default_factory=VideoModelConfig)
    loss: VideoLossConfig = field(default_factory=VideoLossConfig)
    score: VideoScoreConfig = field(default_factory=VideoScoreConfig)
    train: VideoTrainConfig = field(default_factory=VideoTrainConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        sees_target = self.model.estimator_sees == "target" and self.data.history > 0
        require(
            not self.data.deform_target or (sees_target and bool(self.model.reductions)),
            "data.deform_target needs fields that see the frame to predict; set it to 0, or set "
            "model.estimator_sees to target, data.history above 0, and model.reductions",
        )


@dataclass(frozen=True)
class ImageConfig(TrainedConfig):
    """The settings of a run with images of manufactured parts (PPDM)."""

    form: ClassVar[str] = "images"

    recipe: str = "images"
    data: ImageDataConfig = field(default_factory=ImageDataConfig)
    model: ImageModelConfig = field(default_factory=ImageModelConfig)
    loss: ImageLossConfig = field(default_factory=ImageLossConfig)
    score: ImageScoreConfig = field(default_factory=ImageScoreConfig)


@dataclass(frozen=True)
class PatchConfig(Config):
    """The settings of a run with images of manufactured parts and a bank of normal patches."""

    form: ClassVar[str] = "patches"
    deforms: ClassVar[bool] = False

    recipe: str = "patches"
    data: PatchDataConfig = field(default_factory=PatchDataConfig)
    model: PatchModelConfig = field(default_factory=PatchModelConfig)
    score: PatchScoreConfig = field(default_factory=PatchScoreConfig)
    train: PatchTrainConfig = field(default_factory=PatchTrainConfig)

    @property
    def training(self) -> str:
        """The size of the bank in words, such as "10000 patches"."""
        return f"{self.model.patches} patches"


AnyConfig = TypeVar("AnyConfig", bound=Config)

SECTIONS = ("data", "model", "loss", "score", "train")
LOCATIONS = ("root", "cache", "teacher_weights")  # paths that are stored absolute


@cache
def section_classes(form: str) -> dict[str, type]:
    """Return the dataclass of each section of a form's settings, by section name."""
    defaults = config_class(form)()
    own = {item.name for item in fields(defaults)}
    return {name: type(getattr(defaults, name)) for name in SECTIONS if name in own}


def known_forms() -> dict[str, type[Config]]:
    """Return the subclasses of `Config`, by the names of their forms."""
    found = [*TrainedConfig.__subclasses__(), *Config.__subclasses__()]
    return {subclass.form: subclass for subclass in found if subclass.form}


def config_class(form: str) -> type[Config]:
    """Return the subclass of `Config` for a form, such as `video` or `images`.

    Raises:
        DmadError: No form has this name.
    """
    known = known_forms()
    names = ", ".join(sorted(known))
    require(str(form) in known, f"no form is called {str(form)[:100]!r}; known: {names}")
    return known[form]


def plain(value: Any) -> Any:
    """Turn a dataclass into dicts, lists, numbers and strings, for YAML or JSON."""
    if isinstance(value, Config):
        sections = {name: plain(getattr(value, name)) for name in section_classes(value.form)}
        return {"form": value.form, "recipe": value.recipe, **sections}
    if hasattr(value, "__dataclass_fields__"):
        return {item.name: plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def changed(config: AnyConfig, **changes: object) -> AnyConfig:
    """Return a copy of the settings in which some settings are changed.

    Args:
        config: The settings to copy.
        **changes: New values by the names of the settings, such as `epochs=4, size=128,
            root=Path("UCSDped2")`. If two sections have a setting of the same name, put the section
            before the name: `loss_background=0.0`.

    Raises:
        DmadError: A setting does not exist, or a value is out of range.
    """
    classes = section_classes(config.form)
    known = [(section, item.name) for section in classes for item in fields(classes[section])]
    new: dict[str, dict[str, object]] = {section: {} for section in classes}
    for key, value in changes.items():
        places = [place for place in known if key in (place[1], "_".join(place))]
        require(
            bool(places),
            f"no setting is called {key!r}; `dmad train {config.recipe} --help-all` lists them",
        )
        options = " or ".join("_".join(place) for place in places)
        require(len(places) == 1, f"{key!r} is a setting of several sections; give {options}")
        section, name = places[0]
        new[section][name] = value
    sections: dict[str, Any] = {
        name: replace(getattr(config, name), **values) for name, values in new.items() if values
    }
    return replace(config, **sections)


def with_absolute_paths(config: Config) -> Config:
    """Return the same settings with absolute paths, so that they can be used from any folder."""
    return restore(plain(config))


def restore(tree: Mapping[str, Any]) -> Config:
    """Build the settings from the dicts that `plain` returned. Relative paths become absolute.

    Old files have no `form`. They contain the settings of video and those of images, although a run
    uses only one of these forms. The settings of the other form are dropped.

    Raises:
        DmadError: A form, section or setting is unknown, or a value is out of range.
    """
    require(isinstance(tree, Mapping), "the settings are no mapping")
    old = "form" not in tree
    form = _form_before_sections(tree) if old else typed(str, tree["form"], "form")
    classes = section_classes(form)
    sections: dict[str, Any] = {
        name: _section(name, section, _mapping(name, tree.get(name)), old)
        for name, section in classes.items()
    }
    return config_class(form)(recipe=str(tree.get("recipe", form)), **sections)


def _form_before_sections(tree: Mapping[str, Any]) -> str:
    return "images" if _mapping("model", tree.get("model")).get("teacher") else "video"


def _mapping(name: str, value: Any) -> Mapping[str, Any]:
    require(value is None or isinstance(value, Mapping), f"{name} is no mapping of settings")
    return value or {}


def _settings_of_all_forms(section: str) -> set[str]:
    classes = [section_classes(form).get(section) for form in known_forms()]
    return {item.name for one in classes if one for item in fields(one)}


def _section(name: str, section: type, values: Mapping[str, Any], old: bool) -> Any:
    known = {item.name for item in fields(section)}
    if old:
        dropped = _settings_of_all_forms(name) - known
        values = {key: value for key, value in values.items() if key not in dropped}
    unknown = sorted(str(key) for key in set(values) - known)
    require(not unknown, f"unknown setting {name}.{', '.join(unknown)}; known: {sorted(known)}")
    settings: Any = dataclass_from(section, values, name)
    paths = {key: getattr(settings, key) for key in known & {*LOCATIONS}}
    return replace(settings, **{key: path.absolute() for key, path in paths.items() if path})


def config_of_card(card: Mapping[str, Any]) -> Config:
    """Return the settings in a model's card, with the values that `dmad train` has chosen.

    A card is the JSON file beside the weights. The chosen values are the weight of the deformation
    and, for images, the pixel values that become black and white.
    """
    config = restore(card["config"])
    for entry, name in (("choice", "alpha"), ("weighing", "weight")):
        if entry in card:
            value = typed(float, card[entry].get(name), f"{entry}.{name}")
            config = changed(config, **{name: value})
    if isinstance(config.data, ImageDataConfig):  # older cards have no entry `images`
        images = card.get("images") or {"black": 0.0, "white": EACH_IMAGE}
        values = {name: typed(float, images.get(name), f"images.{name}") for name in VALUES}
        config = config if config.data.white else changed(config, **values)
    return config
