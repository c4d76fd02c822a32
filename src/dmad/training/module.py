"""The LightningModule: computes the losses of a batch, and counts the uses of memory items."""

from __future__ import annotations

from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler, SequentialLR

from dmad.config import TrainedConfig
from dmad.data.windows import Batch, to_model
from dmad.errors import DmadError, require
from dmad.form import Losses, Output, TrainedForm
from dmad.hardware import ComputeSettings
from dmad.model.memory import count_uses, perplexity


def warmup_cosine(optimizer: Optimizer, warmup: int, steps: int) -> LRScheduler:
    """Return a schedule of the learning rate for a training of `steps` steps.

    It is a linear rise over `warmup` steps, then a fall to zero along a cosine.
    """
    cosine = CosineAnnealingLR(optimizer, max(1, steps - warmup))
    if not warmup:
        return cosine
    rise = LinearLR(optimizer, 1 / warmup, total_iters=warmup - 1)
    return SequentialLR(optimizer, [rise, cosine], [warmup])


class TrainingModule(L.LightningModule):
    """The training of one model of any form.

    Args:
        form: The form of the model. It computes output and losses of a batch.
        config: All settings.
        model: The network.
        compute: Precision, compilation and memory layout on this machine.
    """

    def __init__(
        self,
        form: TrainedForm[Any, Any],
        config: TrainedConfig,
        model: nn.Module,
        compute: ComputeSettings,
    ) -> None:
        super().__init__()
        self.form, self.config, self.model, self.compute = form, config, model, compute
        self.output_and_losses = torch.compile(self._losses) if compute.compile else self._losses
        self.counts = torch.zeros(config.model.memory_items, dtype=torch.int64)  # uses in the epoch
        self.recent_counts = self.counts.clone()  # uses since the last replacement of items
        self.history: list[dict[str, float]] = []
        self.data = ""  # fingerprint of the training data

    def _losses(self, batch: Batch, x: Tensor, target: Tensor) -> tuple[Output, Losses]:
        return self.form.losses(self.model, self.config, batch, x, target)

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """Return the loss of one batch, and count the uses of memory items."""
        x, target = to_model(batch.frames)
        if self.compute.channels_last:
            x = x.contiguous(memory_format=torch.channels_last)
        output, losses = self.output_and_losses(batch, x, target)
        if not torch.isfinite(losses.total):
            raise DmadError(
                f"the loss became {losses.total.item()} in epoch {self.current_epoch + 1}; "
                "lower --train.lr or set --train.precision fp32"
            )
        self._count_memory_use(output)
        self._log_losses(losses, len(x))
        return losses.total

    def _count_memory_use(self, output: Output) -> None:
        if output.memory is None:
            return
        device = output.memory.indices.device
        used = count_uses(output.memory.indices, len(self.counts))
        self.counts = self.counts.to(device) + used
        self.recent_counts = self.recent_counts.to(device) + used
        every = self.config.model.revive_after
        if every and (self.global_step + 1) % every == 0:
            self._replace_unused_items(output.z_e)

    def _replace_unused_items(self, z_e: Tensor) -> None:
        """Replace unused memory items by embeddings, with the same result on every process.

        `z_e` are the embeddings of the present batch. All processes use the `z_e` of the first
        process, and the counts of uses summed over all processes.
        """
        recent = self._sum_over_processes(self.recent_counts)
        embeddings = self.trainer.strategy.broadcast(z_e.detach().cpu())  # broadcast pickles
        generator = torch.Generator().manual_seed(self.config.train.seed + self.global_step)
        memory: Any = self.model.memory
        memory.revive(recent, embeddings, generator)
        self.recent_counts.zero_()

    def _sum_over_processes(self, counts: Tensor) -> Tensor:
        total: Tensor = self.trainer.strategy.reduce(counts.clone(), reduce_op="sum")
        return total

    def _log_losses(self, losses: Losses, size: int) -> None:
        values = {name: value.detach() for name, value in vars(losses).items()}
        self.log_dict(values, on_step=False, on_epoch=True, batch_size=size, sync_dist=True)

    def on_train_epoch_start(self) -> None:
        """Set the counts of memory items to zero."""
        self.counts.zero_()

    def log_memory_use(self) -> None:
        """Log the number of memory items used in the epoch, and the perplexity."""
        if self.model.memory is not None:
            counts = self._sum_over_processes(self.counts)
            self.log("perplexity", perplexity(counts).float())
            self.log("items_used", (counts > 0).sum().float())

    def configure_optimizers(self) -> Any:
        """Return AdamW and its schedule. The background template has a higher learning rate."""
        train = self.config.train
        trainable = [(n, p) for n, p in self.model.named_parameters() if p.requires_grad]
        template = [p for n, p in trainable if n == "background"]
        weights = [p for n, p in trainable if n != "background"]
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
        schedule = warmup_cosine(optimizer, min(train.warmup, steps // 2), steps)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def configure_gradient_clipping(self, optimizer: Optimizer, *_: Any, **__: Any) -> None:
        """Clip the gradient. Lightning's own clipping does not allow the fused optimizer."""
        if self.config.train.clip:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.train.clip)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Store the results of the epochs, the uses of memory items and the data's fingerprint."""
        recent = self._sum_over_processes(self.recent_counts.to(self.device))
        checkpoint.update(history=self.history, recent=recent, data=self.data)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore what `on_save_checkpoint` stored.

        Raises:
            DmadError: The run was started with other data.
        """
        require(
            checkpoint.get("data", self.data) == self.data,
            "this run was started with other data; give the folder of that data with --data.root, "
            "or start a new run",
        )
        self.history = list(checkpoint.get("history", []))
        if self.global_rank == 0:  # the stored counts are the sum over all processes
            self.recent_counts = checkpoint.get("recent", self.recent_counts)
