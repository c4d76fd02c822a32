"""Training with Lightning; nothing here but wiring."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch import Tensor
from torch.utils.data import DataLoader, DistributedSampler

from dmad.config import Config, TrainConfig
from dmad.data.background import templates
from dmad.data.load import LabelledFootage, fingerprint, load_split
from dmad.data.windows import Batch, Windows, as_is, to_model
from dmad.errors import DmadError
from dmad.losses import LossTerms, total_loss
from dmad.machine import Plan, plan, quicken
from dmad.nn.memory import perplexity, usage
from dmad.nn.pdm import PDM, PDMOutput
from dmad.runs import Run, new_run, save_model


class PDMTraining(L.LightningModule):
    """One training of one model.

    Args:
        config: All settings.
        model: The network, background templates set.
        compute: How this machine computes.
    """

    def __init__(self, config: Config, model: PDM, compute: Plan) -> None:
        super().__init__()
        self.config, self.model, self.compute = config, model, compute
        self.counts = torch.zeros(config.model.memory_items, dtype=torch.int64)
        self.recent = self.counts.clone()
        self.step_loss = torch.compile(self._loss) if compute.compile else self._loss
        self.history: list[dict[str, float]] = []

    def _loss(
        self, x: Tensor, target: Tensor, background: Tensor | None
    ) -> tuple[PDMOutput, LossTerms]:
        output = self.model(x, target, background)
        return output, total_loss(target, output, self.config.loss)

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """One batch: forward, losses, memory usage."""
        x, target = to_model(batch.frames)
        if self.compute.channels_last:
            x = x.contiguous(memory_format=torch.channels_last)
        template = self.model.background
        output, terms = self.step_loss(
            x, target, None if template is None else template[batch.scene]
        )
        if not torch.isfinite(terms.total):
            raise DmadError(
                f"the loss became {terms.total.item()} in epoch {self.current_epoch + 1}; "
                "lower --train.lr or set --train.precision fp32"
            )
        self._watch_memory(output)
        self._log_terms(terms, len(x))
        return terms.total

    def _watch_memory(self, output: PDMOutput) -> None:
        if output.memory is None:
            return
        self.counts = self.counts.to(x := output.memory.indices.device)
        used = usage(output.memory.indices, len(self.counts))
        self.counts += used
        self.recent = self.recent.to(x) + used
        every = self.config.model.revive_after
        if every and (self.global_step + 1) % every == 0:
            self._revive(output.z_e)

    def _revive(self, z_e: Tensor) -> None:
        """Same items on every process: counts are summed and embeddings come from the first."""
        assert self.model.memory is not None
        recent = self._summed(self.recent)
        embeddings = self.trainer.strategy.broadcast(z_e.detach())
        self.model.memory.revive(recent, embeddings)
        self.recent.zero_()

    def _summed(self, counts: Tensor) -> Tensor:
        total: Tensor = self.trainer.strategy.reduce(counts.clone(), reduce_op="sum")
        return total

    def _log_terms(self, terms: LossTerms, size: int) -> None:
        named = {name: value.detach() for name, value in vars(terms).items()}
        self.log_dict(named, on_step=False, on_epoch=True, batch_size=size, sync_dist=True)

    def on_train_epoch_start(self) -> None:
        """Count memory usage anew."""
        self.counts.zero_()

    def log_memory(self) -> None:
        """Log memory usage of the epoch: effective and actual number of items."""
        if self.model.memory is not None:
            counts = self._summed(self.counts)
            self.log("perplexity", perplexity(counts).float())
            self.log("items_used", (counts > 0).sum().float())

    def configure_optimizers(self) -> Any:
        """AdamW, cosine to zero; the background template learns faster."""
        train = self.config.train
        template = [p for n, p in self.model.named_parameters() if n == "background"]
        weights = [p for n, p in self.model.named_parameters() if n != "background"]
        groups: list[dict[str, Any]] = [
            {"params": weights},
            {"params": template, "lr": train.lr * train.background_lr, "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(
            [group for group in groups if group["params"]],
            lr=train.lr,
            weight_decay=train.weight_decay,
            fused=True,
        )
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, steps))
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the curves across a resume."""
        checkpoint["history"] = self.history

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the curves up again."""
        self.history = list(checkpoint.get("history", []))


class WholeFiles(TorchCheckpointIO):
    """Checkpoints written beside and renamed: a kill never leaves half a file."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        """Write to a neighbour of `path`, then put it in place."""
        beside = f"{path}.part"
        super().save_checkpoint(checkpoint, beside, storage_options)
        os.replace(beside, path)


class History(Callback):
    """Keeps every epoch's figures on the module, and tells `report` of them."""

    def __init__(self, report: Callable[[dict[str, float]], None]) -> None:
        self.report = report

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Runs before the module's own hook, so it asks for the memory's figures."""
        assert isinstance(module, PDMTraining)
        module.log_memory()
        figures = {name: float(value) for name, value in trainer.callback_metrics.items()}
        figures["epoch"] = float(trainer.current_epoch + 1)
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


def batches(config: Config, train: LabelledFootage) -> DataLoader[Batch]:
    """Shuffled batches, in an order that depends on seed and epoch alone."""
    windows = Windows(train.footage, config.data.history, train.scenes, config.data.limit)
    size = min(config.train.batch_size, len(windows))
    sampler: DistributedSampler[Batch] = DistributedSampler(
        windows, num_replicas=1, rank=0, seed=config.train.seed
    )
    return DataLoader(
        windows,
        size,
        sampler=sampler,
        num_workers=config.data.workers,
        collate_fn=as_is,
        drop_last=True,
        persistent_workers=config.data.workers > 0,
    )


def train(config: Config, out: str | Path = "runs", resume: str | Path | None = None) -> Run:
    """Train from settings, or go on with a run that was stopped.

    Args:
        config: All settings; those of the run where `resume` is given.
        out: Folder under which a new run folder is made.
        resume: Run folder to go on with.

    Returns:
        The run, its model saved.

    Raises:
        DmadError: Data missing or unusable, output not writable, loss no longer finite.
    """
    _quiet()
    compute = plan(config.train)
    quicken()
    footage = load_split(config.data, "train")
    run = Run(Path(resume)) if resume else new_run(config, Path(out))
    L.seed_everything(config.train.seed, verbose=False)
    module = PDMTraining(config, build(config, footage), compute)
    if compute.channels_last:
        module.model.to(memory_format=torch.channels_last)
    loader = batches(config, footage)
    trainer = _trainer(config.train, run, compute, len(loader))
    checkpoint = run.checkpoint if run.checkpoint.exists() else None
    try:
        trainer.fit(module, loader, ckpt_path=checkpoint, weights_only=True)
    except SystemExit as stop:  # what Lightning makes of Ctrl-C
        raise DmadError(f"stopped; go on with: dmad train --resume {run.folder}") from stop
    if trainer.is_global_zero:
        save_model(run.folder, module.model, _card(config, footage, module))
    return run


def _card(config: Config, train: LabelledFootage, module: PDMTraining) -> dict[str, Any]:
    return {
        "scenes": list(train.scenes),
        "data": {"sha256": fingerprint(train.footage), "frames": len(train.footage.frames)},
        "history": module.history,
        "precision": module.compute.precision,
    }


def _trainer(train: TrainConfig, run: Run, compute: Plan, steps: int) -> L.Trainer:
    from dmad.progress import EpochLine, StepBar

    keep = ModelCheckpoint(
        run.checkpoint.parent,
        filename="last",
        enable_version_counter=False,
        save_on_train_epoch_end=True,
    )
    bar = StepBar(train.epochs, steps)
    return L.Trainer(
        max_epochs=train.epochs,
        accelerator="auto",
        devices="auto" if torch.cuda.is_available() else 1,
        precision=compute.precision,
        sync_batchnorm=torch.cuda.device_count() > 1,
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
