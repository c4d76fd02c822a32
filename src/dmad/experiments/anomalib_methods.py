"""Methods of the package anomalib, each with the interface `Method`.

They get the same images as dmad. Their pretrained networks get the same weights as a teacher of
dmad. anomalib is imported inside the functions, because it is an optional dependency.
"""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from lightning import LightningDataModule
from torch import nn
from torch.utils.data import DataLoader

from dmad.config import DataConfig, ImageModelConfig, TrainConfig
from dmad.data.splits import load_split
from dmad.errors import DmadError, one_line, require
from dmad.experiments.peer_methods import (
    OWN_NAME,
    ImageScorer,
    Method,
    Own,
    Training,
    UnavailableError,
)
from dmad.files import make_folder, temporary_array
from dmad.forms.images.evaluation import ScoredImages, frames_of
from dmad.hardware import compute_settings, default_device
from dmad.inference.runtimes import import_runtime
from dmad.model.distillation import Teacher
from dmad.model.teacher_weights import load_teacher

PATCHCORE, PADIM = "PatchCore", "PaDiM"
EFFICIENT_AD, REVERSE_DISTILLATION = "EfficientAD", "Reverse Distillation"
CLASSES = {
    PATCHCORE: "Patchcore",
    PADIM: "Padim",
    EFFICIENT_AD: "EfficientAd",
    REVERSE_DISTILLATION: "ReverseDistillation",
}  # the name of each class in `anomalib.models`
STAGES = {PATCHCORE: slice(1, 3), PADIM: slice(0, 3), REVERSE_DISTILLATION: slice(0, 3)}
PADIM_CHANNELS = {"wide_resnet50_2": 550}  # as in its paper
OTHER_PADIM_CHANNELS = 100  # as in its paper for ResNet-18
BATCH = 8  # as dmad
VALIDATED = 10  # every tenth image, as in the paper of EfficientAD
MODEL_FILE = "weights.pt"
NEEDED = "a comparison with other methods needs anomalib; pip install 'dmad[peers]'"


@dataclass(frozen=True)
class PeerSettings:
    """Settings of all methods of anomalib.

    Args:
        backbone: Name of the pretrained network in timm. EfficientAD does not use this network.
        backbone_weights: File with the weights of this network. None: they come from an installed
            package, or timm downloads them.
        coreset: Share of all patches that PatchCore keeps.
        epochs: Number of epochs of Reverse Distillation and EfficientAD.
        seed: Random seed.
    """

    backbone: str = "resnet18"
    backbone_weights: Path | None = None
    coreset: float = 0.1
    epochs: int = 12
    seed: int = 0

    def __post_init__(self) -> None:
        require(0 < self.coreset <= 1, f"--coreset is {self.coreset}; give above 0, at most 1")
        require(self.epochs >= 1, f"--peer_epochs is {self.epochs}; give 1 or more")


@dataclass(frozen=True)
class AnomalibMethod:
    """One method of anomalib.

    Args:
        name: One of `CLASSES`.
        peers: The settings.
        size: Height and width of the images in pixels.
        finished: Always False, because the method is trained in the experiment.
    """

    name: str
    peers: PeerSettings
    size: int
    finished: bool = False

    def __post_init__(self) -> None:
        require(self.name in CLASSES, f"no method {self.name!r}; known: {', '.join(CLASSES)}")

    @property
    def settings(self) -> str:
        """The main settings as text, such as "resnet18, 12 epochs"."""
        epochs = f"{self.peers.epochs} epochs"
        return {
            PATCHCORE: f"{self.peers.backbone}, coreset {self.peers.coreset:.0%}",
            PADIM: self.peers.backbone,
            EFFICIENT_AD: f"size S, {epochs}",
            REVERSE_DISTILLATION: f"{self.peers.backbone}, {epochs}",
        }[self.name]

    def train(self, data: DataConfig, folder: Path) -> Training:
        """Train with the engine of anomalib, and store the weights in a folder.

        Returns:
            The duration of the training, and the path of the weights.

        Raises:
            DmadError: anomalib is not installed.
            UnavailableError: A download failed, or the method cannot use the pretrained network.
        """
        require_anomalib()
        from lightning import seed_everything

        seed_everything(self.peers.seed, verbose=False)
        make_folder(folder)
        module = self._module()
        if self.name == EFFICIENT_AD:
            self._download(module, folder.parent / "imagenette")
        else:
            copy_backbone(module, self.peers)
        frames = frames_of(load_split(data, "train").footage)
        start = time.perf_counter(), time.process_time()
        with TemporaryDirectory(dir=folder) as logs:
            self._fit(module, frames, Path(logs))
        minutes = (time.perf_counter() - start[0]) / 60
        processor_minutes = (time.process_time() - start[1]) / 60
        path = folder / MODEL_FILE
        torch.save(module.state_dict(), path)
        return Training(minutes, str(path), processor_minutes=processor_minutes)

    def load(self, training: Training) -> ImageScorer:
        """Load a trained model of anomalib, and return it as an `ImageScorer`."""
        require_anomalib()
        module = self._module()
        module.load_state_dict(torch.load(training.model, weights_only=True))
        return ModuleScorer(module.to(default_device()).eval(), self.size)

    def export(self, folder: Path) -> Path:
        """Export an untrained model to OpenVINO, so that its speed can be measured.

        The exporter of anomalib is used.

        Returns:
            The path of the exported model.

        Raises:
            DmadError: anomalib is not installed.
        """
        require_anomalib()
        import_runtime("openvino")  # without its telemetry
        module, size = self._module(), (self.size, self.size)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # tracing warns about every constant
            return Path(module.to_openvino(folder, input_size=size, onnx_kwargs={"dynamo": False}))

    def _module(self) -> Any:
        """Return a new model of anomalib. It makes no thresholds, metrics or pictures.

        Raises:
            UnavailableError: The method cannot use the pretrained network.
        """
        from anomalib import models

        logging.getLogger("anomalib").setLevel(logging.ERROR)
        kind = getattr(models, CLASSES[self.name])
        settings: dict[str, Any] = dict.fromkeys(
            ("post_processor", "evaluator", "visualizer"), False
        )
        settings["pre_processor"] = kind.configure_pre_processor((self.size, self.size))
        if self.name != EFFICIENT_AD:
            backbone = self.peers.backbone
            layers = Teacher(backbone).network.feature_info.module_name()[STAGES[self.name]]
            settings |= {"backbone": backbone, "layers": layers, "pre_trained": False}
        if self.name == PATCHCORE:
            settings["coreset_sampling_ratio"] = self.peers.coreset
        if self.name == PADIM:
            settings["n_features"] = PADIM_CHANNELS.get(self.peers.backbone, OTHER_PADIM_CHANNELS)
        try:
            module = kind(**settings)
        except ValueError as error:  # Reverse Distillation has decoders for some networks only
            raise UnavailableError(
                f"it does not fit {self.peers.backbone}: {one_line(error)}"
            ) from error
        if self.name == REVERSE_DISTILLATION:
            # The loss needs contiguous features. In a training with 16 bits, they are not.
            for part in (module.model.encoder, module.model.decoder):
                part.register_forward_hook(_contiguous)
        return module

    def _download(self, module: Any, penalty_images: Path) -> None:
        """Download the teacher and the ImageNet images of EfficientAD, if they are missing.

        Raises:
            UnavailableError: The teacher or the images cannot be downloaded.
        """
        module.imagenet_dir = penalty_images
        try:
            module.prepare_pretrained_model()
            module.prepare_imagenette_data((self.size, self.size))
        except (OSError, RuntimeError) as error:
            from anomalib.models.image.efficient_ad import lightning_model

            addresses = (
                lightning_model.WEIGHTS_DOWNLOAD_INFO,
                lightning_model.IMAGENETTE_DOWNLOAD_INFO,
            )
            raise UnavailableError(
                "its pretrained teacher and its ImageNet images cannot be downloaded from "
                f"{' and '.join(info.url for info in addresses)} ({one_line(error)})"
            ) from error

    def _fit(self, module: Any, frames: Sequence[np.ndarray], logs: Path) -> None:
        """Train on images (H, W, 3) uint8. The engine writes files to the folder `logs`."""
        from anomalib.engine import Engine

        device, precision, epochs, batch = default_device(), "32-true", 1, BATCH
        if self.name in (EFFICIENT_AD, REVERSE_DISTILLATION):
            epochs = self.peers.epochs
        if self.name == REVERSE_DISTILLATION:
            precision = compute_settings(TrainConfig(), device).precision
        if self.name == EFFICIENT_AD:
            batch = 1
        engine = Engine(
            accelerator="gpu" if device == "cuda" else "cpu",
            devices=1,
            precision=precision,
            max_epochs=epochs,
            default_root_dir=logs,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        engine.fit(module, datamodule=FrameData(frames, batch, self.name == EFFICIENT_AD))


def _contiguous(part: nn.Module, inputs: Any, features: Any) -> Any:
    """Return contiguous features, because the loss needs them.

    PyTorch calls this function with the output of each encoder and decoder (a forward hook).
    """
    if isinstance(features, dict):
        return {name: feature.contiguous() for name, feature in features.items()}
    return [feature.contiguous() for feature in features]


class FrameData(LightningDataModule):
    """Passes images, which are already in memory, to the engine of anomalib.

    Args:
        frames: Good images (H, W, 3) uint8.
        train_batch_size: Number of images of a training step.
        validate: Use every tenth image for validation instead of training. EfficientAD needs this.
    """

    name, category = "good", ""  # the engine names a folder after them

    def __init__(
        self, frames: Sequence[np.ndarray], train_batch_size: int, validate: bool = False
    ) -> None:
        super().__init__()
        self.train_batch_size = train_batch_size
        self.kept = list(frames[::VALIDATED]) if validate else []
        self.trained = [frame for i, frame in enumerate(frames) if not validate or i % VALIDATED]

    def train_dataloader(self) -> DataLoader[Any]:
        """The images to train on, in random order."""
        return DataLoader(
            self.trained,  # type: ignore[arg-type]
            self.train_batch_size,
            shuffle=True,
            collate_fn=image_batch,
        )

    def val_dataloader(self) -> DataLoader[Any] | list[Any]:
        """The images for validation. Empty: no images were kept for it."""
        if not self.kept:
            return []
        return DataLoader(self.kept, BATCH, collate_fn=image_batch)  # type: ignore[arg-type]


def image_batch(frames: Sequence[np.ndarray]) -> Any:
    """Return images (H, W, 3) uint8 as a batch of anomalib, labelled as good."""
    from anomalib.data import ImageBatch

    stacked = torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2)
    return ImageBatch(image=stacked / 255, gt_label=torch.zeros(len(frames), dtype=torch.bool))


def chosen_peers(
    own: Sequence[Own], peers: PeerSettings, size: int, names: Sequence[str] = ()
) -> list[Method]:
    """Return the methods of dmad and of anomalib, or only those with the given names.

    The name `dmad` stands for all methods of dmad.

    Raises:
        DmadError: A name is unknown, or a method of anomalib is chosen and anomalib is not
            installed.
    """
    known = {OWN_NAME, *(one.name for one in own), *CLASSES}
    unknown = [name for name in names if name not in known]
    require(not unknown, f"no method is called {unknown}; known: {', '.join(sorted(known))}")
    others = [AnomalibMethod(name, peers, size) for name in CLASSES if not names or name in names]
    if others:
        require_anomalib()
    ours = [one for one in own if not names or OWN_NAME in names or one.name in names]
    return [*ours, *others]


def require_anomalib() -> None:
    """Check that anomalib is installed.

    Raises:
        DmadError: anomalib is not installed. The message says how to install it.
    """
    require(find_spec("anomalib") is not None, NEEDED)


def copy_backbone(module: nn.Module, peers: PeerSettings) -> None:
    """Copy the weights of the pretrained network into a module of anomalib.

    The weights are read or downloaded in the same way as the weights of a teacher of dmad.

    Raises:
        DmadError: There are no weights, or the module has no pretrained network.
    """
    teacher = Teacher(peers.backbone)
    settings = ImageModelConfig()
    load_teacher(
        teacher, replace(settings, teacher=peers.backbone, teacher_weights=peers.backbone_weights)
    )
    given = {key.replace(".", "_"): value for key, value in teacher.network.state_dict().items()}
    copied = 0
    for part in module.modules():
        if type(part).__name__ == "TimmFeatureExtractor":
            extractor: Any = part.feature_extractor
            own = {key: given[key.replace(".", "_")] for key in extractor.state_dict()}
            extractor.load_state_dict(own)
            copied += 1
    if not copied:
        raise DmadError(f"{type(module).__name__} has no network to copy weights into")


class ModuleScorer:
    """A trained module of anomalib as `ImageScorer`.

    An `ImageScorer` returns two score terms. The first is the score of the module, the second is 0.

    Args:
        module: The module, in eval mode.
        size: Height and width of the images in pixels.
    """

    alpha = 0.0

    def __init__(self, module: nn.Module, size: int) -> None:
        self.module, self.size = module, size

    @torch.inference_mode()
    def __call__(self, frames: Sequence[np.ndarray]) -> ScoredImages:
        """Score images (H, W, 3) uint8 one at a time."""
        device = default_device()
        maps = temporary_array((2, len(frames), self.size, self.size), np.float32)
        scores = np.empty(len(frames))
        for index, frame in enumerate(frames):
            x = torch.from_numpy(np.ascontiguousarray(frame)).to(device)
            judged = self.module(x.permute(2, 0, 1)[None] / 255)
            scores[index] = float(judged.pred_score)
            maps[0, index] = judged.anomaly_map[0, 0].float().cpu().numpy()
        return ScoredImages(scores, np.zeros(len(frames)), maps)
