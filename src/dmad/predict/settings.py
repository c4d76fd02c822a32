"""The settings of a prediction."""

from __future__ import annotations

from dataclasses import dataclass

from dmad.errors import check_settings


@dataclass(frozen=True)
class PredictSettings:
    """How clips are read and what is written beside their scores. Images have no such settings.

    Args:
        panels: Number of the strongest frames that are explained in a picture each.
        video: Write the annotated video.
        scene: Name of the view that the footage shows. A view that the model was not trained on
            gets its background template from its own past frames.
        fps: Frames a second of sources that do not say it (default: the rate of the threshold).
    """

    panels: int = 4
    video: bool = True
    scene: str = ""
    fps: float = 0.0

    def __post_init__(self) -> None:
        check_settings(self, "predict", panels=0, fps=0)
