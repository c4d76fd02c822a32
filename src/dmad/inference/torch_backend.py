"""A PyTorch network as a backend.

For speed, the network is folded and packed (see `folding` and `packing`), and computed in 16 bit if
the device is faster with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dmad.config import Config
from dmad.data.windows import to_model
from dmad.form import Form
from dmad.hardware import default_device, has_fast_bf16
from dmad.inference.backend import LazyArrays
from dmad.inference.folding import fold
from dmad.inference.packing import can_pack, pack


class TorchBackend:
    """Scores windows with a network.

    Args:
        model: The network.
        config: Its settings.
        form: The form of the model.
        device: Where to compute, such as "cpu" or "cuda". None: a GPU if there is one.
        fast: Compute with a copy that is folded and, on a CPU, packed. False: use the network
            itself, in 32 bit.
        bf16: With `fast`, compute in 16 bit. None: only if the device is faster with it.
        in_place: With `fast`, change the network itself, which needs less memory than a copy.
    """

    def __init__(
        self,
        model: nn.Module,
        config: Config,
        form: Form[Any, Any],
        device: str | torch.device | None = None,
        fast: bool = True,
        bf16: bool | None = None,
        in_place: bool = False,
    ) -> None:
        self.config, self.form = config, form
        self.device = torch.device(device or default_device())
        if bf16 is None:
            bf16 = has_fast_bf16(self.device.type)
        self.bf16 = fast and bf16
        self.packed = fast and can_pack(self.device)
        self.model = fold(model, in_place) if fast else model.eval()
        self.model.to(self.device)
        self.templates = _templates(self.model)
        if self.bf16:
            self.model.to(memory_format=torch.channels_last)
        if self.packed:
            self.model = pack(self.model, torch.bfloat16 if self.bf16 else torch.float32)

    @torch.inference_mode()
    def __call__(
        self, windows: NDArray[np.uint8], backgrounds: NDArray[np.float32] | None
    ) -> Mapping[str, np.ndarray]:
        """Score a batch; see `Backend.__call__`.

        On a GPU, a result is copied to the CPU when it is read.
        """
        x, target = to_model(torch.from_numpy(windows).to(self.device))
        if self.bf16:
            x = x.contiguous(memory_format=torch.channels_last)
        background = None
        if backgrounds is not None:
            background = torch.from_numpy(backgrounds).to(self.device)
            background = background.expand(len(windows), -1, -1, -1)
        with self._autocast():
            outputs = self.form.outputs(self.model, self.config, x, target, background)
        return LazyArrays(outputs, lambda name: _to_array(outputs[name]))

    def _autocast(self) -> AbstractContextManager[Any]:
        if self.bf16 and not self.packed:
            return torch.autocast(self.device.type, torch.bfloat16)
        return nullcontext()


def _templates(model: nn.Module) -> NDArray[np.float32] | None:
    """Return the background templates of a network, (S, C, H, W); None if it has none."""
    background = getattr(model, "background", None)
    return None if background is None else _to_array(background)


def _to_array(tensor: Tensor) -> NDArray[np.float32]:
    """Convert a tensor to a float32 array. A float32 tensor on the CPU is not copied."""
    array: NDArray[np.float32] = tensor.detach().float().cpu().numpy()
    return array
