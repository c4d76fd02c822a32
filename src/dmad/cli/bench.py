"""`dmad bench`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

SIZES = [128, 256]


def bench_command(
    what: Literal["train", "predict", "images", "deploy"],
    sizes: list[int] = SIZES,
    out: Path | None = None,
) -> None:
    """Measure the speed of training, prediction, images or exports on this machine.

    Each is timed beside the same in plain 32-bit PyTorch, with random weights and a
    generated clip. Let nothing else run meanwhile.

    Example: dmad bench predict --sizes [256]

    Args:
        what: What to measure.
        sizes: Sizes of the images in pixels.
        out: Folder for the table, as bench-WHAT.json and bench-WHAT.md.
    """
    from dmad.bench import bench
    from dmad.experiments.tables import print_table, write_table
    from dmad.hardware import describe_machine

    table = bench(what, sizes)
    print_table(table)
    print(describe_machine("cpu"))
    if out:
        write_table(table, out / f"bench-{what}", machine=describe_machine("cpu"))
