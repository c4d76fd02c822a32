"""Settings of the whole process, which only a program may make and not a library."""

from __future__ import annotations

import logging
import signal
import sys
from io import TextIOWrapper

from dmad.console import set_up_logging

# Loggers of other packages that report on themselves. Lightning sets the levels of its upper
# loggers when it is imported, so the ones below them are named.
NOISY = (
    "lightning.pytorch.utilities.rank_zero",
    "lightning.fabric.utilities.rank_zero",
)


def set_up_streams() -> None:
    """Show messages on standard error. Names of files that are not UTF-8 can be printed."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")
    set_up_logging()


def prepare_to_compute() -> None:
    """Make this process fast, quiet and easy to stop, before a verb computes something."""
    from dmad.data.reading.image_files import allow_large_images
    from dmad.hardware import set_process_defaults

    allow_large_images()
    set_process_defaults()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C, so that files are closed
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.ERROR)
