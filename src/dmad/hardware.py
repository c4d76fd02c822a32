"""What this machine computes fast in, and the settings that let it."""

from __future__ import annotations

import ctypes
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from dmad.config import TrainConfig

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h


@dataclass(frozen=True)
class Plan:
    """How to compute."""

    precision: Literal["32-true", "bf16-mixed"]
    compile: bool
    channels_last: bool


def usual_device() -> str:
    """Where to compute if nobody says: on a GPU where there is one."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def has_fast_bf16(device: str) -> bool:
    """True where 16-bit arithmetic has hardware: GPUs from 2020 on, CPUs with AMX or AVX-512 BF16.

    Elsewhere it is emulated, and measured ten times slower than 32 bit.

    Args:
        device: Its type, `cuda` or `cpu`.
    """
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if torch.cpu._is_amx_tile_supported():
        return True
    # newer torch asks the CPU itself; before 2.7 there is nothing to ask
    return bool(getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)())


def plan(train: TrainConfig, device: str) -> Plan:
    """Resolve `auto`: 16 bit, channels last and compilation where the machine gains by them.

    Compilation is for GPUs: on CPUs its first step takes a minute or two, and the steps after it
    gained nothing that pays for that in a training of minutes.
    """
    fast = has_fast_bf16(device)
    wanted = {"bf16": True, "fp32": False, "auto": fast}[train.precision]
    compiled = {"on": True, "off": False, "auto": device == "cuda"}[train.compile]
    layout = {"on": True, "off": False, "auto": fast}[train.channels_last]
    return Plan("bf16-mixed" if wanted else "32-true", compiled, layout)


def describe(device: str) -> str:
    """Processor, cores, what it computes in, and the version of torch, in one line."""
    if device == "cuda":
        chip = torch.cuda.get_device_name()
    else:
        chip = f"{_processor()}, {torch.get_num_threads()} threads"
    return f"{chip}, {'bf16' if has_fast_bf16(device) else 'fp32'}, torch {torch.__version__}"


def _processor() -> str:
    """As the system calls it."""
    known = Path("/proc/cpuinfo")
    lines = known.read_text().splitlines() if known.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def quicken() -> None:
    """For the whole process: no denormal numbers, and freed memory is kept for the next step.

    Adam's squared gradients underflow, and CPUs crawl there.
    """
    torch.set_flush_denormal(True)
    torch.set_float32_matmul_precision("high")
    _keep_memory()


def _keep_memory() -> None:
    """Let glibc give back no freed memory: the system clears every page that is asked for anew.

    Features are allocated and freed at each frame and step; another libc is left as it is.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    if not libc.mallopt(M_MMAP_THRESHOLD, 1 << 30):
        libc.mallopt(M_MMAP_THRESHOLD, 1 << 25)  # the most before glibc 2.35
    libc.mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)
