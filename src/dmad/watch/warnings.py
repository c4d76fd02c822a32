"""Texts of warnings: too little space for films, no frame was scored, or a machine is too slow."""

from __future__ import annotations

from pathlib import Path

from dmad.files import size_text

FILM_BYTES = 20e6  # bytes of a film of a minute: 4 MB (640 x 480, 10 fps) to 34 MB (with noise)
FEW_FILMS = 100  # if there is room for fewer films, there is a warning


def space_warning(folder: Path, free: int) -> str:
    """Return a warning on how many films of events fit into a folder; empty if many fit.

    Args:
        folder: The folder.
        free: Free space there, in bytes.
    """
    films = int(free / FILM_BYTES)
    if films >= FEW_FILMS:
        return ""
    return (
        f"{folder} has {size_text(free)} free, which is enough for about {films} films of one "
        "minute; dmad deletes no films, so make some space free"
    )


def no_scores_warning(state: str, frames: int, needed: int) -> str:
    """Return a text that says why no frame of a camera was scored.

    Args:
        state: Last state of the camera: a state of `Health`, "lost" or "unreadable".
        frames: How many frames the camera gave.
        needed: How many consecutive frames are needed for the first score.
    """
    if state in ("ok", "lost", "unreadable"):
        return f"none of {frames} frames was scored: {needed} in a row are needed"
    reason = f"none of {frames} frames was scored: the last state of the camera was {state!r}"
    if state not in ("blocked", "moved"):
        return reason
    return f"{reason}; if the model was not trained on this view, give the view a name (scene)"


def too_slow_warning(frames: int, dropped: int) -> str:
    """Return a text that says what to do if this machine is too slow for a live source.

    Args:
        frames: How many frames were used.
        dropped: How many frames were left out.
    """
    return (
        f"this machine is too slow: it used {frames} of {frames + dropped} frames, so objects move "
        "further from one scored frame to the next; watch fewer cameras, or use a lower fps with "
        "a threshold that was set on footage with this frame rate"
    )
