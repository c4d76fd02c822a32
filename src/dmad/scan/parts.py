"""A part is the Parquet file with the result of a task. Only finished tasks have a part."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from dmad.errors import DmadError
from dmad.files import unfinished_path
from dmad.scan.film import Stretch
from dmad.typed import dataclass_from

ROWS = 4096  # rows that are written at once
KEY = b"dmad"  # key of the metadata
COMPRESSION = "zstd"

SCHEMA = pa.schema(
    [
        ("source", pa.int32()),  # index in the list of sources of the metadata
        ("frame", pa.int32()),  # number in the task; of an image, the page of its file
        ("time", pa.float64()),  # seconds
        ("gap", pa.bool_()),  # True if frames are missing before this frame
        ("raw", pa.float64()),
        ("reconstruction", pa.float64()),
        ("deformation", pa.float64()),
        ("score", pa.float64()),  # calibrated score; without a threshold: raw score
    ]
)
COLUMNS = tuple(SCHEMA.names)


@dataclass(frozen=True)
class SourceOutcome:
    """The result of one source of a task: it was judged, or left out."""

    path: str
    size: int
    stamp: str
    reason: str = ""  # why it is left out; empty if it was judged
    passing: bool = False  # True if the next scan may succeed, such as after an error of a server
    notes: tuple[str, ...] = ()  # such as damaged frames
    fps: float = 0.0  # frames per second of a film
    rows: int = 0  # frames or images
    recorded: str = ""  # start of the recording, as text of ISO 8601; empty if unknown
    clock: str = ""  # where `recorded` comes from


@dataclass(frozen=True)
class PartInfo:
    """The metadata of a part, which is the file with the result of a task."""

    view: str
    sources: tuple[SourceOutcome, ...] = ()
    stretches: tuple[Stretch, ...] = ()  # of a film that was only cut, and not judged
    stretch: int | None = None  # the number of the stretch that was judged

    @property
    def rows(self) -> int:
        """Number of frames or images."""
        return sum(source.rows for source in self.sources)


def part_path(folder: Path, name: str) -> Path:
    """Return the path of the file with the result of a task."""
    return folder / f"{name}.parquet"


class PartWriter:
    """Writes the file with the result of a task, row by row. Use it in a `with` statement.

    The file appears at the end of the statement, if there was no exception and `finish` was called.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = 0  # so far
        self._columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
        self._info: PartInfo | None = None

    def __enter__(self) -> Self:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._part = unfinished_path(self.path.parent)
        self._open()
        return self

    def add(self, *values: object) -> None:
        """Add a row, with a value for each of the `COLUMNS`."""
        for column, value in zip(self._columns.values(), values, strict=True):
            column.append(value)
        self.rows += 1
        if len(self._columns["frame"]) >= ROWS:
            self._flush()

    def discard(self) -> None:
        """Remove all rows so far."""
        self.rows = 0
        self._clear()
        self._file.close()
        self._open()

    def finish(self, info: PartInfo) -> None:
        """Set the metadata, and mark the file as complete."""
        self._info = info

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None and self._info is not None:
                self._flush()
                entry = json.dumps(asdict(self._info))
                self._file.add_key_value_metadata({KEY.decode(): entry})
            self._file.close()
            if kind is None and self._info is not None:
                self._part.replace(self.path)
        finally:
            self._part.unlink(missing_ok=True)

    def _flush(self) -> None:
        if self._columns["frame"]:
            self._file.write_batch(pa.record_batch(self._columns, schema=SCHEMA))
        self._clear()

    def _open(self) -> None:
        self._file = pq.ParquetWriter(self._part, SCHEMA, compression=COMPRESSION)

    def _clear(self) -> None:
        for column in self._columns.values():
            column.clear()


def read_info(path: Path) -> PartInfo:
    """Read the metadata of a part (the file with the result of a task).

    Raises:
        DmadError: The file is damaged.
    """
    try:
        metadata = pq.read_metadata(path).metadata or {}
        tree = json.loads(metadata[KEY])
        return dataclass_from(PartInfo, tree, path.name)
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise DmadError(f"{path} is damaged; remove it, and resume the scan") from error


def rows_of(path: Path, columns: Sequence[str] = COLUMNS) -> Iterator[dict[str, Any]]:
    """Yield the rows of a part (the result of a task), without keeping them in memory."""
    for batch in batches_of(path, columns):
        yield from batch.to_pylist()


def batches_of(path: Path, columns: Sequence[str] = COLUMNS) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a part (the result of a task) in batches."""
    with pq.ParquetFile(path) as file:
        yield from file.iter_batches(ROWS, columns=list(columns))
