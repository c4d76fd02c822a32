"""Locks: two processes never write into one folder at the same time."""

from __future__ import annotations

import json
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from dmad.errors import DmadError, one_line, require
from dmad.files import make_folder, remove_unfinished

logger = logging.getLogger(__name__)

LOCK = ".dmad.lock"


@contextmanager
def locked(folder: Path, name: str = LOCK) -> Iterator[None]:
    """Make a folder. In a `with` block, keep other processes of dmad from writing into it.

    Unfinished files that killed processes left in the folder are removed. The lock ends with the
    process, even if it is killed. If the file system has no locks, a warning is logged.

    Args:
        folder: The folder.
        name: Name of the lock file. Different names are different locks.

    Raises:
        DmadError: Writing into the folder is not possible, or another process has locked it. The
            message names this process.
    """
    from filelock import FileLock, Timeout

    make_folder(folder)
    path = folder / name
    require(not path.is_symlink(), f"{path} is a link; remove it")
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
        path.write_text(json.dumps(_this_process()))
    except Timeout as error:
        raise DmadError(
            f"{folder} is in use by {holder(path)}; wait for it, or give another folder"
        ) from error
    except (OSError, NotImplementedError) as error:
        logger.warning(
            f"{folder} cannot be locked ({one_line(error)}): do not start a second "
            "dmad that writes into it"
        )
    try:
        remove_unfinished(folder)
        yield
    finally:
        with suppress(OSError):
            lock.release()


def holder(lock: Path) -> str:
    """Return a text about the process that holds a lock file."""
    try:
        entries = json.loads(lock.read_text())
        return f"process {entries['process']} on {entries['machine']} since {entries['since']}"
    except (OSError, ValueError, TypeError, KeyError):
        return "another process"


def _this_process() -> dict[str, object]:
    since = datetime.now().isoformat(" ", "seconds")
    return {"process": os.getpid(), "machine": socket.gethostname(), "since": since}
