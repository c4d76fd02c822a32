"""`dmad predict`."""

from __future__ import annotations

from pathlib import Path

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

    A video gets its scores and events as CSV, a timeline, panels of its strongest frames
    and an annotated video. Images get their verdicts as CSV and a heatmap each. The
    folder of each source is printed.

    Example: dmad predict ped2 VIDEO.mp4 --out found

    Args:
        run: Run folder, export, .safetensors file or shipped model.
        sources: Videos, images, or folders of them.
        settings: What to write.
        calibration: File that `dmad calibrate --out` wrote (default: the model's own threshold).
            Video only.
        out: Folder to write to.
    """
    from dmad import api
    from dmad.predict.predict import predict

    detector = api.load(run, scene=settings.scene, calibration=calibration)
    is_video = detector.form.judges == "frames"
    require(is_video or calibration is None, "--calibration is for video, not for images")
    for folder in predict(detector, sources, out, settings):
        print(folder)
