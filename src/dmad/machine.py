"""What this machine computes fast in, and the settings that let it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from dmad.config import TrainConfig


@dataclass(frozen=True)
class Plan:
    """How to compute."""

    precision: Literal["32-true", "bf16-mixed"]
    compile: bool
    channels_last: bool


def has_fast_bf16() -> bool:
    """True where 16-bit matrix work has hardware: a GPU from 2020 on, or a CPU with AMX."""
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_amx_tile_supported())


def plan(train: TrainConfig) -> Plan:
    """Resolve `auto`: 16 bit, channels last and compilation where the machine gains by them.

    On CPUs without AMX, plain 32-bit eager code in contiguous order measured fastest; see
    docs/results.md.
    """
    fast = has_fast_bf16()
    wanted = {"bf16": True, "fp32": False, "auto": fast}[train.precision]
    compiled = {"on": True, "off": False, "auto": fast}[train.compile]
    layout = {"on": True, "off": False, "auto": fast}[train.channels_last]
    return Plan("bf16-mixed" if wanted else "32-true", compiled, layout)


def quicken() -> None:
    """Flush denormal numbers to zero: Adam's squared gradients underflow, and CPUs crawl there."""
    torch.set_flush_denormal(True)
    torch.set_float32_matmul_precision("high")
