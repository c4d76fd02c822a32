"""Warnings about a camera that could not be judged, or not fast enough."""

from __future__ import annotations


def no_scores_warning(state: str, frames: int, needed: int) -> str:
    """The reason why no frame of a camera was scored.

    Args:
        state: Its last state: one of `Health`, "lost" or "unreadable".
        frames: How many frames it gave.
        needed: How many frames in a row are needed for the first score.
    """
    if state in ("ok", "lost", "unreadable"):
        return f"none of {frames} frames was scored: {needed} in a row are needed"
    reason = f"none of {frames} frames was scored: the camera looked {state} at the end"
    if state not in ("blocked", "moved"):
        return reason
    return f"{reason}; is this another view than the model was trained on? give it a scene name"


def too_slow_warning(frames: int, dropped: int) -> str:
    """What to do if this machine is too slow for a live source.

    Args:
        frames: How many frames there was time for.
        dropped: How many were left out.
    """
    return (
        f"this machine had time for {frames} of {frames + dropped} frames, so everything moves "
        "further from one judged frame to the next; watch at a lower fps and calibrate on the "
        "films it makes, or watch fewer cameras"
    )
