"""The ledger: results under a published protocol, a deployable one, and beside blind signals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal

import numpy as np

from dmad.calibration.alarms import AlarmRule
from dmad.data.series import split_clips
from dmad.errors import require
from dmad.evaluation.event_metrics import judge_events
from dmad.evaluation.metrics import average_precision, macro_auroc, micro_auroc
from dmad.evaluation.published_protocols import NEEDED, published
from dmad.evaluation.score_file import ScoreSet, read_scores

BlockName = Literal["paper", "deployable", "given", "blind"]


@dataclass(frozen=True)
class Row:
    """One figure."""

    block: BlockName
    signal: str  # what was scored
    metric: str
    value: float  # in [0, 1], but for rates an hour and delays in seconds
    note: str = ""  # over how many clips or events


@dataclass(frozen=True)
class Labels:
    """A label set, named so that figures are compared on the same one."""

    name: str
    sha256: str


@dataclass(frozen=True)
class Ledger:
    """All figures of one test split."""

    rows: list[Row]
    labels: Labels
    missing: int  # frames without a score, left out

    def value(self, signal: str, metric: str = "micro_AUROC") -> float:
        """One figure."""
        return next(r.value for r in self.rows if (r.signal, r.metric) == (signal, metric))


def label_set(scores: ScoreSet) -> Labels:
    """Name and hash of the labels."""
    labels = np.ascontiguousarray(scores.labels, np.uint8)
    return Labels(scores.label_name, sha256(labels.tobytes()).hexdigest())


def draw_up(
    scores: ScoreSet,
    recipe: str,
    signals: Mapping[str, np.ndarray],
    rules: Mapping[str, AlarmRule] | None = None,
    block: BlockName = "deployable",
    ordered: bool = True,
) -> Ledger:
    """All three blocks.

    Args:
        scores: The frame scores.
        recipe: Whose published protocol the paper block follows; without one it is left out.
        signals: Name and values (N,) of each signal; NaN = no score.
        rules: For signals that have a threshold, when they make an event; needs `scores.fps`.
        block: Where the signals stand.
        ordered: Whether the frames of a clip follow each other in time.

    Raises:
        DmadError: The labels hold one kind of frames only, or no frame has a score.
    """
    rows = paper_rows(scores.known, recipe)
    for name, values in signals.items():
        rows += frame_rows(block, name, values, scores)
        if scores.fps and name in (rules or {}):
            rows += alarm_rows(name, values, scores, (rules or {})[name])
    if ordered and scores.clip_lengths.max() > 1:  # else there is no place to guess from
        rows += blind_rows(scores.known)
    return Ledger(rows, label_set(scores), scores.missing)


def of_file(path: Path, recipe: str = "") -> Ledger:
    """The ledger of anybody's scores.

    Args:
        path: A `.npz` file as `read_scores` takes it.
        recipe: Whose published protocol the paper block follows.

    Raises:
        DmadError: The file does not hold such scores, or no such protocol.
    """
    require(
        recipe in ("", *NEEDED),
        f"no published protocol for {recipe!r}; there is one for {', '.join(NEEDED)}",
    )
    scores = read_scores(path)
    signals = {f"{name}, raw": values for name, values in scores.channels.items()}
    return draw_up(scores, recipe, signals, block="given")


def paper_rows(known: ScoreSet, recipe: str) -> list[Row]:
    """The published protocol, and without its smoothing and without the deformation."""
    if not set(NEEDED.get(recipe, ("none",))) <= set(known.channels) or not len(known.labels):
        return []
    name = f"published {recipe} protocol"
    smooth = published(recipe, known.channels, known.clip_lengths)
    rough = published(recipe, known.channels, known.clip_lengths, smooth=False)
    without = {**known.channels, "deformation": np.zeros(len(known.labels))}
    undeformed = published(recipe, without, known.clip_lengths)
    return [
        *frame_rows("paper", name, smooth, known),
        *frame_rows("paper", f"{name}, unsmoothed", rough, known),
        *frame_rows("paper", f"{name}, without deformation", undeformed, known),
    ]


def blind_rows(known: ScoreSet) -> list[Row]:
    """Rows of the signals that see no pixel."""
    signals = blind_signals(known.clip_lengths).items()
    return [row for name, values in signals for row in frame_rows("blind", name, values, known)]


def frame_rows(block: BlockName, signal: str, values: np.ndarray, of: ScoreSet) -> list[Row]:
    """Micro and macro AUROC and AP of one signal (N,)."""
    rows = [
        Row(block, signal, "micro_AUROC", micro_auroc(values, of.labels)),
        Row(block, signal, "AP", average_precision(values, of.labels)),
    ]
    scored = np.where(np.isnan(values), np.nan, of.labels)
    if any({0, 1} <= {*clip} for clip in split_clips(scored, of.clip_lengths)):
        macro = macro_auroc(values, of.labels, of.clip_lengths)
        note = f"{macro.clips} of {macro.of} clips hold both labels"
        rows.insert(1, Row(block, signal, "macro_AUROC", macro.value, note))
    return rows


def alarm_rows(signal: str, values: np.ndarray, of: ScoreSet, rule: AlarmRule) -> list[Row]:
    """What an operator would see of one signal (N,) at a threshold."""
    alarms = judge_events(values, of.labels, of.clip_lengths, rule, of.fps)
    found = f"{alarms.found} of {alarms.true_events} events"
    false = f"{alarms.false_events} in {3600 * alarms.normal_hours:.0f} s of normal footage"
    rows = [
        Row("deployable", signal, "false_alarms_per_hour", alarms.false_per_hour, false),
        Row("deployable", signal, "event_recall", alarms.recall, found),
        Row("deployable", signal, "detection_delay_s", alarms.delay_s, "median of those found"),
    ]
    return [row for row in rows if np.isfinite(row.value)]


def blind_signals(clip_lengths: np.ndarray) -> dict[str, np.ndarray]:
    """Scores that see no pixel; a result must be read beside them."""
    position = np.concatenate([np.arange(length) / length for length in clip_lengths])
    return {
        "frame position t/T": position,
        "clip centre bump": -np.abs(position - 0.5),
        "constant": np.zeros(len(position)),
    }


def as_json(ledger: Ledger) -> dict[str, object]:
    """The ledger as `ledger.json` holds it."""
    rows, labels = [asdict(row) for row in ledger.rows], asdict(ledger.labels)
    return {"rows": rows, "labels": labels, "frames_without_score": ledger.missing}
