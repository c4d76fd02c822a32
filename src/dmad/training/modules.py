"""The LightningModules of both forms: one batch, its losses, and the use of the memory."""

from __future__ import annotations

from typing import Any

import lightning as L
import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler, SequentialLR

from dmad.config import Config
from dmad.data.windows import Batch, to_model
from dmad.errors import DmadError, require
from dmad.hardware import Plan
from dmad.model.losses import ImageLossTerms, LossTerms, total_loss, total_loss_plus
from dmad.model.memory import perplexity, usage
from dmad.model.pdm import PDM, PDMOutput
from dmad.model.ppdm import PPDM, PPDMOutput


def rise_and_fall(optimizer: Optimizer, warmup: int, steps: int) -> LRScheduler:
    """The learning rate of each step: a line up over `warmup` steps, then a cosine to zero."""
    fall = CosineAnnealingLR(optimizer, max(1, steps - warmup))
    if not warmup:
        return fall
    rise = LinearLR(optimizer, 1 / warmup, total_iters=warmup - 1)
    return SequentialLR(optimizer, [rise, fall], [warmup])


class Training(L.LightningModule):
    """One training of one model; subclasses say in `judged` what they make of a batch.

    Args:
        config: All settings.
        model: What is trained.
        compute: How this machine computes.
    """

    model: PDM | PPDM  # each form's own

    def __init__(self, config: Config, model: PDM | PPDM, compute: Plan) -> None:
        super().__init__()
        self.config, self.model, self.compute = config, model, compute
        self.step_loss = torch.compile(self._loss) if compute.compile else self._loss
        self.counts = torch.zeros(config.model.memory_items, dtype=torch.int64)
        self.recent = self.counts.clone()
        self.history: list[dict[str, float]] = []
        self.data = ""  # fingerprint of what is trained on

    def judged(
        self, batch: Batch, x: Tensor, target: Tensor
    ) -> tuple[PDMOutput | PPDMOutput, LossTerms | ImageLossTerms]:
        """Output and losses of a batch of inputs (B, T·C, H, W) and targets (B, C, H, W)."""
        raise NotImplementedError

    def _loss(self, *_: Any) -> tuple[Any, Any]:
        """Output and losses: what is compiled where that pays."""
        raise NotImplementedError

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """One batch: forward, losses, memory usage."""
        x, target = to_model(batch.frames)
        if self.compute.channels_last:
            x = x.contiguous(memory_format=torch.channels_last)
        output, terms = self.judged(batch, x, target)
        if not torch.isfinite(terms.total):
            raise DmadError(
                f"the loss became {terms.total.item()} in epoch {self.current_epoch + 1}; "
                "lower --train.lr or set --train.precision fp32"
            )
        self._watch_memory(output)
        self._log_terms(terms, len(x))
        return terms.total

    def _watch_memory(self, output: PDMOutput | PPDMOutput) -> None:
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
        embeddings = self.trainer.strategy.broadcast(z_e.detach().cpu())  # pickled, device and all
        draw = torch.Generator().manual_seed(self.config.train.seed + self.global_step)
        self.model.memory.revive(recent, embeddings, draw)
        self.recent.zero_()

    def _summed(self, counts: Tensor) -> Tensor:
        total: Tensor = self.trainer.strategy.reduce(counts.clone(), reduce_op="sum")
        return total

    def _log_terms(self, terms: LossTerms | ImageLossTerms, size: int) -> None:
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
        """AdamW, warm-up, cosine to zero; the background template learns faster."""
        train = self.config.train
        learning = [(n, p) for n, p in self.model.named_parameters() if p.requires_grad]
        template = [p for n, p in learning if n == "background"]
        weights = [p for n, p in learning if n != "background"]
        groups: list[dict[str, Any]] = [
            {"params": weights},
            {"params": template, "lr": train.lr * train.background_lr, "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(
            [group for group in groups if group["params"]],
            lr=train.lr,
            betas=train.betas,
            weight_decay=train.weight_decay,
            fused=True,
        )
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = rise_and_fall(optimizer, min(train.warmup, steps // 2), steps)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def configure_gradient_clipping(self, optimizer: Optimizer, *_: Any, **__: Any) -> None:
        """Clip here, since Lightning's own way forbids the fused optimizer."""
        if self.config.train.clip:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.train.clip)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep across a resume the curves, which items were used of late, and which data it is."""
        recent = self._summed(self.recent.to(self.device))
        checkpoint.update(history=self.history, recent=recent, data=self.data)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take them up again.

        Raises:
            DmadError: The data are others.
        """
        require(
            checkpoint.get("data", self.data) == self.data,
            "this run was begun on other data; give its own with --data.root, or train a new one",
        )
        self.history = list(checkpoint.get("history", []))
        if self.global_rank == 0:  # it is the sum of all processes
            self.recent = checkpoint.get("recent", self.recent)


class PDMTraining(Training):
    """Video: predict the next frame, background templates set."""

    model: PDM

    def _loss(
        self, x: Tensor, target: Tensor, background: Tensor | None
    ) -> tuple[PDMOutput, LossTerms]:
        output = self.model(x, target, background)
        return output, total_loss(target, output, self.config.loss)

    def judged(self, batch: Batch, x: Tensor, target: Tensor) -> tuple[PDMOutput, LossTerms]:
        """Each sample over the template of its view."""
        template = self.model.background
        return self.step_loss(x, target, None if template is None else template[batch.scene])


class PPDMTraining(Training):
    """Images: restore the teacher's features of the bent image."""

    model: PPDM

    def _loss(
        self, x: Tensor, features: tuple[Tensor, ...] | None
    ) -> tuple[PPDMOutput, ImageLossTerms]:
        output = self.model(x, features)
        return output, total_loss_plus(x, output, self.config.loss)

    def judged(self, batch: Batch, x: Tensor, target: Tensor) -> tuple[PPDMOutput, ImageLossTerms]:
        """With the teacher's features where they are kept."""
        kept = tuple(feature.to(x.dtype) for feature in batch.features)
        return self.step_loss(x, kept or None)
