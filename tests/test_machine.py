"""How this machine computes: memory that is freed is there for the next step."""

import platform

import pytest
import torch

from dmad.machine import quicken

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
    assert sum(step() for _ in range(8)) < 4 * PAGES
