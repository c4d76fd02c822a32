"""Estimates the memory that a training needs.

If too little memory is free, the user is told so before footage is decoded.
"""

from __future__ import annotations

import logging
from copy import copy
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from dmad.config import TrainedConfig
from dmad.data.windows import Batch, to_model
from dmad.errors import DmadError, one_line
from dmad.files import size_text
from dmad.form import TrainedForm
from dmad.hardware import ComputeSettings, free_memory

logger = logging.getLogger(__name__)

BYTES_PER_WEIGHT = 16  # the weight, its gradient and two moments of the optimiser, 32 bit each


def check_memory(
    config: TrainedConfig, form: TrainedForm[Any, Any], compute: ComputeSettings, device: str
) -> None:
    """Check that the model and a batch fit into the free memory of a device.

    If the free memory is not known, nothing is checked.

    Raises:
        DmadError: The model and a batch need more memory than is free.
    """
    free = free_memory(device)
    if free is None:
        return
    needed = training_bytes(config, form, compute)
    if needed > free:
        side = config.data.crop or config.data.size
        raise DmadError(
            f"training needs about {size_text(needed)} of memory for a batch of "
            f"{config.train.batch_size} samples of {side} x {side} pixels, and {size_text(free)} "
            "are free; give a smaller --train.batch_size or --data.size"
        )


def training_bytes(
    config: TrainedConfig, form: TrainedForm[Any, Any], compute: ComputeSettings
) -> int:
    """Estimate the memory of one training step, in bytes. 0 if it is not known.

    This is the memory for the weights, their gradients, the optimiser, and the results that the
    backward pass needs. The step is computed with fake tensors, which have a shape but no values.
    """
    # Each tensor and its bytes, by storage. A deleted tensor could give its storage to another one.
    kept: dict[int, tuple[Tensor, int]] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage._cdata] = (tensor, storage.nbytes())
        return tensor

    data = config.data
    side = data.crop or data.size
    is_16_bit = compute.precision == "bf16-mixed"
    try:
        with FakeTensorMode(), torch.autocast("cpu", torch.bfloat16, enabled=is_16_bit):
            model = form.network(config)
            shape = (config.train.batch_size, data.history + 1, side, side, data.channels)
            frames = torch.zeros(shape, dtype=torch.uint8)
            corner = torch.zeros(len(frames), 2, dtype=torch.int64) if data.crop else None
            batch = Batch(frames, torch.zeros(len(frames), dtype=torch.int64), corner=corner)
            with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
                copy(form).losses(model, config, batch, *to_model(frames))
    except Exception as error:  # a teacher can contain an operation that needs values
        logger.debug(f"the memory of a training step is not known ({one_line(error)})")
        return 0
    weights = {parameter.untyped_storage()._cdata for parameter in model.parameters()}
    results = sum(size for key, (_, size) in kept.items() if key not in weights)
    count = sum(parameter.numel() for parameter in model.parameters())
    return int(BYTES_PER_WEIGHT * count + results)
