"""`dmad demo`."""

from __future__ import annotations

from pathlib import Path


def demo_command(out: Path = Path("demo")) -> None:
    """Train small models without data of your own, and draw what they learned.

    The models are trained on digits, on a generated street and on three textures. This
    takes some minutes on two cores. OUT/README.txt explains the pictures.

    Example: dmad demo --out demo

    Args:
        out: Folder for the pictures and models.
    """
    from dmad.demo import demo

    demo(out)
