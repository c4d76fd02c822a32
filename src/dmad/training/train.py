"""Training with Lightning, from settings to a run; nothing here but wiring."""

from __future__ import annotations

import logging
import os
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch.utils.data import DataLoader, DistributedSampler

from dmad.config import Config, TrainConfig, with_absolute_paths
from dmad.data.footage import fingerprint
from dmad.data.splits import LabelledFootage, load_split
from dmad.data.templates import templates
from dmad.data.windows import Batch, Windows, as_is, to_model
from dmad.errors import DmadError, StoppedError, brief, require
from dmad.files import make_folder
from dmad.hardware import Plan, describe, plan, quicken, usual_device
from dmad.model.pdm import PDM
from dmad.model.ppdm import PPDM
from dmad.model.teacher_weights import load_teacher
from dmad.runs import Run, find_model, has_model, new_run, read_card, save_model, write_config
from dmad.training.features import keep_features
from dmad.training.modules import PDMTraining, PPDMTraining, Training
from dmad.training.warm_start import begin_with, same_run, starting_weights

logger = logging.getLogger(__name__)

BEGINNING = 16  # images whose features the memory of a PPDM begins with


class WholeFiles(TorchCheckpointIO):
    """Checkpoints written beside and renamed: a kill never leaves half a file."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        """Write to a neighbour of `path`, then put it in place."""
        beside = f"{path}.part"
        super().save_checkpoint(checkpoint, beside, storage_options)
        os.replace(beside, path)

    def load_checkpoint(self, path: Any, *args: Any, **options: Any) -> dict[str, Any]:
        """What is in a checkpoint; `DmadError` where it is damaged."""
        try:
            return super().load_checkpoint(path, *args, **options)
        except Exception as error:  # torch raises many kinds
            told = f"{path} is damaged ({brief(error)[:80]}); delete it, and begin the run anew"
            raise DmadError(told) from error


class History(Callback):
    """Keeps every epoch's figures on the module, and tells `report` of them."""

    def __init__(self, report: Callable[[dict[str, float]], None]) -> None:
        self.report = report

    def on_train_epoch_start(self, *_: Any) -> None:
        """Look at the clock."""
        self.began = time.monotonic()

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Runs before the module's own hook, so it asks for the memory's figures."""
        assert isinstance(module, Training)
        module.log_memory()
        figures = {name: float(value) for name, value in trainer.callback_metrics.items()}
        figures["epoch"] = float(trainer.current_epoch + 1)
        figures["seconds"] = time.monotonic() - self.began
        module.history.append(figures)
        if trainer.is_global_zero:
            self.report(figures)


def build(config: Config, train: LabelledFootage) -> PDM:
    """The network for this data, its templates set to the training footage's medians."""
    scenes = train.scenes if config.model.background else ("",)
    torch.manual_seed(config.train.seed)
    data = config.data
    model = PDM(config.model, data.size, data.channels, data.history, len(scenes))
    if model.background is not None:
        model.background.data.copy_(templates(train.footage, scenes))
    return model


def build_ppdm(config: Config, train: LabelledFootage) -> PPDM:
    """The network for images, its teacher's weights loaded and its memory begun with features.

    A frozen teacher cannot come towards items that begin near zero, as an encoder does: one item
    would serve all.
    """
    torch.manual_seed(config.train.seed)
    model = PPDM(config.model, config.data.size)
    with torch.random.fork_rng(devices=()):  # fetching draws numbers, a file does not
        load_teacher(model.teacher, config.model)
    if model.memory:
        windows = Windows(train.footage, 0, limit=BEGINNING)
        x, _ = to_model(windows.__getitems__(list(range(len(windows)))).frames)
        with torch.no_grad():
            z_e = model.teacher(x)[-1]
        model.memory.revive(torch.zeros(config.model.memory_items), z_e)
    return model


def learner(config: Config, train: LabelledFootage, compute: Plan) -> Training:
    """What is trained: PPDM where the settings name a teacher, else PDM."""
    if config.model.teacher:
        return PPDMTraining(config, build_ppdm(config, train), compute)
    return PDMTraining(config, build(config, train), compute)


def batches(
    config: Config, train: LabelledFootage, features: Sequence[np.ndarray] = ()
) -> DataLoader[Batch]:
    """Shuffled batches of this process, in an order that depends on seed and epoch alone."""
    data = config.data
    windows = Windows(train.footage, data.history, train.scenes, data.limit, features)
    size = min(config.train.batch_size, len(windows) // _processes())
    sampler: DistributedSampler[Batch] = DistributedSampler(
        windows, num_replicas=_processes(), rank=_rank(), seed=config.train.seed
    )
    return DataLoader(
        windows,
        size,
        sampler=sampler,
        num_workers=data.workers,
        collate_fn=as_is,
        drop_last=True,
        persistent_workers=data.workers > 0,
    )


def train(config: Config, out: str | Path = "runs", resume: str | Path | None = None) -> Run:
    """Train from settings, or go on with a run that was stopped.

    Where `torchrun` starts several processes, each trains on its share of every epoch, and but for
    the first they end here.

    Args:
        config: All settings; those of the run where `resume` is given.
        out: Folder under which a new run folder is made.
        resume: Run folder to go on with.

    Returns:
        The run, its model saved.

    Raises:
        DmadError: Data missing or unusable, output not writable, loss no longer finite, or the run
            to go on with has other settings.
    """
    _quiet()
    require(isinstance(config, Config), 'give settings, as dmad.recipe("ped2", ...) makes them')
    require(not torch.distributed.is_initialized(), "torchrun trains one model; call it for each")
    config = with_absolute_paths(config)
    if resume and Run(Path(resume)).config.exists():
        same_run(config, Path(resume))
    if resume and finished(Path(resume), config.train.epochs):
        logger.warning(f"{resume} has all its {config.train.epochs} epochs")
        return _own_run(config, Path(resume), resumed=True)
    compute = plan(config.train, usual_device())
    quicken()
    checkpoint = Run(Path(resume)).checkpoint if resume else None
    checkpoint = checkpoint if checkpoint and checkpoint.exists() else None
    begun = starting_weights(config) if config.train.start and not checkpoint else {}
    make_folder(Path(resume or out))
    footage = load_split(config.data, "train")
    L.seed_everything(config.train.seed, verbose=False)
    module = learner(config, footage, compute)
    run = _own_run(config, Path(resume or out), bool(resume))
    module.data = fingerprint(footage.footage)
    begin_with(module.model, begun, config)
    loader = batches(config, footage, kept_features(module, footage))
    if compute.channels_last:
        module.model.to(memory_format=torch.channels_last)
    trainer = _trainer(config.train, run, compute, len(loader))
    try:
        trainer.fit(module, loader, ckpt_path=checkpoint, weights_only=True)
    except SystemExit as stop:  # what Lightning makes of Ctrl-C
        raise StoppedError(f"stopped; go on with: dmad train --resume {run.folder}") from stop
    if _rank():
        sys.exit(0)
    save_model(run.folder, module.model, _card(config, footage, module, loader))
    return run


def _own_run(config: Config, folder: Path, resumed: bool) -> Run:
    """A new run under a folder, or the one that it is, its settings written."""
    if _rank():  # writes nothing, so that nothing need be there
        return Run(folder)
    if not resumed:
        return new_run(config, folder)
    write_config(config, Run(folder))  # where its data lies may have been said anew
    return Run(folder)


def finished(run: Path, epochs: int) -> bool:
    """Whether a run's model is of its last epoch."""
    if not has_model(run):
        return False
    return len(read_card(find_model(run)).get("history", [])) >= epochs


def _rank() -> int:
    """Of this process among those that `torchrun` started."""
    return int(os.environ.get("RANK", 0))


def _processes() -> int:
    """How many `torchrun` started; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", 1))


def kept_features(module: Training, train: LabelledFootage) -> list[np.ndarray]:
    """The teacher's features, worth keeping where no deformation stands before it."""
    if not isinstance(module, PPDMTraining) or module.model.estimator:
        return []
    return keep_features(module.model.teacher, train.footage)


def _card(
    config: Config, train: LabelledFootage, module: Training, loader: DataLoader[Batch]
) -> dict[str, Any]:
    windows = loader.dataset
    assert isinstance(windows, Windows)
    frames, samples = sum(clip.length for clip in train.footage.clips), len(windows)
    return {
        "scenes": list(train.scenes),
        "data": {"sha256": fingerprint(train.footage), "frames": frames, "samples": samples},
        "history": module.history,
        "precision": module.compute.precision,
        "machine": describe(usual_device()),
    }


def _trainer(train: TrainConfig, run: Run, compute: Plan, steps: int) -> L.Trainer:
    from dmad.training.progress import EpochLine, StepBar

    keep = ModelCheckpoint(
        run.checkpoint.parent,
        filename="last",
        enable_version_counter=False,
        save_on_train_epoch_end=True,
    )
    bar = StepBar(train.epochs, steps)
    return L.Trainer(
        max_epochs=train.epochs,
        accelerator=usual_device(),
        devices=(here := int(os.environ.get("LOCAL_WORLD_SIZE", 1))),
        num_nodes=_processes() // here,
        precision=compute.precision,
        sync_batchnorm=_processes() > 1 and torch.cuda.is_available(),
        logger=[CSVLogger(run.folder, "logs"), TensorBoardLogger(run.folder, "tensorboard")],
        callbacks=[bar, History(EpochLine(train.epochs, bar)), keep],
        plugins=[WholeFiles()],
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=max(1, min(50, steps)),
    )


def _quiet() -> None:
    """Silence Lightning's advice that does not apply here."""
    for name in ("lightning.pytorch", "lightning.fabric", "lightning"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
