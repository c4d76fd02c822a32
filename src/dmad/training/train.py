"""Train a network with Lightning, if it has weights to train, and write the run folder."""

from __future__ import annotations

import logging
import os
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, EMAWeightAveraging, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch.utils.data import DataLoader

from dmad.config import Config, TrainConfig, TrainedConfig, with_absolute_paths
from dmad.data.crops import MovingCrops
from dmad.data.footage import LabelledFootage, fingerprint
from dmad.data.random_deformations import RandomDeformations
from dmad.data.splits import load_split
from dmad.data.windows import Batch, EpochSampler, Windows, as_is
from dmad.errors import DmadError, StoppedError, one_line, require
from dmad.files import make_folder, remove_unfinished, unfinished_path
from dmad.form import Form, TrainedForm
from dmad.hardware import ComputeSettings, compute_settings, default_device, describe_machine
from dmad.locks import locked
from dmad.runs import Run, find_model, has_model, new_run, read_card, save_model, write_config
from dmad.training.batch_norm import estimate_statistics
from dmad.training.memory_need import check_memory
from dmad.training.module import TrainingModule
from dmad.training.progress import EpochLine, StepBar
from dmad.training.warm_start import (
    check_resumed_settings,
    load_starting_weights,
    read_starting_weights,
)

logger = logging.getLogger(__name__)


class AtomicCheckpoints(TorchCheckpointIO):
    """Writes a checkpoint to a temporary file and renames it, so that it is never incomplete."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        """Write a temporary file beside `path`, then rename it.

        Lightning would write the temporary file into the system's folder for temporary files. If
        the process is killed, the file would stay there for ever.

        Raises:
            DmadError: The disk is full, or the folder cannot be written.
        """
        path = Path(path)
        part = unfinished_path(path.parent)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            remove_unfinished(path.parent)
            with part.open("wb") as file:
                torch.save(checkpoint, file)
            os.replace(part, path)
        except (OSError, RuntimeError) as error:  # such as a full disk
            reason = one_line(error)[:80]
            raise DmadError(
                f"{path} cannot be written ({reason}); free some space, then resume"
            ) from error
        finally:
            part.unlink(missing_ok=True)  # it exists only after an error

    def load_checkpoint(self, path: Any, *args: Any, **options: Any) -> dict[str, Any]:
        """Return the content of a checkpoint.

        Raises:
            DmadError: The checkpoint is damaged.
        """
        try:
            return super().load_checkpoint(path, *args, **options)
        except Exception as error:  # torch raises many different errors
            reason = one_line(error)[:80]
            raise DmadError(
                f"{path} is damaged ({reason}); delete it, and start the run again"
            ) from error


class History(Callback):
    """Stores the results of every epoch in the module, and calls `report` with them.

    The results are the losses, the use of the memory items, and the time.
    """

    def __init__(self, report: Callable[[dict[str, float]], None]) -> None:
        self.report = report

    def on_train_epoch_start(self, *_: Any) -> None:
        """Remember the time."""
        self.started = time.monotonic()

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Log the use of the memory items, then collect the results of the epoch."""
        assert isinstance(module, TrainingModule)
        module.log_memory_use()
        figures = {name: float(value) for name, value in trainer.callback_metrics.items()}
        figures["epoch"] = float(trainer.current_epoch + 1)
        figures["seconds"] = time.monotonic() - self.started
        module.history.append(figures)
        if trainer.is_global_zero:
            self.report(figures)


def train(
    config: Config,
    form: Form[Any, Any],
    out: str | Path = "runs",
    resume: str | Path | None = None,
) -> Run:
    """Train a network, or resume a training that was stopped.

    If `torchrun` starts several processes, each process trains on its share of every epoch, and the
    first process writes the run folder.

    Args:
        config: All settings. To resume a run, give the settings of that run.
        form: The form of the model.
        out: Folder under which a new run folder is made.
        resume: Run folder to resume. None: start a new run.

    Returns:
        The run folder, which holds the trained model.

    Raises:
        DmadError: Data is missing or cannot be used, the run folder cannot be written, the loss
            becomes infinite or NaN, the run to resume has other settings, or another process trains
            the run.
        StoppedError: The user pressed Ctrl-C.
    """
    with ExitStack() as locks:
        return _train(config, form, out, resume, locks)


def _train(
    config: Config,
    form: Form[Any, Any],
    out: str | Path,
    resume: str | Path | None,
    locks: ExitStack,
) -> Run:
    """Do what `train` does. Add the lock of the run folder to `locks`; `train` releases it."""
    require(isinstance(config, Config), 'give settings, as dmad.recipe("ped2", ...) makes them')
    started = torch.distributed.is_initialized()
    require(not started, "torchrun can train one model only; start it once for each model")
    config = with_absolute_paths(config)
    if resume and Run(Path(resume)).config.exists():
        check_resumed_settings(config, Path(resume))
    if resume and is_finished(Path(resume), config.train.epochs):
        logger.warning("%s is finished already (%s)", resume, config.training)
        return _run_folder(config, Path(resume), resumed=True)
    if resume and is_first_process():
        locks.enter_context(locked(Path(resume)))
    checkpoint = _checkpoint_of(resume)
    compute, weights = ComputeSettings(), dict[str, torch.Tensor]()
    if isinstance(config, TrainedConfig) and isinstance(form, TrainedForm):
        compute = compute_settings(config.train, default_device())
        check_memory(config, form, compute, default_device())
        if config.train.start and not checkpoint:
            weights = read_starting_weights(config)
    make_folder(Path(resume or out))
    footage = load_split(config.data, "train")
    L.seed_everything(config.train.seed, verbose=False)
    begun = time.monotonic()
    model = form.prepare(config, footage)
    run = _run_folder(config, Path(resume or out), bool(resume))
    if not resume and is_first_process():
        locks.enter_context(locked(run.folder))
    history = [{"epoch": 1.0, "seconds": time.monotonic() - begun}]
    if isinstance(config, TrainedConfig) and isinstance(form, TrainedForm):
        if weights:
            load_starting_weights(model, weights, config)
        module = TrainingModule(form, config, model, compute)
        _optimise(module, footage, run, checkpoint)
        history = module.history
        if config.data.crop and is_first_process():
            estimate_statistics(model, form, config, footage)
    if is_first_process():
        save_model(run.folder, model, _card(config, footage, history, compute.precision))
    return run


def _optimise(
    module: TrainingModule, footage: LabelledFootage, run: Run, checkpoint: Path | None
) -> None:
    """Train the weights of a network by gradients."""
    form, config, model = module.form, module.config, module.model
    module.data = fingerprint(footage.footage)
    loader = batches(config, footage, form.fixed_features(model, footage.footage))
    if module.compute.channels_last:
        model.to(memory_format=torch.channels_last)
    try:
        with warnings.catch_warnings():  # Lightning's advice does not apply here
            warnings.filterwarnings("ignore", module="lightning")
            warnings.filterwarnings("ignore", message=".*does not have many workers.*")
            decay = config.train.averaging
            averaging = [EMAWeightAveraging(decay=decay)] if decay else []
            trainer = _trainer(config.train, run, module.compute, len(loader), averaging)
            trainer.fit(module, loader, ckpt_path=checkpoint, weights_only=True)
            for callback in averaging:  # for a run that was killed after its last epoch
                callback.on_train_end(trainer, module)
    except SystemExit as stop:  # Lightning raises it after Ctrl-C
        raise StoppedError(f"stopped; resume with: dmad train --resume {run.folder}") from stop


def _checkpoint_of(resume: str | Path | None) -> Path | None:
    checkpoint = Run(Path(resume)).checkpoint if resume else None
    return checkpoint if checkpoint and checkpoint.exists() else None


def _run_folder(config: Config, folder: Path, resumed: bool) -> Run:
    """Make a new run under a folder, or open the resumed run. Write the settings into the run."""
    if not is_first_process():  # the other processes write nothing
        return Run(folder)
    if not resumed:
        return new_run(config, folder)
    write_config(config, Run(folder))  # the location of its data may have changed
    return Run(folder)


def is_finished(run: Path, epochs: int) -> bool:
    """True if the run has a model that was trained for `epochs` epochs."""
    if not has_model(run):
        return False
    return len(read_card(find_model(run)).get("history", [])) >= epochs


def is_first_process() -> bool:
    """True for the first process that `torchrun` started. Always true without `torchrun`."""
    return _rank() == 0


def _rank() -> int:
    return int(os.environ.get("RANK", 0))


def _processes() -> int:
    return int(os.environ.get("WORLD_SIZE", 1))


def batches(
    config: TrainedConfig, train: LabelledFootage, features: Sequence[np.ndarray] = ()
) -> DataLoader[Batch]:
    """Return a loader of shuffled batches for this process. The order depends on seed and epoch.

    Args:
        config: All settings.
        train: The training footage.
        features: Features of all frames, (N, C, h, w) for each stage. Empty: none are known.
    """
    data = config.data
    crops, deformations, seed = None, None, config.train.seed
    if data.crop:
        step = config.model.coarsest
        crops = MovingCrops(train.footage, train.scenes, data.crop, step, seed)
    if data.deform_target:
        deformations = RandomDeformations(data.deform_target, seed)
    windows = Windows(
        train.footage, data.history, train.scenes, data.limit, features, crops, deformations
    )
    size = min(config.train.batch_size, len(windows) // _processes())
    sampler = EpochSampler(windows, num_replicas=_processes(), rank=_rank(), seed=seed)
    return DataLoader(
        windows,
        size,
        sampler=sampler,
        num_workers=data.workers,
        collate_fn=as_is,
        drop_last=True,
        persistent_workers=data.workers > 0,
    )


def _card(
    config: Config, train: LabelledFootage, history: list[dict[str, float]], precision: str
) -> dict[str, Any]:
    samples = len(Windows(train.footage, config.data.history, limit=config.data.limit))
    frames = sum(clip.length for clip in train.footage.clips)
    return {
        "scenes": list(train.scenes),
        "data": {"sha256": fingerprint(train.footage), "frames": frames, "samples": samples},
        "history": history,
        **train.described,
        "precision": precision,
        "machine": describe_machine(default_device()),
    }


def _trainer(
    train: TrainConfig,
    run: Run,
    compute: ComputeSettings,
    steps: int,
    averaging: Sequence[Callback],
) -> L.Trainer:
    last_checkpoint = ModelCheckpoint(
        run.checkpoint.parent,
        filename="last",
        enable_version_counter=False,
        save_on_train_epoch_end=True,
    )
    bar = StepBar(train.epochs, steps)
    processes_here = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    return L.Trainer(
        max_epochs=train.epochs,
        accelerator=default_device(),
        devices=processes_here,
        num_nodes=_processes() // processes_here,
        precision=compute.precision,
        sync_batchnorm=_processes() > 1 and torch.cuda.is_available(),
        logger=[CSVLogger(run.folder, "logs"), TensorBoardLogger(run.folder, "tensorboard")],
        callbacks=[bar, History(EpochLine(train.epochs, bar)), last_checkpoint, *averaging],
        plugins=[AtomicCheckpoints()],
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=max(1, min(50, steps)),
    )
