"""`dmad data`."""

from __future__ import annotations

from pathlib import Path

from dmad.cli.process import show


def data_command(path: Path) -> None:
    """Describe a data folder: its contents, and what is missing.

    The command prints the recipe that fits the folder, the number of clips and images,
    where labels must be stored, and where a published data set can be downloaded.

    Example: dmad data UCSDped2

    Args:
        path: Folder to describe.
    """
    from dmad.data.layouts.describe import describe
    from dmad.data.reading.image_files import allow_large_images

    allow_large_images()
    show(describe(path))
