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
    """Measure the speed of training, scoring and exported models on this machine.

    The first argument says what is measured:

    - train: the time of a training step.
    - predict: the time of a frame of video.
    - images: the time of an image.
    - deploy: the time of a frame of video, with PyTorch and with exported models.
    - peers: the time of an image, with exported models of dmad and of the package
      anomalib. This needs `pip install 'dmad[export,peers]'`.

    The table also shows the time of the same model without the speed-ups of dmad: plain
    PyTorch with 32-bit numbers (not for peers). You need no data: the weights are random, and
    the frames are generated. Stop other programs first, because they make the measured
    times longer.

    Example: dmad bench predict --sizes [256]

    Args:
        what: What to measure (see above).
        sizes: Sizes to measure: the height and width of a frame or image in pixels.
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
