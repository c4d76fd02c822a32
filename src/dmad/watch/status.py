"""Returns lines of text for the user: what is watched, and what has happened so far."""

from __future__ import annotations

from collections.abc import Sequence

from dmad.inference.detector import Detector
from dmad.watch.cameras import Camera
from dmad.watch.messages import CountMessage


def start_line(detector: Detector, camera: Camera, receivers: Sequence[str]) -> str:
    """Return a line on how a camera is watched: model, threshold, view, frame rate, receivers.

    Args:
        detector: The model, with the threshold of this camera.
        camera: The camera.
        receivers: What gets the messages, such as "standard output".
    """
    parts = [f"model {detector.name or detector.config.recipe}"]
    if calibration := detector.calibration:
        parts.append(f"threshold {calibration.threshold:.2f} (budget {calibration.budget})")
    view = f"view {camera.scene!r}" if camera.scene else "the view of the training"
    if detector.needs_template(camera.scene):
        view += ", which was not in the training"
    if camera.zone or (calibration and calibration.zone):
        view += ", only a part of it"
    parts.append(view)
    if fps := camera.fps or detector.fps:
        parts.append(f"{fps:g} frames per second")
    return f"{camera.name}: {'; '.join(parts)}; messages go to {_listed(receivers)}"


def summary_line(counts: CountMessage) -> str:
    """Return the content of a `count` message as one line of text."""
    parts = [counts.state, _counted(counts.frames, "frame"), f"{counts.scored} scored"]
    if counts.dropped:
        parts.append(f"{counts.dropped} dropped")
    if counts.gaps:
        parts.append(f"{_counted(counts.gaps, 'gap')} of {counts.gap_seconds:.0f} s in all")
    parts.append(_counted(counts.events, "event"))
    if counts.drifted:
        parts.append("the usual score has changed since the calibration")
    return f"{counts.source}: {', '.join(parts)}"


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _listed(names: Sequence[str]) -> str:
    """Join names: "a", "a and b", "a, b and c"."""
    *others, last = names or ["nobody"]
    return f"{', '.join(others)} and {last}" if others else last
