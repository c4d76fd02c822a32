"""What the machine can compute, and the settings of the process that make it fast."""

import platform
import subprocess
import sys

import pytest
import torch

from dmad.config import TrainConfig
from dmad.hardware import (
    ComputeSettings,
    compute_settings,
    default_device,
    describe_machine,
    free_memory,
    has_fast_bf16,
)

LIBC, VERSION = platform.libc_ver()

# Prints two lines. The first is the number of pages of memory that eight steps request, divided by
# the pages of one step (the lowest number of five rounds). The second is a denormal number after a
# multiplication, and the precision of matrix products.
STEPS = """
import resource, sys, torch
from dmad.hardware import set_process_defaults

def pages():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.zeros(PAGES, 1024).add_(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

PAGES = 64 * 2**20 // 4096
if sys.argv[1] == "set":
    set_process_defaults()
print(min(sum(pages() for _ in range(8)) for _ in range(5)) / PAGES)
print((torch.tensor([1e-40]) * 1.0).item(), torch.get_float32_matmul_precision())
"""


def run_steps(option: str) -> list[str]:
    """Return the output of `STEPS` in a new process, because `STEPS` changes the whole process."""
    command = [sys.executable, "-c", STEPS, option]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


@pytest.mark.skipif(
    LIBC != "glibc" or tuple(map(int, VERSION.split("."))) < (2, 35),
    reason="only glibc keeps memory on request, and older ones keep less",
)
def test_process_defaults_keep_freed_memory_for_the_next_step() -> None:
    pages, _ = run_steps("set")
    assert float(pages) < 4  # without the settings, it is 8 or more
    pages, _ = run_steps("leave")
    assert float(pages) >= 8


THREADS = """
import sys, threading
from dmad.hardware import share_freed_memory

if sys.argv[1] == "set":
    share_freed_memory()
barrier = threading.Barrier(6)


def work():
    kept = bytearray(100_000)
    barrier.wait()


threads = [threading.Thread(target=work) for _ in range(6)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
with open("/proc/self/maps") as maps:
    starts = [int(line.split("-")[0], 16) for line in maps if line.endswith(" 0 \\n")]
print(sum(start % 2**26 == 0 for start in starts))  # areas of memory that belong to threads
"""


@pytest.mark.skipif(LIBC != "glibc", reason="only glibc has areas of memory for threads")
def test_threads_share_freed_memory_on_request() -> None:
    def areas(option: str) -> int:
        command = [sys.executable, "-c", THREADS, option]
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    assert areas("set") <= 1
    assert areas("leave") > 2


def test_process_defaults_flush_denormals_and_allow_fast_matrix_products() -> None:
    assert run_steps("set")[1] == "0.0 high"
    denormal, precision = run_steps("leave")[1].split()
    assert (float(denormal), precision) == (pytest.approx(1e-40, rel=1e-3), "highest")


FAST, SLOW = True, False


@pytest.mark.parametrize(
    ("device", "fast", "precision", "compiled", "layout", "expected"),
    [
        ("cpu", FAST, "auto", "auto", "auto", ("bf16-mixed", False, True)),
        ("cpu", SLOW, "auto", "auto", "auto", ("32-true", False, False)),
        ("cpu", FAST, "fp32", "auto", "auto", ("32-true", False, True)),
        ("cpu", SLOW, "bf16", "auto", "auto", ("bf16-mixed", False, False)),
        ("cpu", FAST, "auto", "on", "off", ("bf16-mixed", True, False)),
        ("cpu", SLOW, "auto", "off", "on", ("32-true", False, True)),
        ("cpu", FAST, "fp32", "off", "off", ("32-true", False, False)),
        ("cpu", SLOW, "bf16", "on", "on", ("bf16-mixed", True, True)),
        ("cuda", FAST, "auto", "auto", "auto", ("bf16-mixed", True, True)),
        ("cuda", SLOW, "auto", "auto", "auto", ("32-true", True, False)),
        ("cuda", FAST, "auto", "off", "auto", ("bf16-mixed", False, True)),
    ],
)
def test_auto_follows_the_machine(
    monkeypatch, device, fast, precision, compiled, layout, expected
) -> None:
    """Torch reports the abilities of another machine."""
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: fast)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False, raising=False)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: fast)
    train = TrainConfig(precision=precision, compile=compiled, channels_last=layout)
    assert compute_settings(train, device) == ComputeSettings(*expected)


def test_avx512_alone_is_fast_in_16_bit(monkeypatch) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True, raising=False)
    assert has_fast_bf16("cpu")


@pytest.mark.parametrize(("present", "expected"), [(True, "cuda"), (False, "cpu")])
def test_a_gpu_is_used_if_there_is_one(monkeypatch, present, expected) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: present)
    assert default_device() == expected


def test_a_machine_is_described_in_one_line() -> None:
    text = describe_machine("cpu")
    assert text.count("\n") == 0
    assert f"{torch.get_num_threads()} threads" in text
    assert torch.__version__ in text


def test_the_free_memory_is_less_than_that_of_the_machine() -> None:
    free = free_memory("cpu")
    assert free is not None
    assert 0 < free < 1e15
