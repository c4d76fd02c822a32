"""Settings of the whole process. Only the command line makes them, never the library."""

from __future__ import annotations

import logging
import signal
import sys
from io import TextIOWrapper

from dmad.console import set_up_logging

# Loggers of Lightning whose messages do not help a user. Lightning sets the levels of
# `lightning.pytorch` and `lightning.fabric` when it is imported, so their children are named here.
NOISY = (
    "lightning.pytorch.utilities.rank_zero",
    "lightning.fabric.utilities.rank_zero",
)


def set_up_streams() -> None:
    """Show log messages on standard error, and allow to print file names that are not UTF-8."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")
    set_up_logging()


def prepare_to_compute() -> None:
    """Prepare this process for a verb that uses a model.

    Large images can be read, settings make the computation fast, SIGTERM works as Ctrl-C does, and
    Lightning logs only errors.
    """
    from dmad.data.reading.image_files import allow_large_images
    from dmad.hardware import set_process_defaults

    allow_large_images()
    set_process_defaults()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C, so that files are closed
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.ERROR)
