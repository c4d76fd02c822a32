"""The device, the number formats that it supports, and the settings that make it fast.

Only the functions that need torch import it, because exported models run without it.
"""

from __future__ import annotations

import ctypes
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dmad.config import TrainConfig

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # of glibc's malloc.h


@dataclass(frozen=True)
class ComputeSettings:
    """How a training computes on this machine, after `auto` was replaced by a value."""

    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    compile: bool = False
    channels_last: bool = False


def default_device() -> Literal["cuda", "cpu"]:
    """Return the default device: a GPU if the machine has one."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def has_fast_bf16(device: str) -> bool:
    """Return True if the hardware computes in bfloat16, a number format of 16 bit.

    This hardware is: GPUs since 2020, and CPUs with AMX or AVX-512 BF16. Other hardware emulates
    bfloat16, which is about ten times slower than 32 bit.

    Args:
        device: Type of the device, `cuda` or `cpu`.
    """
    import torch

    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if torch.cpu._is_amx_tile_supported():
        return True
    # torch before 2.7 does not have this function
    return bool(getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)())


def compute_settings(train: TrainConfig, device: str) -> ComputeSettings:
    """Replace `auto` by the faster choice on this machine, and return the settings.

    `auto` compiles on GPUs only. On CPUs, compiling takes a minute or two, which is more than it
    saves in a short training.
    """
    fast = has_fast_bf16(device)
    bf16 = {"bf16": True, "fp32": False, "auto": fast}[train.precision]
    return ComputeSettings(
        precision="bf16-mixed" if bf16 else "32-true",
        compile={"on": True, "off": False, "auto": device == "cuda"}[train.compile],
        channels_last={"on": True, "off": False, "auto": fast}[train.channels_last],
    )


def free_memory(device: str) -> int | None:
    """Return the free memory of a device in bytes; None if it is unknown.

    On a CPU, swap is included. In a container, the memory that the container may use is the limit.

    Args:
        device: Type of the device, `cuda` or `cpu`.
    """
    if device == "cuda":
        import torch

        unused = torch.cuda.memory_reserved() - torch.cuda.memory_allocated()  # kept by PyTorch
        return int(torch.cuda.mem_get_info()[0]) + unused
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        sizes = {
            name: int(value.split()[0]) for name, _, value in (x.partition(":") for x in lines)
        }
        free = 1024 * (sizes["MemAvailable"] + sizes["SwapFree"])
    except (OSError, ValueError, KeyError):
        return None
    left = _left_in_container()
    return free if left is None else min(free, left)


def _left_in_container() -> int | None:
    """Return the memory that a container may still use, in bytes; None without a limit."""
    group = Path("/sys/fs/cgroup")
    try:
        limit = int((group / "memory.max").read_text())
        used = int((group / "memory.current").read_text())
        stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        return max(0, limit - used + int(stat["inactive_file"]))
    except (OSError, ValueError, KeyError):
        return None


def describe_machine(device: str) -> str:
    """Return a line of text: the processor, its threads, the number format, and torch's version."""
    import torch

    if device == "cuda":
        chip = torch.cuda.get_device_name()
    else:
        chip = f"{_processor_name()}, {torch.get_num_threads()} threads"
    return f"{chip}, {'bf16' if has_fast_bf16(device) else 'fp32'}, torch {torch.__version__}"


def _processor_name() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def set_process_defaults() -> None:
    """Make torch and the memory allocator of the whole process fast. The command line calls this.

    Denormal numbers (extremely small numbers) become zero, because CPUs are slow with them and the
    optimiser Adam produces many. On GPUs, matrix products may use the number format TF32. Freed
    memory is kept for the next step. Exported models do not need these settings: they use little
    memory, and no torch.
    """
    import torch

    torch.set_flush_denormal(True)
    torch.set_float32_matmul_precision("high")
    _keep_freed_memory()


def return_freed_memory() -> None:
    """Return freed memory to the system, for example after a model was read.

    The command line calls this.
    """
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)


def share_freed_memory() -> None:
    """Let all threads use the same freed memory. Otherwise glibc keeps memory for each thread.

    A process with many short-lived threads calls this before it starts them.
    """
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)


def _keep_freed_memory() -> None:
    """Make glibc keep freed memory, because each frame and step allocates the same memory again.

    Memory from the system is slower: the system fills it with zeros.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    if not libc.mallopt(M_MMAP_THRESHOLD, 1 << 30):
        libc.mallopt(M_MMAP_THRESHOLD, 1 << 25)  # the largest value before glibc 2.35
    libc.mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)
