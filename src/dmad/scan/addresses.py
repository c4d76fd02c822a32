"""Lists and opens the files of an archive: on this machine, or at an address such as s3://."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

from dmad.data.reading.paths import natural_key
from dmad.errors import DmadError, one_line, require

ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
PASSWORD = re.compile(r"[a-z][a-z0-9+.-]*://[^/@]*:[^/]*@", re.IGNORECASE)
TIMES = ("mtime", "LastModified", "last_modified", "updated", "modified", "created", "ETag", "etag")
BLOCK = 1 << 22  # bytes that are read from a server at once
PATTERN = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Entry:
    """A file or a folder of an archive."""

    path: str  # absolute, or an address
    is_folder: bool
    size: int = 0  # bytes
    stamp: str = ""  # changes with the content: time of the last change, or tag of a server

    @property
    def name(self) -> str:
        """The name without folders."""
        return inner_part(self.path).rstrip("/").rpartition("/")[2]


def is_address(name: str) -> bool:
    """True for an address of fsspec, such as s3://bucket/folder."""
    return ADDRESS.match(name) is not None


def inner_part(path: str) -> str:
    """Return the part of a chained address before "::". Other paths are returned unchanged.

    For zip://image.png::s3://bucket/a.zip, this is zip://image.png.
    """
    return path.partition("::")[0] if is_address(path) else path


def absolute(name: str) -> str:
    """Return the absolute path. For an address: the address without a slash at the end.

    A chained address can end with a path, as zip://image.png::images.zip does. This path becomes
    absolute.

    Raises:
        DmadError: The address contains a password, which would be written into the results.
    """
    if not is_address(name):
        return os.path.abspath(name)
    require(
        PASSWORD.search(name) is None,
        "an address contains a password; remove it, and write it into the configuration of fsspec",
    )
    chain, separator, last = name.rpartition("::")
    if separator and not is_address(last):
        return f"{chain}::{os.path.abspath(last)}"
    return name.rstrip("/")


def printable_path(path: str) -> str:
    """Return a path as text in UTF-8. Bytes of a name that are not UTF-8 are replaced."""
    return path.encode(errors="surrogateescape").decode(errors="replace")


def readable_path(name: str) -> Path:
    """Return a path that the readers of films and images can use.

    Raises:
        DmadError: The package for this kind of address is missing.
    """
    return cast(Path, RemotePath(name)) if is_address(name) else Path(name)


def describe(name: str) -> Entry | None:
    """Return size and last change of a file or folder as an `Entry`; None if it does not exist.

    Raises:
        DmadError: The package for this kind of address is missing, or the server cannot be reached.
    """
    if is_address(name):
        return RemotePath(name).entry()
    try:
        status = os.stat(name)
    except (OSError, ValueError):
        return None
    return Entry(name, os.path.isdir(name), status.st_size, str(status.st_mtime_ns))


def entries_of(folder: str) -> list[Entry]:
    """Return the visible entries of a folder, in natural order. Broken links are left out.

    Raises:
        OSError: The folder cannot be read.
    """
    if is_address(folder):
        found = list(RemotePath(folder).entries())
    else:
        described = (describe(entry.path) for entry in os.scandir(folder))
        found = [entry for entry in described if entry is not None]
    visible = [entry for entry in found if not entry.name.startswith(".")]
    return sorted(visible, key=lambda entry: natural_key(Path(entry.name)))


def expanded(name: str) -> list[str]:
    """Return the absolute paths that match a pattern with `*`, `?` or `[`.

    If a name is not a pattern, or if a file has exactly this name, only its path is returned.

    Raises:
        DmadError: No path matches the pattern.
    """
    if not PATTERN.search(name) or describe(name) is not None:
        return [absolute(name)]
    if is_address(name):
        remote = RemotePath(name)
        found = [remote.address_of(path) for path in remote.system.glob(remote.inner)]
    else:
        found = [os.path.abspath(path) for path in glob.glob(name, recursive=True)]
    require(bool(found), f"nothing matches the pattern {name}; give files, folders or a pattern")
    return sorted(found, key=lambda path: (os.path.dirname(path), natural_key(Path(path))))


class RemotePath:
    """An address, with the methods of `Path` that the readers of films and images use.

    Args:
        address: Such as s3://bucket/folder/film.mp4.

    Raises:
        DmadError: The package for this kind of address is missing, or the kind is unknown.
    """

    def __init__(self, address: str) -> None:
        from fsspec.core import url_to_fs

        self.address = address
        try:
            system, inner = url_to_fs(address)
        except (ImportError, ValueError) as error:
            raise DmadError(f"{address} cannot be read ({one_line(error)})") from error
        self.system: Any = system
        self.inner = str(inner)

    def __str__(self) -> str:
        return self.address

    @property
    def name(self) -> str:
        """The name without folders."""
        return PurePosixPath(self.inner).name

    @property
    def suffix(self) -> str:
        """The ending, such as .mp4."""
        return PurePosixPath(self.inner).suffix

    @property
    def stem(self) -> str:
        """The name without its ending."""
        return PurePosixPath(self.inner).stem

    @property
    def parent(self) -> RemotePath:
        """The folder that contains the file or folder."""
        return RemotePath(self.address_of(self.inner.rstrip("/").rpartition("/")[0]))

    def stat(self) -> os.stat_result:
        """Raise OSError. A server does not state all that `Path.stat` returns."""
        raise OSError(f"{self.address} is not on this machine")

    def exists(self) -> bool:
        """True if the file or folder exists."""
        return self.entry() is not None

    def is_file(self) -> bool:
        """True for a file."""
        entry = self.entry()
        return entry is not None and not entry.is_folder

    def is_dir(self) -> bool:
        """True for a folder."""
        entry = self.entry()
        return entry is not None and entry.is_folder

    def iterdir(self) -> Iterator[RemotePath]:
        """Yield the paths of the files and folders in the folder."""
        for entry in self.entries():
            yield RemotePath(entry.path)

    def open(self, mode: str = "rb") -> BinaryIO:
        """Open the file for reading. Its parts are read when they are needed."""
        return cast(BinaryIO, self.system.open(self.inner, mode, block_size=BLOCK))

    def entry(self) -> Entry | None:
        """Return size and last change as an `Entry`; None if the file or folder does not exist.

        Raises:
            DmadError: The server cannot be reached.
        """
        try:
            self.system.invalidate_cache()
            return self._entry(self.system.info(self.inner), self.address)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except Exception as error:  # each package of fsspec has its own errors
            raise DmadError(f"{self.address} cannot be reached ({one_line(error)})") from error

    def entries(self) -> Iterator[Entry]:
        """Yield the files and folders in the folder.

        Raises:
            OSError: The folder cannot be read.
        """
        try:
            found = self.system.ls(self.inner, detail=True)
        except OSError:
            raise
        except Exception as error:  # each package of fsspec has its own errors
            raise OSError(f"{self.address}: {one_line(error)}") from error
        for info in found:
            if str(info["name"]).rstrip("/") != self.inner.rstrip("/"):
                yield self._entry(info, self.address_of(str(info["name"])))

    def address_of(self, inner: str) -> str:
        """Return the address of another path on the same server or in the same ZIP file."""
        first, chain, rest = self.address.partition("::")
        if chain:
            return f"{first.partition('://')[0]}://{inner.strip('/')}::{rest}"
        inside, address = self.inner.strip("/"), self.address.rstrip("/")
        if not inside or not address.endswith(inside):
            return str(self.system.unstrip_protocol(inner))
        return f"{address.removesuffix(inside)}{inner.strip('/')}"

    @staticmethod
    def _entry(info: dict[str, Any], path: str) -> Entry:
        stamps = [_stamp(info[name]) for name in TIMES if info.get(name)]
        stamp = stamps[0] if stamps else ""
        return Entry(path, info["type"] == "directory", int(info.get("size") or 0), stamp)


def _stamp(value: object) -> str:
    """Return as text what a server states about a file: the time of the last change, or a tag.

    Some packages of fsspec state a time as a date, others as a number.
    """
    if isinstance(value, datetime):
        value = value.timestamp()
    return f"{value:.6f}" if isinstance(value, int | float) else str(value)
