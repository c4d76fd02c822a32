"""Helpers for files: writing without incomplete files, unique names, and large arrays."""

from __future__ import annotations

import csv
import io
import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dmad.errors import require

if TYPE_CHECKING:
    from numpy.typing import DTypeLike


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


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file under a temporary name, then rename it, so that no incomplete file is left.

    Folders that do not exist are made.
    """
    make_folder(path.parent)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    if isinstance(content, str):
        content = content.encode(errors="surrogateescape")  # names of files need not be UTF-8
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)  # the temporary file exists only after an error


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


def temporary_array(shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
    """Return an array of zeros in a temporary file, which is deleted with the array."""
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, dtype, "w+", shape=shape)


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table as the text of a CSV file."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()
