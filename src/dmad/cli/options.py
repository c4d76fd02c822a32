"""Groups of options that several verbs share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dmad.data.zones import Zone


@dataclass(frozen=True)
class DataFolders:
    """Where the data set is.

    Args:
        root: Folder of the data set, if it is not where it was in training.
        cache: Folder for decoded frames.
    """

    root: Path | None = None
    cache: Path | None = None


AS_IN_TRAINING = DataFolders()


@dataclass(frozen=True)
class ZoneOptions:
    """Which part of the view counts.

    Args:
        include: Polygon that counts, as corners x,y from 0,0 (upper left) to 1,1 (lower right), for
            example "0,0.4 1,0.4 1,1 0,1". Several polygons are written as a list.
        exclude: Polygon that does not count, written in the same way.
    """

    include: str | list[str] = ""
    exclude: str | list[str] = ""

    def zone(self) -> Zone:
        """The zone of these polygons.

        Raises:
            DmadError: A polygon cannot be read.
        """
        return Zone.parse(self.include or [], self.exclude or [])
