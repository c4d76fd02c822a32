"""Groups of options that several verbs share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dmad.data.zones import Zone


@dataclass(frozen=True)
class DataFolders:
    """Where the data set is.

    Args:
        root: Folder of the data set (default: the folder that was used in training).
        cache: Folder for decoded frames (default: the folder that was used in training).
    """

    root: Path | None = None
    cache: Path | None = None


AS_IN_TRAINING = DataFolders()


@dataclass(frozen=True)
class ZoneOptions:
    """Part of the view that is scored.

    Args:
        include: Polygon, such as "0,0.4 1,0.4 1,1 0,1". Only its inside is scored. A corner is x,y:
            0,0 is the upper left, 1,1 the lower right corner of the picture. Several polygons are
            written as a list. An image file works too: its pixels above 0 are scored.
        exclude: Polygon or image file, as for include. This part is not scored.
    """

    include: str | list[str] = ""
    exclude: str | list[str] = ""

    def zone(self) -> Zone:
        """Return the zone of these polygons.

        Raises:
            DmadError: A polygon or an image cannot be read.
        """
        return Zone.parse(self.include or [], self.exclude or [])
