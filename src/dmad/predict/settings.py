"""The settings of a prediction."""

from __future__ import annotations

from dataclasses import dataclass

from dmad.errors import check_settings


@dataclass(frozen=True)
class PredictSettings:
    """How videos are read, and what is written in addition to their scores.

    Args:
        panels: Number of panel pictures. Each explains the score of one of the frames with the
            highest scores. Video only.
        video: Write the annotated video. Video only.
        scene: Name of the camera view that the footage shows. For a view that the model was not
            trained on, the background template comes from the past frames of the footage. Video
            only.
        fps: Frame rate of sources that do not state it, such as folders of frames (default: the
            frame rate that was used for the threshold). Video only.
    """

    panels: int = 4
    video: bool = True
    scene: str = ""
    fps: float = 0.0

    def __post_init__(self) -> None:
        check_settings(self, "predict", panels=0, fps=0)
