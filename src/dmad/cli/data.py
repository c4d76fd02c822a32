"""`dmad data`."""

from __future__ import annotations

from pathlib import Path


def data_command(path: Path) -> None:
    """Describe a data folder: its contents, what is missing, and where to get it.

    It names the recipe that fits the folder, counts clips and images, and says where
    labels belong.

    Example: dmad data UCSDped2

    Args:
        path: Folder to describe.
    """
    from dmad.data.layouts.describe import describe
    from dmad.data.reading.image_files import allow_large_images

    allow_large_images()
    print(describe(path))
