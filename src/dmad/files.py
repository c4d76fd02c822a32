"""The run folder, and models on disk: safetensors and JSON, nothing that executes on loading."""

from __future__ import annotations

import csv
import io
import os
import tempfile
from collections.abc import Iterable, Sequence
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dmad.errors import require

if TYPE_CHECKING:
    from numpy.typing import DTypeLike


def make_folder(folder: Path) -> None:
    """Make a folder to write in; `DmadError` where that cannot be."""
    reason = "no permission"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        allowed = os.access(folder, os.W_OK)
    except OSError as error:
        allowed, reason = False, error.strerror or str(error)
    require(allowed, f"cannot write to {folder} ({reason}); choose another with --out DIR")


def write_whole(path: Path, content: str | bytes) -> None:
    """Write beside, then rename: the file is never half there. Makes the folder."""
    make_folder(path.parent)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    # names of files need not be UTF-8
    raw = content.encode(errors="surrogateescape") if isinstance(content, str) else content
    try:
        beside.write_bytes(raw)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)  # of a full disk


def no_two_alike(names: Iterable[str]) -> list[str]:
    """The same names, counted where one comes again: `gate`, `gate-2`."""
    found: list[str] = []
    for name in names:
        others = (f"{name}-{number}" for number in count(2))
        found.append(next(one for one in chain((name,), others) if one not in found))
    return found


def room(shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
    """Room for an array in a temporary file, gone when nothing refers to it."""
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, dtype, "w+", shape=shape)


def csv_text(names: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table as the text of a CSV file."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(names)
    writer.writerows(rows)
    return text.getvalue()
