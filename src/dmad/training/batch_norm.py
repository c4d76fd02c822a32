"""Estimates the statistics of batch norm layers for whole frames, after a training on crops."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from dmad.config import Config
from dmad.data.footage import LabelledFootage
from dmad.data.windows import Batch, Windows, to_model
from dmad.form import TrainedForm

FRAMES = 200  # whole frames from which mean and variance are estimated
BATCH = 4


def estimate_statistics(
    model: nn.Module, form: TrainedForm[Any, Any], config: Config, train: LabelledFootage
) -> None:
    """Set mean and variance of every batch norm layer to those of whole training frames.

    Crops contain more motion than whole frames, so their statistics are different.

    Args:
        model: The trained network. It is changed.
        form: The form of the network.
        config: The settings of the training.
        train: The footage of the training.
    """
    windows = Windows(train.footage, config.data.history, train.scenes, FRAMES)
    places = list(range(len(windows)))
    batches = (
        [windows.__getitems__(places[first : first + BATCH])]
        for first in range(0, len(windows), BATCH)
    )
    update_bn(batches, _OnBatches(model, form, config))


class _OnBatches(nn.Module):
    """Wraps a network so that its input is a batch of windows, because `update_bn` needs this."""

    def __init__(self, model: nn.Module, form: TrainedForm[Any, Any], config: Config) -> None:
        super().__init__()
        self.model, self.form, self.config = model, form, config

    @torch.no_grad()
    def forward(self, batch: Batch) -> Tensor:
        """Return the loss of a batch. Nobody uses the loss: only the new statistics are needed."""
        _, losses = self.form.losses(self.model, self.config, batch, *to_model(batch.frames))
        return losses.total
