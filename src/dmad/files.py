"""Helpers for files: writing without incomplete files, unique names, and large arrays."""

from __future__ import annotations

import csv
import io
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import file_digest
from math import prod
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING

import numpy as np

from dmad.errors import DmadError, one_line, require

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

MACHINE = re.sub(r"[^A-Za-z0-9]", "_", socket.gethostname())[:40]
UNFINISHED = re.compile(r"\.dmad-(?P<machine>\w+)-(?P<process>\d{1,9})-[0-9a-f]{8}\.part(\.\w+)?")
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a cell that begins with one is a formula


def make_folder(folder: Path) -> None:
    """Make a folder if it does not exist, and check that it is writable.

    Raises:
        DmadError: The folder cannot be made, or writing to it is not allowed.
    """
    reason = "no permission"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK)
    except OSError as error:
        writable, reason = False, error.strerror or str(error)
    require(writable, f"cannot write to {folder} ({reason}); choose another with --out DIR")


def write_atomically(path: Path, content: str | bytes, *, private: bool = False) -> None:
    """Write a file under a temporary name, then rename it, so that no incomplete file is left.

    Folders that do not exist are made.

    Args:
        path: The file.
        content: Its content.
        private: True: only the user who runs this process may read the file.

    Raises:
        OSError: The file cannot be written. The error names the folder, also on a full disk.
    """
    make_folder(path.parent)
    temporary = unfinished_path(path.parent)
    if isinstance(content, str):
        content = content.encode(errors="surrogateescape")  # names of files need not be UTF-8
    try:
        with errors_that_name(path.parent):
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _mode(private))
            with open(descriptor, "wb") as file:
                file.write(content)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)  # the temporary file exists only after an error


def _mode(private: bool) -> int:
    return 0o600 if private else 0o666  # the umask of the process reduces it


@contextmanager
def errors_that_name(place: Path) -> Iterator[None]:
    """In a `with` block, add the path `place` to each `OSError` that names no file.

    An error such as "disk full" names no file.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, str(place)) from error


def unfinished_path(folder: Path, suffix: str = "") -> Path:
    """Return a new path in a folder for an unfinished file or folder.

    Its name states the machine and the process, so that `remove_unfinished` can remove what a
    killed process left.
    """
    return folder / f".dmad-{MACHINE}-{os.getpid()}-{token_hex(4)}.part{suffix}"


@contextmanager
def unfinished_folder(folder: Path) -> Iterator[Path]:
    """Make a new folder inside a folder, for a `with` block.

    At the end of the block, the new folder is removed if it was not renamed.
    """
    path = unfinished_path(folder)
    path.mkdir()
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def remove_unfinished(folder: Path) -> None:
    """Remove the unfinished files and folders that killed processes of this machine left."""
    for path in folder.glob(".dmad-*.part*"):
        name = UNFINISHED.fullmatch(path.name)
        if name is None or name["machine"] != MACHINE or _is_running(int(name["process"])):
            continue
        with suppress(OSError):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def _is_running(process: int) -> bool:
    if os.name != "posix":  # elsewhere, every signal would end the process
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def sha256_of(path: Path) -> str:
    """Return the SHA-256 hash of a file, in hexadecimal."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def unique_names(names: Iterable[str]) -> list[str]:
    """Return the names in their order, with a number after repeated ones: `gate`, `gate-2`."""
    unique: list[str] = []
    for name in names:
        candidate, number = name, 1
        while candidate in unique:
            number += 1
            candidate = f"{name}-{number}"
        unique.append(candidate)
    return unique


def first_names(names: Sequence[str], most: int = 3) -> str:
    """Return the first names in one line, with an ellipsis if there are more: `gate, yard, …`."""
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")


def size_text(count: float) -> str:
    """Return a number of bytes as text: `1.5 GB`, `20 MB` or `1.5 MB`."""
    if count >= 1e9:
        return f"{count / 1e9:.1f} GB"
    if count >= 1e7:
        return f"{count / 1e6:.0f} MB"
    return f"{count / 1e6:.1f} MB"


def temporary_array(shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
    """Return an array of zeros in a temporary file, which is deleted with the array.

    Raises:
        DmadError: The folder for temporary files has too little space.
    """
    size = max(1, prod(shape) * np.dtype(dtype).itemsize)
    with tempfile.TemporaryFile() as file:
        _reserve(file.fileno(), size)
        return np.memmap(file, dtype, "w+", shape=shape)


def _reserve(descriptor: int, size: int) -> None:
    """Reserve disk space for an array. Else a full disk would end the process with a bus error."""
    folder = tempfile.gettempdir()
    missing = size - shutil.disk_usage(folder).free
    advice = "free some space there, or set TMPDIR to another folder"
    require(
        missing <= 0,
        f"{folder} has too little space for an array of {size / 1e9:.2f} GB: "
        f"{missing / 1e9:.2f} GB are missing; {advice}",
    )
    if not hasattr(os, "posix_fallocate"):
        return
    try:
        os.posix_fallocate(descriptor, 0, size)
    except OSError as error:
        raise DmadError(
            f"{folder} cannot hold an array of {size / 1e9:.2f} GB ({one_line(error)}); {advice}"
        ) from error


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table as the text of a CSV file.

    A cell that a spreadsheet would take for a formula gets an apostrophe at its start.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows([_harmless(cell) for cell in row] for row in rows)
    return text.getvalue()


def _harmless(cell: object) -> object:
    """Return a cell of a table, with an apostrophe before a formula. Numbers stay as they are."""
    if not isinstance(cell, str) or not cell.startswith(FORMULA):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell
