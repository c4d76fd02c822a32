"""How this machine computes: in what, and memory that is freed is there for the next step."""

import platform

import pytest
import torch

from dmad import hardware as machine
from dmad.config import TrainConfig
from dmad.hardware import Plan, plan, quicken

PAGES = 64 * 2**20 // 4096


LIBC, VERSION = platform.libc_ver()


@pytest.mark.skipif(
    LIBC != "glibc" or tuple(map(int, VERSION.split("."))) < (2, 35),
    reason="only glibc is told to keep memory, and older ones not so much",
)
def test_freed_memory_is_not_asked_for_anew() -> None:
    import resource

    def step() -> int:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        torch.zeros(PAGES, 1024).add_(1)
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    quicken()
    rounds = [sum(step() for _ in range(8)) for _ in range(5)]
    assert min(rounds) < 4 * PAGES  # a freed block of which a little was used since fits no more


@pytest.mark.parametrize(
    ("device", "fast", "precision", "compiled", "layout", "expected"),
    [
        ("cpu", True, "auto", "auto", "auto", Plan("bf16-mixed", False, True)),
        ("cpu", False, "auto", "auto", "auto", Plan("32-true", False, False)),
        ("cpu", True, "fp32", "auto", "auto", Plan("32-true", False, True)),
        ("cpu", False, "bf16", "auto", "auto", Plan("bf16-mixed", False, False)),
        ("cpu", True, "auto", "on", "off", Plan("bf16-mixed", True, False)),
        ("cpu", False, "auto", "off", "on", Plan("32-true", False, True)),
        ("cpu", True, "fp32", "off", "off", Plan("32-true", False, False)),
        ("cpu", False, "bf16", "on", "on", Plan("bf16-mixed", True, True)),
        ("cuda", True, "auto", "auto", "auto", Plan("bf16-mixed", True, True)),
        ("cuda", False, "auto", "auto", "auto", Plan("32-true", True, False)),
        ("cuda", True, "auto", "off", "auto", Plan("bf16-mixed", False, True)),
    ],
)
def test_what_is_left_open_follows_the_machine(
    monkeypatch, device, fast, precision, compiled, layout, expected
) -> None:
    asked = []
    monkeypatch.setattr(machine, "has_fast_bf16", lambda device: asked.append(device) or fast)
    train = TrainConfig(precision=precision, compile=compiled, channels_last=layout)
    assert plan(train, device) == expected
    assert asked == [device]
