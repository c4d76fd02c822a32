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
        include: Score only the inside of this polygon, such as "0,0.4 1,0.4 1,1 0,1". Each pair x,y
            is a corner: 0,0 is the upper left of the picture, and 1,1 is the lower right. Instead
            of a polygon, you can give an image file whose pixels above 0 are scored. You can also
            give a list, such as '["0,0 1,0 1,1", "gate.png"]': a pixel is scored if it is inside
            any of its polygons and images.
        exclude: Do not score the inside of this polygon. You can also give an image file, or a
            list, as for include.
    """

    include: str | list[str] = ""
    exclude: str | list[str] = ""

    def zone(self) -> Zone:
        """Return the zone of these polygons.

        Raises:
            DmadError: A polygon or an image cannot be read.
        """
        return Zone.parse(self.include or [], self.exclude or [])
