"""x_bg of a view never trained on, from its own past frames; numpy alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice

from dmad.data.templates import Frame, Past


def at_once(past: Past | None, batch: int) -> int:
    """How many frames may be judged with the present template.

    The first frame of a model of single images is shown to `past` before it is judged and after.
    """
    return min(batch, past.until_refresh - (past.seen == 0)) if past else batch


def stretches(frames: Iterable[Frame | None]) -> Iterator[Iterator[Frame]]:
    """The frames up to each None, as they come; each is to be used up before the next."""
    source = iter(frames)
    for first in source:
        if first is not None:
            yield chain([first], _to_the_next(source))


def _to_the_next(frames: Iterator[Frame | None]) -> Iterator[Frame]:
    for frame in frames:
        if frame is None:
            return
        yield frame


def causal(
    frames: Iterable[Frame | None], history: int, past: Past | None, batch: int = 1
) -> Iterator[tuple[int, list[Frame]]]:
    """Frames as they come, each with those before it; none is kept longer than it is needed.

    Args:
        frames: (H, W, C) uint8 each, oldest first; any number. A None stands where the next does
            not follow the last.
        history: How many frames T stand before each that is judged.
        past: Told of every frame once it was judged, so that a template never sees what it is
            laid behind; the first frame of a model of single images is its own past.
        batch: Frames to be judged at once, at most; fewer where a template has to be refreshed.

    Yields:
        Position of the first frame to be judged, and all of them with the T frames before.
    """
    position = 0
    for stretch in stretches(frames):
        window = list(islice(stretch, history))
        position += len(window)
        if past:
            past.push_all(window)
        while chunk := list(islice(stretch, at_once(past, batch))):
            if past and not past.seen:
                past.push(chunk[0])
            yield position, window + chunk
            if past:
                past.push_all(chunk)
            position += len(chunk)
            window = (window + chunk)[len(chunk) :]
