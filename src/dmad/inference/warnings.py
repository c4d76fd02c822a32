"""Warnings about footage that differs from the footage that the threshold was set on."""

from __future__ import annotations

from dmad.calibration.calibration import Calibration
from dmad.data.footage import same_rate
from dmad.data.zones import ALL, Zone
from dmad.inference.detector import Detector


def view_warnings(detector: Detector, scene: str, zone: Zone = ALL) -> list[str]:
    """Warnings if the threshold of a detector was set on another view, or part of the view.

    Args:
        detector: The model, with the threshold that is used.
        scene: Name of the view.
        zone: The part of the view that counts; `ALL` is that of the threshold.
    """
    calibration = detector.calibration
    if calibration is None:
        return []
    warnings = []
    if calibration.scene != scene and detector.needs_template(scene):
        warnings.append(
            f"the threshold was set on another view than {scene!r}, which was not trained on; set "
            f"its own with `dmad calibrate RUN CLIPS --scene {scene} --out FILE`"
        )
    if zone and zone != calibration.zone:
        warnings.append(
            "the threshold was set on another part of the view; set its own with `dmad calibrate "
            "RUN CLIPS --include POLYGON --exclude POLYGON --out FILE`"
        )
    return warnings


def rate_warnings(calibration: Calibration | None, fps: float) -> list[str]:
    """Warnings if footage has another number of frames a second than the threshold was set on.

    Args:
        calibration: The threshold, if there is one.
        fps: Frames a second of the footage; 0 if unknown.
    """
    if calibration is None or not fps or same_rate(fps, calibration.fps):
        return []
    return [
        f"the threshold was set at {calibration.fps:g} frames a second, this footage has {fps:g}; "
        "calibrate on footage of the same rate"
    ]
