"""`dmad data`."""

from __future__ import annotations

from pathlib import Path

from dmad.cli.process import show


def data_command(path: Path) -> None:
    """Describe a data folder: its contents, and what is missing.

    The command prints which recipe fits the folder, how many clips or images it contains,
    and where to store labels. For a published data set, it also prints where to download
    it.

    Example: dmad data UCSDped2

    Args:
        path: Folder to describe.
    """
    from dmad.data.layouts.describe import describe
    from dmad.data.reading.image_files import allow_large_images

    allow_large_images()
    show(describe(path))
