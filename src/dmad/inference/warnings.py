"""What to say where footage is not what the threshold was set on."""

from __future__ import annotations

from dmad.calibration.calibration import Calibration
from dmad.data.footage import same_rate
from dmad.data.zones import ALL, Zone
from dmad.inference.detector import Detector


def view_notes(
    detector: Detector, calibration: Calibration | None, scene: str, zone: Zone = ALL
) -> list[str]:
    """What to say where a view, or a part of it, is judged by the threshold of another."""
    found = list[str]()
    if calibration is None:
        return found
    if calibration.scene != scene and detector.needs_template(scene):
        found += [
            f"the threshold was set on another view than {scene!r}, which was not trained on; set "
            f"its own with `dmad calibrate RUN CLIPS --scene {scene} --out FILE`"
        ]
    if zone and zone != calibration.zone:
        found += [
            "the threshold was set on another part of the view; set its own with `dmad calibrate "
            "RUN CLIPS --include POLYGON --exclude POLYGON --out FILE`"
        ]
    return found


def unjudged(state: str, frames: int, least: int) -> str:
    """What to say where nothing was judged of a view that is in a state of `Health`."""
    if state in ("ok", "lost", "unreadable"):
        return f"no frame was judged of {frames}: {least} in a row are needed"
    told = f"no frame was judged of {frames}: the camera looked {state} at the end"
    if state not in ("blocked", "moved"):
        return told
    return f"{told}; is it another view than that trained on? give it a scene of its own then"


def busy(judged: int, dropped: int) -> str:
    """What to say where a live source is judged at a slower rate than it comes."""
    return (
        f"this machine had time for {judged} of {judged + dropped} frames, so that everything "
        "moves further between two; watch with a lower --fps and calibrate on the films it makes, "
        "or watch fewer cameras"
    )


def rate_notes(calibration: Calibration | None, fps: float) -> list[str]:
    """What to say where the footage is known to run at another rate than the threshold's."""
    if calibration is None or not fps or same_rate(fps, calibration.fps):
        return []
    return [
        f"the threshold was set at {calibration.fps:g} frames a second, this footage has {fps:g}; "
        "calibrate on footage of the same rate"
    ]
