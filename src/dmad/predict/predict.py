"""Scores videos with a video model, or images with an image model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from dmad.errors import require
from dmad.files import make_folder
from dmad.inference.detector import Detector
from dmad.predict.clips import predict_clips
from dmad.predict.images import predict_images
from dmad.predict.settings import PredictSettings

DEFAULT_SETTINGS = PredictSettings()


def predict(
    detector: Detector,
    sources: Sequence[str | Path],
    out: Path = Path("predictions"),
    settings: PredictSettings = DEFAULT_SETTINGS,
) -> Iterator[Path]:
    """Score each source, and write tables, pictures and videos.

    Args:
        detector: The model, as `dmad.load` returns it.
        sources: For a video model: videos, folders of frames, and folders that contain videos or
            folders of frames. For an image model: images, and folders of images.
        out: Folder to write to; see `ClipPrediction` and `predict_images`.
        settings: How videos are read, and what is written. For an image model, give no settings.

    Yields:
        The folder of each clip when the clip is done, or `out` when all images are done.

    Raises:
        DmadError: No source could be scored, or a setting was changed for an image model.
    """
    paths = [Path(source) for source in sources]
    is_for_images = detector.form.judges == "images"
    changed = [
        name for name, value in vars(settings).items() if value != vars(DEFAULT_SETTINGS)[name]
    ]
    require(not (is_for_images and changed), f"{', '.join(changed)}: only for models of video")
    make_folder(out)
    if is_for_images:
        yield predict_images(detector, paths, out)
    else:
        yield from predict_clips(detector, paths, out, settings)
