"""The settings of a prediction."""

from __future__ import annotations

from dataclasses import dataclass

from dmad.errors import check_settings


@dataclass(frozen=True)
class PredictSettings:
    """How videos are read, and what is written in addition to their scores.

    Args:
        panels: Number of pictures that explain a score. They show the frames with the highest
            scores. Video only.
        video: Write the annotated video. Video only.
        scene: Name of the camera view that the footage shows. If the model was trained on this view
            only, leave the name out. For a view that it was not trained on, give any new name.
            Video only.
        fps: Frames per second of footage that does not state its frame rate, such as folders of
            frames (default: the frame rate that was used for the threshold). Video only.
    """

    panels: int = 4
    video: bool = True
    scene: str = ""
    fps: float = 0.0

    def __post_init__(self) -> None:
        check_settings(self, "predict", panels=0, fps=0)
