"""Scores videos or images, whichever the model was trained on."""

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
        sources: For a model of video: videos, folders of frames, or folders of these. For a model
            of images: images, or folders of them.
        out: Folder to write to; see `ClipPrediction` and `predict_images`.
        settings: What to write of clips. A model of images takes no settings.

    Yields:
        The folder of each clip when it is done, or `out` when all images are done.

    Raises:
        DmadError: No source could be scored, or settings are given to a model of images.
    """
    paths = [Path(source) for source in sources]
    judges_images = detector.form.judges == "images"
    changed = [
        name for name, value in vars(settings).items() if value != vars(DEFAULT_SETTINGS)[name]
    ]
    require(not (judges_images and changed), f"{', '.join(changed)}: for video, not for images")
    make_folder(out)
    if judges_images:
        yield predict_images(detector, paths, out)
    else:
        yield from predict_clips(detector, paths, out, settings)
