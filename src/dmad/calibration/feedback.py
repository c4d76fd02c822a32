"""Feedback: a user marks alarms as normal. The threshold rises just enough to silence them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dmad.calibration.calibration import Calibration
from dmad.calibration.past_events import PastEvent, read_past_events
from dmad.calibration.request import CalibrationRequest
from dmad.calibration.threshold import GIVEN, Evidence, far_above_warnings, threshold_warnings
from dmad.errors import require
from dmad.files import first_names

MARGIN = 0.05  # the threshold rises above the marked score by this share of the score
MOST_RISE = 2.0  # factor by which the threshold may rise; a larger factor needs `force`
EVENTS_NAMED = 5  # past events that a message names

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class MarkedEvents:
    """The clips, images and events that a user marked as normal, and all known past events."""

    files: Sequence[Path]  # clips or images
    events: Sequence[PastEvent]  # marked by their ids, or by their films
    past: Sequence[PastEvent]  # all events that are known

    @classmethod
    def from_request(cls, request: CalibrationRequest) -> MarkedEvents:
        """Find what a request marks as normal.

        Raises:
            DmadError: The request asks for other changes too, or `read` fails.
        """
        refused = ", ".join(request.beside("normal"))
        require(not refused, f"normal allows no other change; give {refused} in a call of its own")
        return cls.read(request.normal, request.events)

    @classmethod
    def read(cls, normal: Sequence[str | Path], folder: Path | None) -> MarkedEvents:
        """Find the clips, images and events that were marked as normal.

        Args:
            normal: Files, or ids of past events.
            folder: Folder of past events, which `dmad predict` or `dmad watch` wrote. None: if a
                file is a film of an event that `dmad watch` stored, the folder of this film.

        Raises:
            DmadError: A file or an event does not exist, or the folder has no events.
        """
        files = [Path(item) for item in normal if Path(item).exists()]
        folder = folder or _folder_of_films(files)
        past = read_past_events(folder) if folder else []
        by_id = {event.id: event for event in past}
        ids = [str(item) for item in normal if not Path(item).exists()]
        unknown = [name for name in ids if name not in by_id]
        where = f"event in {folder}" if folder else "event; give the folder of events with --events"
        require(not unknown, f"{', '.join(unknown)} does not exist: it is no file and no {where}")
        films = [path.stem for path in files if path.stem in by_id]
        return cls(files, [by_id[name] for name in (*ids, *films)], past)


def _folder_of_films(files: Sequence[Path]) -> Path | None:
    """Return the output folder of `dmad watch` that one of the files comes from.

    In an output folder, the film of an event is `clips/ID.mp4`. None: no file is such a film.
    """
    folders = [path.absolute().parent.parent for path in files]
    return next((folder for folder in folders if (folder / "events.jsonl").is_file()), None)


def with_threshold(
    calibration: Calibration, threshold: float, evidence: Evidence | None
) -> Calibration:
    """Return the calibration with another threshold. Scores stay the same.

    Args:
        calibration: The calibration.
        threshold: The threshold.
        evidence: The footage of the calibration. None: the footage is not stored, so the false
            alarms of the threshold are unknown.
    """
    changed = replace(
        calibration,
        rule=calibration.shape.rule(threshold, calibration.fps),
        options=(),
        by_hand=True,
        warnings=tuple(far_above_warnings(threshold, calibration.largest)),
    )
    if evidence is None:
        return changed
    options = evidence.options(threshold)
    changed = replace(
        changed, largest=evidence.largest, observed=options[GIVEN].observed, options=options
    )
    return replace(changed, warnings=tuple(threshold_warnings(evidence, changed)))


def silence(
    calibration: Calibration, level: float, evidence: Evidence | None, force: bool = False
) -> Calibration:
    """Return the calibration with a threshold at which the marked events raise no alarm.

    The threshold is never lowered. It rises to 5 % above `level`, and no further.

    Args:
        calibration: The calibration.
        level: Highest threshold at which a marked event raises an alarm.
        evidence: The footage of the calibration. None: the footage is not stored.
        force: The threshold may rise by more than `MOST_RISE`.

    Raises:
        DmadError: The threshold would rise too much.
    """
    old = calibration.threshold
    if level < old:
        logger.info(f"what was marked raises no alarm; the threshold {old:.3f} stays")
        return calibration
    new = level + MARGIN * abs(level)
    require(
        force or new - old <= (MOST_RISE - 1) * abs(old),
        f"the threshold must rise from {old:.3g} to {new:.3g} to silence this, which would hide "
        f"other anomalies too; exclude this part of the view, calibrate on more footage, or "
        "use --force",
    )
    return replace(with_threshold(calibration, new, evidence), lowest=new, by_hand=False)


def log_change(old: Calibration, new: Calibration, events: Sequence[PastEvent]) -> None:
    """Log the old and the new threshold, and the past events that would raise no alarm now."""
    if new.threshold == old.threshold:
        return
    far_above = far_above_warnings(new.threshold, new.largest)
    logger.info("; ".join([f"threshold {old.threshold:.3f} → {new.threshold:.3f}", *far_above]))
    silent = [event for event in events if old.threshold <= event.score < new.threshold]
    if events:
        named = [f"{event.id} ({event.score:.3g})" for event in silent]
        detail = f": {first_names(named, EVENTS_NAMED)}" if silent else ""
        logger.info(f"{len(silent)} of {len(events)} past events would raise no alarm now{detail}")
