"""Texts of two warnings: no frame of a camera was scored, or this machine is too slow."""

from __future__ import annotations


def no_scores_warning(state: str, frames: int, needed: int) -> str:
    """Say why no frame of a camera was scored.

    Args:
        state: Last state of the camera: a state of `Health`, "lost" or "unreadable".
        frames: How many frames the camera gave.
        needed: How many consecutive frames are needed for the first score.
    """
    if state in ("ok", "lost", "unreadable"):
        return f"none of {frames} frames was scored: {needed} in a row are needed"
    reason = f"none of {frames} frames was scored: the camera looked {state} at the end"
    if state not in ("blocked", "moved"):
        return reason
    return f"{reason}; is this another view than the model was trained on? give it a scene name"


def too_slow_warning(frames: int, dropped: int) -> str:
    """Say what to do if this machine is too slow for a live source.

    Args:
        frames: How many frames were used.
        dropped: How many frames were left out.
    """
    return (
        f"this machine is too slow: it used {frames} of {frames + dropped} frames, so objects move "
        "further from one scored frame to the next; watch with a lower fps and calibrate on films "
        "recorded that way, or watch fewer cameras"
    )
