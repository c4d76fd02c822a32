"""The JSON bodies of the REST interface, with examples for its documentation."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field

Number = Annotated[int, Path(ge=1, le=2**53, description="Number of the item.", examples=[1])]
Polygons = list[list[list[float]]]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class MarkBody(_Body):
    """The mark of an event."""

    mark: Literal["", "seen", "real", "normal"] = Field(
        description="What a person says about the event. `normal` also raises the threshold of "
        "its camera just enough that this event would not be raised again.",
        examples=["normal"],
    )
    force: bool = Field(
        False, description="The threshold may become more than twice as high.", examples=[False]
    )


class ThresholdBody(_Body):
    """A threshold that a person has chosen."""

    threshold: float = Field(
        allow_inf_nan=False, description="The new threshold of the score.", examples=[5.5]
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
    fps: float | None = Field(None, ge=0, le=1000, examples=[10])
    include: Polygons | None = Field(None, examples=[[[[0, 0.4], [1, 0.4], [1, 1], [0, 1]]]])
    exclude: Polygons | None = Field(None, examples=[[]])
    model: str | None = Field(None, max_length=120, examples=[""])

    def given(self) -> dict[str, Any]:
        """Return the entries that were given."""
        return self.model_dump(exclude_none=True, exclude={"model"})
