"""The JSON bodies of the REST interface, with examples for its documentation."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Annotated, Literal

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field

from dmad.data.reading.sources import SCHEMES
from dmad.errors import require
from dmad.watch.cameras import HIGHEST_RATE, Camera

DEVICE = re.compile(r"(/dev/video)?\d{1,2}")
Number = Annotated[int, Path(ge=1, le=2**53, description="Number of the item.", examples=[1])]
Share = Annotated[float, Field(strict=True)]
Polygon = Annotated[list[tuple[Share, Share]], Field(max_length=100)]
Polygons = Annotated[list[Polygon], Field(max_length=20)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class MarkBody(_Body):
    """The mark that a person gives an event: seen, real, normal, or no mark."""

    mark: Literal["", "seen", "real", "normal"] = Field(
        description="What a person says about the event. `normal` also raises the threshold of "
        "its camera just enough that this event would not be raised again.",
        examples=["normal"],
    )
    force: bool = Field(
        False,
        description="The threshold may become more than twice as high. With `only_here`: more "
        "than half of the view may become less sensitive, and an anomaly may have to be more "
        "than twice as strong there.",
        examples=[False],
    )
    only_here: bool = Field(
        False,
        description="With `normal`: the threshold stays. Instead, the camera becomes less "
        "sensitive at the places where the film of the event is unusual. The film is scored "
        "again, and the answer comes when this is done.",
        examples=[True],
    )


class ThresholdBody(_Body):
    """A threshold that a person has chosen."""

    threshold: float = Field(
        allow_inf_nan=False, description="The new threshold of the score.", examples=[5.5]
    )


class CameraThresholdBody(_Body):
    """A threshold of a camera, above 0. At 0 or less, an event would never end."""

    threshold: float = Field(
        gt=0, allow_inf_nan=False, description="The new threshold of the score.", examples=[5.5]
    )


class CameraBody(_Body):
    """A camera. When a camera is changed, entries that are left out stay as they are."""

    name: str | None = Field(None, max_length=60, examples=["gate"])
    source: str | None = Field(
        None,
        max_length=2000,
        description="Address of the camera. It is never shown again, because it may hold a "
        "password.",
        examples=["rtsp://user:password@192.0.2.10/stream"],
    )
    scene: str | None = Field(None, max_length=60, examples=["gate"])
    fps: float | None = Field(
        None, ge=0, le=HIGHEST_RATE, allow_inf_nan=False, strict=True, examples=[10]
    )
    include: Polygons | None = Field(None, examples=[[[[0, 0.4], [1, 0.4], [1, 1], [0, 1]]]])
    exclude: Polygons | None = Field(None, examples=[[]])
    model: str | None = Field(None, max_length=120, examples=[""])

    def camera(self, present: Camera | None = None) -> Camera:
        """Return the camera that the entries describe.

        Args:
            present: The camera that is changed. None: a new camera.

        Raises:
            DmadError: The name or the address is missing or wrong.
        """
        camera = present or Camera("0", "new")
        name = camera.name if present and self.name is None else (self.name or "").strip()
        require(
            bool(name) and name.isprintable() and not name.startswith("."),
            "a camera needs a name of printable characters that does not begin with a dot",
        )
        source = (self.source or "").strip()
        if source:
            require_address(source)
        require(
            bool(source) or present is not None,
            "give the address of the camera, such as rtsp://host/stream",
        )
        zone = camera.zone
        if self.include is not None:
            zone = replace(zone, include=tuple(map(tuple, self.include)))
        if self.exclude is not None:
            zone = replace(zone, exclude=tuple(map(tuple, self.exclude)))
        return replace(
            camera,
            name=name,
            source=source or camera.source,
            scene=camera.scene if self.scene is None else self.scene,
            fps=camera.fps if self.fps is None else self.fps,
            zone=zone,
        )


def require_address(source: str) -> None:
    """Check that the source of a camera is a network address or a webcam.

    Files of this machine are refused. Otherwise, everybody who can open the page could read them.
    To watch a file, name it in the file that is given with `--cameras`.

    Raises:
        DmadError: The source is neither a network address nor a webcam.
    """
    scheme, divider, rest = source.partition("://")
    is_url = bool(divider and rest) and scheme.lower() in SCHEMES and source.isprintable()
    require(
        is_url or DEVICE.fullmatch(source) is not None,
        f"the address must begin with {', '.join(f'{name}://' for name in SCHEMES)}, or be a "
        "webcam such as /dev/video0; name files in the YAML file of --cameras",
    )
