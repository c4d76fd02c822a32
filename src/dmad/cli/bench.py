"""`dmad bench`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

SIZES = [128, 256]


def bench_command(
    what: Literal["train", "predict", "images", "deploy", "peers"],
    sizes: list[int] = SIZES,
    out: Path | None = None,
) -> None:
    """Measure on this machine how fast models train and score, and how fast their exports are.

    Except for `peers`, every measurement is repeated with the same model in plain 32-bit
    PyTorch, for comparison. The weights are random, and the clip or image is generated.
    Stop other programs first, because they change the results.

    Example: dmad bench predict --sizes [256]

    Args:
        what: What to measure: `train` (time of a training step), `predict` (time of a frame of
            video), `images` (time of an image), `deploy` (time of a frame with PyTorch and with the
            exports), or `peers` (time of an image with exports of dmad and of methods of anomalib;
            pip install 'dmad[export,peers]').
        sizes: Height and width of the frames or images in pixels. Each size is measured.
        out: Folder to write the table to, as bench-WHAT.json and bench-WHAT.md (default: the table
            is only printed).
    """
    from dmad.bench import bench
    from dmad.experiments.tables import print_table, write_table
    from dmad.hardware import describe_machine

    table = bench(what, sizes)
    print_table(table)
    print(describe_machine("cpu"))
    if out:
        write_table(table, out / f"bench-{what}", machine=describe_machine("cpu"))
