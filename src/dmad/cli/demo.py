"""`dmad demo`."""

from __future__ import annotations

from pathlib import Path


def demo_command(out: Path = Path("demo")) -> None:
    """Train small models, for which you need no data, and draw what they learned.

    The models are trained on images of digits, on a generated street and on three
    generated textures. This takes some minutes on two processor cores. The file README.txt
    in the output folder explains the pictures.

    Example: dmad demo --out demo

    Args:
        out: Folder for the pictures and models.
    """
    from dmad.demo import demo

    demo(out)
