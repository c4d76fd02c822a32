"""Finds out when a recording was made: from its path, its film, or the time of its last change."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import av

from dmad.data.reading.video_header import open_video

MOMENT = re.compile(
    r"(?<!\d)(?P<year>(?:19|20)\d\d)[-_. /]?(?P<month>0[1-9]|1[0-2])[-_. /]?"
    r"(?P<day>0[1-9]|[12]\d|3[01])"
    r"(?:[-_. /T]{0,3}(?P<hour>[01]\d|2[0-3])[-_.: /hH]?(?P<minute>[0-5]\d)"
    r"(?:[-_.: /mM]?(?P<second>[0-5]\d))?)?(?!\d)"
)
BY_NAME, BY_FILE, BY_DATE = "name", "file", "date of change"


def recorded_at(path: str, film: Path | None, stamp: str, seconds: float) -> tuple[str, str]:
    """Return when a recording started, and where this time comes from.

    Args:
        path: The source. Its name or its folders may contain date and time.
        film: The film, which may state the time of its creation; None for other sources.
        stamp: Time of the last change, as in `ArchiveSource`.
        seconds: Length of the recording. It is assumed to end at the last change.

    Returns:
        The start as 2026-03-01T13:05:00, and `name`, `file` or `date of change`. Two empty texts if
        nothing is known.
    """
    named = moment_in(path)
    if named is not None:
        return named.isoformat(), BY_NAME
    stated = _stated(film) if film is not None else None
    if stated is not None:
        return stated.isoformat(), BY_FILE
    changed = _moment_of(stamp)
    if changed is None:
        return "", ""
    return (changed - timedelta(seconds=seconds)).isoformat(timespec="seconds"), BY_DATE


def moment_in(path: str) -> datetime | None:
    """Return the date and time in the path of a source; None if there is no date.

    If there are several dates, the last one with a time of day is returned. If no date has a time
    of day, the last date is returned.
    """
    found = [_moment(match) for match in MOMENT.finditer(path)]
    known = [one for one in found if one is not None]
    timed = [moment for moment, has_time in known if has_time]
    moments = timed or [moment for moment, _ in known]
    return moments[-1] if moments else None


def _moment(match: re.Match[str]) -> tuple[datetime, bool] | None:
    with suppress(ValueError):  # such as the 31st of February
        numbers = [int(match[name] or 0) for name in match.groupdict()]
        return datetime(*numbers[:6]), match["hour"] is not None  # type: ignore[arg-type]
    return None


def _stated(film: Path) -> datetime | None:
    with suppress(av.FFmpegError, OSError, ValueError), open_video(film) as container:
        text = container.metadata.get("creation_time", "")
        if text:
            stated = datetime.fromisoformat(text)
            return stated.astimezone().replace(tzinfo=None) if stated.tzinfo else stated
    return None


def _moment_of(stamp: str) -> datetime | None:
    text = stamp.rpartition(", ")[2]  # a folder of frames has `12 files, TIME`
    with suppress(ValueError, OverflowError, OSError):
        if text.isdecimal():
            return datetime.fromtimestamp(int(text) / 1e9)
        if re.fullmatch(r"\d+\.\d+", text):
            return datetime.fromtimestamp(float(text))
        return datetime.fromisoformat(text).astimezone().replace(tzinfo=None)
    return None
