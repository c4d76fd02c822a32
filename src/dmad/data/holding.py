"""Which normal footage is trained on, and which is held out for a threshold."""

from __future__ import annotations

from dataclasses import replace

from dmad.data.frames import Clip, Footage

MIXED = "mixed-"  # begins the names of abnormal events that a contamination test trains on
FEW, LEAST = 6, 3  # images from which on so many are held out at least


def hold_out(
    footage: Footage, share: float, history: int, tiles: int = 1
) -> tuple[Footage, Footage]:
    """Footage to train on, and footage kept from training: of each view whole clips, evenly spread.

    Where the share makes less than one clip of a view, or all, each of its clips gives its end
    instead. Of six images or more three are kept, so that each is compared with two others.
    Clips whose names begin with `MIXED` are all trained on.

    Args:
        footage: Normal clips.
        share: Share to hold out; 0 holds out none.
        history: Past frames T of a window.
        tiles: Of an image, tiles x tiles frames, which stay together.
    """
    kept = [clip for clip in footage.clips if clip.name.startswith(MIXED)]
    normal = [clip for clip in footage.clips if not clip.name.startswith(MIXED)]
    held: list[Clip] = []
    least = max(history + 1, tiles**2)
    for scene in {clip.scene for clip in normal}:
        clips = [clip for clip in normal if clip.scene == scene]
        count = round(share * len(clips))
        if share and not history and len(clips) >= FEW:
            count = max(count, LEAST)
        chosen = {int((i + 0.5) * len(clips) / count) for i in range(count)}
        for i, clip in enumerate(clips):
            whole = ((), (clip,)) if i in chosen else ((clip,), ())
            ours, theirs = whole if 0 < count < len(clips) else cut(clip, share, least)
            kept += ours
            held += theirs
    first, second = (
        replace(footage, clips=tuple(sorted(part, key=lambda clip: clip.start)))
        for part in (kept, held)
    )
    return first, second


def cut(clip: Clip, share: float, least: int) -> tuple[tuple[Clip, ...], tuple[Clip, ...]]:
    """A clip and its end; no end where a part would have less than `least` frames."""
    first = round((1 - share) * clip.length)
    if min(first, clip.length - first) < least:
        return (clip,), ()
    end = replace(clip, start=clip.start + first, length=clip.length - first)
    return (replace(clip, length=first),), (end,)
