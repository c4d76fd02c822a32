"""Settings of the whole process, such as logging and signals.

Only the command line changes these settings. The library never changes them.
"""

from __future__ import annotations

import atexit
import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper

from dmad.console import printable, set_up_logging

# Loggers of Lightning whose messages do not help a user. Lightning sets the levels of
# `lightning.pytorch` and `lightning.fabric` when it is imported, so their children are named here.
NOISY = (
    "lightning.pytorch.utilities.rank_zero",
    "lightning.fabric.utilities.rank_zero",
)


def set_up_streams() -> None:
    """Show log messages on standard error, and allow printing file names that are not UTF-8."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")
    set_up_logging()


def show(text: object) -> None:
    """Print a text. In a terminal, control characters in file names are shown as codes."""
    print(printable(str(text)) if sys.stdout.isatty() else text)


def prepare_to_compute(uses_torch: bool = True) -> None:
    """Prepare this process for a verb that uses a model.

    Large images can then be read, torch is fast, SIGTERM works as Ctrl-C does, and Lightning logs
    only errors.

    Args:
        uses_torch: False: no settings are made for torch, so it is not imported.
    """
    from dmad.data.reading.image_files import allow_large_images
    from dmad.hardware import set_process_defaults

    allow_large_images()
    if uses_torch:
        set_process_defaults()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C, so that files are closed
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.ERROR)


@contextmanager
def quick_exit() -> Iterator[None]:
    """Return a context manager. After its block, the process ends faster than usual.

    Functions that were registered with `atexit` are still called. The exit functions of torch's
    libraries for GPUs do not run. They would read much of the libraries from disk, which
    takes time and more than 100 MB of memory. If torch was not imported, the process ends as usual.
    """
    code = 0

    def end() -> None:
        if "torch" not in sys.modules:
            return
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except OSError:
            os._exit(code or 1)
        os._exit(code)

    atexit.register(end)  # the first one that is registered is called last
    try:
        yield
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        raise
    except BaseException:
        code = 1
        raise
