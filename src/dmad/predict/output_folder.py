"""The folder that a prediction writes to, and the list of files that predictions wrote there."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path, PurePath
from types import TracebackType
from typing import Self

from dmad.errors import require
from dmad.files import remove_unfinished, sha256_of, write_atomically
from dmad.locks import LOCK, locked

MANIFEST = ".dmad-written.jsonl"


class OutputFolder:
    """A folder for results. In its `with` statement, no other prediction can write to the folder.

    A hidden file, the manifest, lists each result with its hash. The next prediction into this
    folder removes the results in the manifest that it has not written again. It never removes a
    file that was changed, that is outside the folder, or that is reached through a link.

    Args:
        folder: The folder. It is made if it does not exist.

    Raises:
        DmadError: The folder cannot be written, or another process has locked it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._new_folders = [path for path in (folder, *folder.parents) if not path.exists()]
        self._open = ExitStack()
        self._manifest = folder / MANIFEST
        self._written: dict[str, str] = {}  # hash by relative path

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            opening.enter_context(locked(self.folder))
            require(not self._manifest.is_symlink(), f"{self._manifest} is a link; remove it")
            self._earlier = dict(_entries(self._manifest))
            self._lines = opening.enter_context(self._manifest.open("a"))
            self._open = opening.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(OSError):
            self._open.close()
        if self._new_folders and not self._written:
            self._remove_new_folders()

    def path(self, name: str) -> Path:
        """Return the path of a result.

        Raises:
            DmadError: The path is outside the folder, or leads outside through a link.
        """
        path = self._inside(name)
        require(
            path is not None,
            f"{self.folder / name} is outside {self.folder}, or is reached through a link; nothing "
            "is written there",
        )
        assert path is not None
        return path

    def add(self, path: Path) -> None:
        """Add a written result to the manifest at once, because the process may be killed."""
        name = path.relative_to(self.folder).as_posix()
        self._written[name] = sha256_of(path)
        with suppress(OSError):  # on a full disk, the result is not listed
            self._lines.write(json.dumps([name, self._written[name]]) + "\n")
            self._lines.flush()

    def has(self, name: str) -> bool:
        """True if a result of this name was added since the `with` statement began."""
        return name in self._written

    def remove_earlier(self) -> None:
        """Remove the results of earlier predictions that were not written again."""
        for name, digest in self._earlier.items():
            path = self._inside(name)
            if name in self._written or path is None or path.is_symlink() or not path.is_file():
                continue
            with suppress(OSError):
                if sha256_of(path) == digest:
                    path.unlink()
        lines = [json.dumps(entry) for entry in self._written.items()]
        write_atomically(self._manifest, "\n".join([*lines, ""]))

    def remove_unfinished(self, name: str) -> None:
        """Remove the unfinished files of killed processes from an inner folder and below it."""
        if self._inside(f"{name}/file") is None:
            return
        for place, _, _ in os.walk(self.folder / name):
            remove_unfinished(Path(place))

    def _inside(self, name: str) -> Path | None:
        """The path of a result. None if it is outside the folder, or reached through a link."""
        parts = PurePath(name).parts
        if not parts or ".." in parts or PurePath(name).is_absolute() or "\0" in name:
            return None
        place = self.folder
        for part in parts[:-1]:
            place /= part
            if place.is_symlink():
                return None
        return place / parts[-1]

    def _remove_new_folders(self) -> None:
        """Remove the folders that were made for results, if there are no results."""
        with suppress(OSError):
            if {path.name for path in self.folder.iterdir()} <= {MANIFEST, LOCK}:
                for name in (MANIFEST, LOCK):
                    (self.folder / name).unlink(missing_ok=True)
                for folder in self._new_folders:
                    folder.rmdir()


def _entries(manifest: Path) -> Iterator[tuple[str, str]]:
    """Yield name and hash of each result in a manifest. Damaged lines are left out."""
    if not manifest.is_file():
        return
    with manifest.open(errors="replace") as file:
        for line in file:
            with suppress(ValueError, TypeError, RecursionError):
                name, digest = json.loads(line)
                if isinstance(name, str) and isinstance(digest, str):
                    yield name, digest
