"""Opens the SQLite database of the console: events, marks, parts, cameras and settings."""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from dmad.errors import DmadError, require
from dmad.files import make_folder, unfinished_path

NAME = "console.db"
VERSION = 1
WAIT = 10.0  # seconds that a statement may wait for another process
SCHEMA = """
CREATE TABLE cameras (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    source TEXT NOT NULL,
    scene TEXT NOT NULL DEFAULT '',
    fps REAL NOT NULL DEFAULT 0,
    include TEXT NOT NULL DEFAULT '[]',
    exclude TEXT NOT NULL DEFAULT '[]',
    model TEXT NOT NULL DEFAULT ''
);
CREATE TABLE events (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    camera TEXT NOT NULL,
    state TEXT NOT NULL,
    live INTEGER NOT NULL,
    raised REAL NOT NULL,
    day TEXT NOT NULL,
    start REAL NOT NULL,
    peak REAL NOT NULL,
    "end" REAL,
    score REAL NOT NULL,
    threshold REAL NOT NULL,
    term TEXT NOT NULL,
    box TEXT NOT NULL,
    film TEXT NOT NULL DEFAULT '',
    thumbnail TEXT NOT NULL DEFAULT '',
    scores TEXT NOT NULL DEFAULT '[]',
    mark TEXT NOT NULL DEFAULT ''
);
CREATE INDEX events_by_camera ON events (camera, number);
CREATE INDEX events_by_day ON events (day, number);
CREATE INDEX events_by_mark ON events (mark, number);
CREATE INDEX open_events ON events (state) WHERE state != 'end';
CREATE TABLE marks (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    event INTEGER NOT NULL REFERENCES events (number),
    mark TEXT NOT NULL,
    time REAL NOT NULL,
    old REAL,
    new REAL
);
CREATE TABLE parts (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    model TEXT NOT NULL,
    time REAL NOT NULL,
    day TEXT NOT NULL,
    score REAL NOT NULL,
    threshold REAL,
    verdict TEXT NOT NULL,
    raw REAL NOT NULL,
    reconstruction REAL NOT NULL,
    deformation REAL NOT NULL,
    box TEXT NOT NULL,
    picture TEXT NOT NULL DEFAULT '',
    heat TEXT NOT NULL DEFAULT ''
);
CREATE INDEX parts_by_day ON parts (model, day, number);
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


class Store:
    """The database. Several threads may use it. Each write is a transaction.

    Args:
        folder: The folder of the database. It is made if it does not exist.

    Raises:
        DmadError: The file is damaged, or a newer version of dmad wrote it.
    """

    def __init__(self, folder: Path) -> None:
        make_folder(folder)
        self.path = folder / NAME
        self._lock = threading.RLock()  # for `_writer`
        self._idle: deque[sqlite3.Connection] = deque()  # connections that are not in use now
        self._open: list[sqlite3.Connection] = []
        self.path.touch(0o600)
        for path in folder.glob(f"{NAME}*"):
            path.chmod(0o600)  # SQLite makes its other files with the mode of the database
        try:
            self._writer = self._connect()
            self._writer.execute("PRAGMA journal_mode = WAL")
            (state,) = self._writer.execute("PRAGMA integrity_check(1)").fetchone()
            require(state == "ok", str(state))
            self._make_tables()
        except (sqlite3.DatabaseError, UnicodeError, DmadError) as error:
            self.close()
            raise DmadError(
                f"{self.path} is damaged or no database of this version ({error}); put a backup "
                "in its place, or move the file away to start with an empty database"
            ) from error

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Give a connection for a `with` block.

        If the block raises an exception, the database stays unchanged.
        """
        with self._lock:
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
            except BaseException:
                self._writer.execute("ROLLBACK")
                raise
            self._writer.execute("COMMIT")

    def read(self, query: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """Return the rows of a query. Several threads may read at the same time."""
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._connect()
        try:
            return connection.execute(query, values).fetchall()
        finally:
            self._idle.append(connection)

    def setting(self, name: str, default: str = "") -> str:
        """Return a stored setting; `default` if there is none with this name."""
        rows = self.read("SELECT value FROM settings WHERE name = ?", [name])
        return str(rows[0]["value"]) if rows else default

    def set_setting(self, name: str, value: str) -> None:
        """Store a setting."""
        with self.writing() as connection:
            connection.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", [name, value])

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            for connection in self._open:
                with suppress(sqlite3.Error):
                    connection.close()
            self._open.clear()
            self._idle.clear()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=WAIT, isolation_level=None, check_same_thread=False
        )
        with self._lock:
            self._open.append(connection)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection

    def _make_tables(self) -> None:
        (version,) = self._writer.execute("PRAGMA user_version").fetchone()
        require(version <= VERSION, f"a newer version of dmad wrote it (format {version})")
        if version == 0:
            script = f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT"
            self._writer.executescript(script)


def back_up(folder: Path, target: Path) -> None:
    """Copy the database into a file, even while a console uses it.

    Raises:
        DmadError: There is no database, the file exists already, or the file cannot be written.
    """
    path = folder / NAME
    require(path.is_file(), f"{folder} holds no {NAME}; name the folder with --data DIR")
    require(not target.exists(), f"{target} exists; name a new file")
    make_folder(target.absolute().parent)
    part = unfinished_path(target.absolute().parent)
    try:
        source, copy = sqlite3.connect(path, timeout=WAIT), sqlite3.connect(part)
        try:
            source.backup(copy)
        finally:
            source.close()
            copy.close()
        part.chmod(0o600)
        part.rename(target)
    except sqlite3.Error as error:
        raise DmadError(f"{path} could not be copied to {target}: {error}") from error
    finally:
        part.unlink(missing_ok=True)
