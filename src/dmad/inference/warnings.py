"""Warnings if footage is different from the footage that the threshold was set on."""

from __future__ import annotations

from dmad.calibration.calibration import Calibration
from dmad.data.footage import same_rate
from dmad.data.zones import ALL, Zone
from dmad.inference.detector import Detector


def view_warnings(detector: Detector, scene: str, zone: Zone = ALL) -> list[str]:
    """Return warnings if the threshold was set on another view, or on another part of the view.

    There is no warning about the view if it was in the training.

    Args:
        detector: The model, with the threshold that is used.
        scene: Name of the view.
        zone: The part of the view that is scored. `ALL`, the default, means the part that the
            threshold was set on.
    """
    calibration = detector.calibration
    if calibration is None:
        return []
    warnings = []
    if calibration.scene != scene and detector.needs_template(scene):
        warnings.append(
            f"the threshold was not set on view {scene!r}, which was not in the training; set a "
            f"threshold for it with `dmad calibrate RUN CLIPS --scene {scene} --out FILE`"
        )
    if zone and zone != calibration.zone:
        warnings.append(
            "the threshold was set on another part of the view; set one for this part with "
            "`dmad calibrate RUN CLIPS --include POLYGON --exclude POLYGON --out FILE`"
        )
    return warnings


def rate_warnings(calibration: Calibration | None, fps: float) -> list[str]:
    """Return a warning if the threshold was set on footage with another frame rate.

    Small differences give no warning.

    Args:
        calibration: The threshold, if there is one.
        fps: Frames per second of the footage; 0 if unknown.
    """
    if calibration is None or not fps or same_rate(fps, calibration.fps):
        return []
    return [
        f"the threshold was set on footage with {calibration.fps:g} frames per second, and this "
        f"footage has {fps:g}; set a threshold on footage with the same rate"
    ]
