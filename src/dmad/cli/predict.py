"""`dmad predict`."""

from __future__ import annotations

from pathlib import Path

from dmad.cli.process import show
from dmad.errors import require
from dmad.predict.settings import PredictSettings

OUT = Path("predictions")


def predict_command(
    run: str,
    sources: list[str],
    settings: PredictSettings,
    calibration: Path | None = None,
    out: Path = OUT,
) -> None:
    """Score videos and images, and draw what is anomalous in them.

    For a video, the command writes CSV files of scores and events, a chart of the scores,
    pictures of the frames with the highest scores, and an annotated video. An event is an
    alarm with a start and an end. For images, the command writes a CSV file of verdicts,
    and a heat map of each image. The page index.html in the output folder shows the
    results, with the highest scores first. The command prints the paths of the folders
    with the results.

    Example: dmad predict ped2 VIDEO.mp4 --out found

    Args:
        run: Run folder of `dmad train`, folder of an export, .safetensors file, or name of a model
            that comes with dmad, such as ped2.
        sources: Videos, images, or folders of them.
        settings: Options for video.
        calibration: Threshold file that `dmad calibrate --out` wrote (default: the threshold that
            is stored with the model). Video only.
        out: Folder to write to.
    """
    from dmad import api
    from dmad.predict.predict import predict

    detector = api.load(run, scene=settings.scene, calibration=calibration)
    is_video = detector.form.judges == "frames"
    require(is_video or calibration is None, "--calibration is for video, not for images")
    for folder in predict(detector, sources, out, settings):
        show(folder)
