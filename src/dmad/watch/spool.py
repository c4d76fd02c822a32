"""The spool: messages that are not sent yet, in an SQLite database."""

from __future__ import annotations

import logging
import os
import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from dmad.errors import one_line
from dmad.watch.open_events import OpenEvents

logger = logging.getLogger(__name__)

# The journal keeps its space on the disk, so a sent message can be removed if the disk is full.
# Writing does not wait for the disk, because this would delay the frames. The messages survive a
# kill of the process. A file that a power failure has damaged is read as far as possible.
SETTINGS = """
PRAGMA journal_mode = PERSIST;
PRAGMA synchronous = OFF;
PRAGMA secure_delete = ON;
PRAGMA trusted_schema = OFF;
PRAGMA cell_size_check = ON;
"""
TABLES = """
CREATE TABLE IF NOT EXISTS messages (number INTEGER PRIMARY KEY, content BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS open_events (number INTEGER PRIMARY KEY, content BLOB NOT NULL);
"""
WAIT = 0.2  # longest wait in seconds while another program uses the file

# A row of a table, as text. It can be found in a damaged file without SQLite.
CONTENT = re.compile(rb"(messages|open_events) (\d{1,19}) ([0-9a-f]{8}) ([^\n]*)\n")
LARGEST = 2**30  # bytes of a damaged file that are searched

# Errors of SQLite for a damaged file, or for a file that another program has made.
DAMAGE = (
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_MISMATCH,
    sqlite3.SQLITE_READONLY,  # the file says that a newer version of SQLite has written it
)


class DamageError(sqlite3.DatabaseError):
    """The file of the spool is damaged."""


class Spool:
    """Stores messages in a file, each with a number. Messages with lower numbers are sent first.

    A damaged file is renamed to `NAME.damaged`, with a warning. The messages that can still be read
    are kept.

    Args:
        path: The file. It is made if it does not exist. Only this user can read it.

    Raises:
        OSError, sqlite3.Error: The file cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.open_events = OpenEvents()
        try:
            self._open()
        except sqlite3.Error as error:
            if not is_damage(error):
                raise
            self.replace(error)

    @property
    def last(self) -> int:
        """The highest number; 0 if the spool is empty."""
        row = self._database.execute("SELECT max(number) FROM messages").fetchone()
        return int(row[0] or 0)

    def add(self, number: int, message: str) -> None:
        """Store a message.

        Raises:
            sqlite3.Error: The message cannot be stored, for example because the disk is full.
        """
        events = OpenEvents(self.open_events.messages.values())
        changed = events.add(message)
        with self._database:  # a transaction
            self._database.execute("BEGIN")
            self._insert("messages", number, message)
            if changed:
                self._database.execute("DELETE FROM open_events")
                for position, line in enumerate(events.messages.values()):
                    self._insert("open_events", position, line)
        self.open_events = events

    def read(self, after: int, limit: int) -> list[tuple[int, str]]:
        """Return the first messages with a number above `after`, at most `limit`.

        Raises:
            sqlite3.Error: The file is damaged.
        """
        query = "SELECT content FROM messages WHERE number > ? ORDER BY number LIMIT ?"
        rows = self._database.execute(query, (after, limit)).fetchall()
        return [(row.number, row.line) for (content,) in rows if (row := _checked(content))]

    def remove(self, numbers: Iterable[int]) -> None:
        """Remove messages.

        Raises:
            sqlite3.Error: The messages cannot be removed.
        """
        rows = [(number,) for number in numbers]
        self._database.executemany("DELETE FROM messages WHERE number = ?", rows)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def replace(self, error: Exception) -> None:
        """Replace a damaged file by a new one with the messages that can still be read.

        Raises:
            OSError, sqlite3.Error: The new file cannot be made.
        """
        aside = self.path.with_name(f"{self.path.name}.damaged")
        with suppress(sqlite3.Error, AttributeError):
            self._database.close()
        os.replace(self.path, aside)
        for journal in (f"{self.path.name}-journal", f"{self.path.name}-wal"):
            self.path.with_name(journal).unlink(missing_ok=True)
        rows = list(_search(aside))
        saved = {row.number: row.line for row in rows if row.table == "messages"}
        lines = [row.line for row in rows if row.table == "open_events"]
        logger.warning(
            f"{self.path} is damaged ({one_line(error)}) and was renamed to {aside.name}; "
            f"{len(saved)} unsent messages could still be read"
        )
        self._open()
        self.open_events = OpenEvents(lines)
        with self._database:
            self._database.execute("BEGIN")
            for number, message in sorted(saved.items()):
                self._insert("messages", number, message)

    def _open(self) -> None:
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        self._database = sqlite3.connect(
            self.path, timeout=WAIT, isolation_level=None, check_same_thread=False
        )
        try:
            self._database.executescript(SETTINGS + TABLES)
            (state,) = self._database.execute("PRAGMA quick_check(1)").fetchone()
            if state != "ok":
                raise DamageError(one_line(ValueError(state)))
            self._database.executescript("BEGIN IMMEDIATE; ROLLBACK;")  # it can be written
            self._remove_damaged_rows("messages")
            self._remove_damaged_rows("open_events")
            rows = self._database.execute("SELECT content FROM open_events ORDER BY number")
            found = [_checked(content) for (content,) in rows]
            self.open_events = OpenEvents(row.line for row in found if row)
        except sqlite3.Error:
            self._database.close()
            raise
        except UnicodeError as error:  # SQLite quotes damaged bytes in a message
            self._database.close()
            raise DamageError(one_line(error)) from error

    def _remove_damaged_rows(self, table: str) -> None:
        rows = self._database.execute(f"SELECT number, content FROM {table}").fetchall()
        damaged = [
            (number,)
            for number, content in rows
            if (row := _checked(content)) is None or (row.table, row.number) != (table, number)
        ]
        if damaged:
            logger.warning(f"{self.path}: {len(damaged)} damaged rows of {table} are left out")
            self._database.executemany(f"DELETE FROM {table} WHERE number = ?", damaged)

    def _insert(self, table: str, number: int, line: str) -> None:
        content = line.encode(errors="surrogateescape")
        row = b"%b %d %08x %b\n" % (
            table.encode(),
            number,
            _checksum(table, number, content),
            content,
        )
        self._database.execute(f"INSERT OR REPLACE INTO {table} VALUES (?, ?)", (number, row))


def is_damage(error: Exception) -> bool:
    """True if an error says that the file is damaged; False if, for example, the disk is full."""
    if isinstance(error, DamageError):
        return True
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in DAMAGE


@dataclass(frozen=True)
class _Row:
    """One row of a table of the spool: a message to send, or a message about an open event."""

    table: str
    number: int
    line: str


def _checksum(table: str, number: int, content: bytes) -> int:
    return crc32(b"%b %d %b" % (table.encode(), number, content))


def _checked(content: object) -> _Row | None:
    """Return the row that a text describes; None if the text is damaged."""
    found = CONTENT.fullmatch(content) if isinstance(content, bytes) else None
    return _row(found) if found else None


def _row(found: re.Match[bytes]) -> _Row | None:
    table, number, checksum, line = found.groups()
    if int(checksum, 16) != _checksum(table.decode(), int(number), line):
        return None
    return _Row(table.decode(), int(number), line.decode(errors="surrogateescape"))


def _search(path: Path) -> Iterator[_Row]:
    """The undamaged rows that a damaged file still contains."""
    with path.open("rb") as file:
        for found in CONTENT.finditer(file.read(LARGEST)):
            row = _row(found)
            if row and row.number < 2**62:
                yield row
