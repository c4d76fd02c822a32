"""The ledger (table of results) of frame scores. `dmad.evaluation.ledger` explains its blocks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from dmad.calibration.alarms import AlarmRule
from dmad.data.series import split_clips
from dmad.errors import require
from dmad.evaluation.event_metrics import CONFIDENCE, alarm_metrics
from dmad.evaluation.ledger import BlockName, LabelSet, Ledger, Row
from dmad.evaluation.metrics import average_precision, macro_auroc, micro_auroc
from dmad.evaluation.published_protocols import NEEDED_CHANNELS, published
from dmad.evaluation.score_file import ScoreSet


def build_frame_ledger(
    scores: ScoreSet,
    signals: Mapping[str, np.ndarray],
    recipe: str = "",
    rules: Mapping[str, AlarmRule] | None = None,
    ordered: bool = True,
) -> Ledger:
    """Return the ledger of a model's frame scores.

    Args:
        scores: Scores of all frames, with labels and clips.
        signals: Name and values (N,) of each signal (kind of score) of the block `deployable`; NaN
            = no score.
        recipe: Recipe with the published protocol for the block `paper`. If the recipe has no
            published protocol, there is no such block.
        rules: The alarm rule of each signal that has a threshold. The rules are used if
            `scores.fps` is known.
        ordered: True if the frames of a clip follow each other in time. Otherwise there is no
            block `blind`.

    Raises:
        DmadError: All labels are equal, or no frame has a score.
    """
    rows = paper_rows(scores.complete_frames, recipe)
    for name, values in signals.items():
        rows += frame_rows("deployable", name, values, scores)
        if scores.fps and rules and name in rules:
            rows += alarm_rows(name, values, scores, rules[name])
    if ordered:
        rows += blind_rows(scores)
    return _ledger(rows, scores)


def build_given_ledger(scores: ScoreSet, recipe: str = "") -> Ledger:
    """Return the ledger of the scores of another detector. The scores are used unchanged.

    Args:
        scores: Scores of one or several kinds (channels), labels and clips.
        recipe: Recipe with the published protocol for the block `paper`. Empty: no such block.

    Raises:
        DmadError: The recipe has no published protocol, all labels are equal, or no frame has a
            score.
    """
    require(
        recipe in ("", *NEEDED_CHANNELS),
        f"no published protocol for {recipe!r}; there is one for {', '.join(NEEDED_CHANNELS)}",
    )
    rows = paper_rows(scores.complete_frames, recipe)
    for name, values in scores.channels.items():
        rows += frame_rows("given", f"{name}, raw", values, scores)
    rows += blind_rows(scores)
    return _ledger(rows, scores)


def _ledger(rows: list[Row], scores: ScoreSet) -> Ledger:
    labels = LabelSet.from_labels(scores.label_name, scores.labels)
    return Ledger(rows, labels, scores.frames_without_score)


def paper_rows(scores: ScoreSet, recipe: str) -> list[Row]:
    """Return the rows of the block `paper`: three variants of the published protocol of a recipe.

    The first variant is as published, the second has no smoothing, the third has no deformation.

    The list is empty in three cases: the recipe has no published protocol, scores that the protocol
    needs are missing, or there are no frames.

    Args:
        scores: Scores of frames that have a score in every channel.
        recipe: Name of the recipe.
    """
    if recipe not in NEEDED_CHANNELS or not len(scores.labels):
        return []
    if not set(NEEDED_CHANNELS[recipe]) <= set(scores.channels):
        return []
    name = f"published {recipe} protocol"
    channels, lengths = scores.channels, scores.clip_lengths
    no_deformation = {**channels, "deformation": np.zeros(len(scores.labels))}
    signals = {
        name: published(recipe, channels, lengths),
        f"{name}, unsmoothed": published(recipe, channels, lengths, smooth=False),
        f"{name}, without deformation": published(recipe, no_deformation, lengths),
    }
    return _rows_of_signals("paper", signals, scores)


def blind_rows(scores: ScoreSet) -> list[Row]:
    """Return the rows of the block `blind`; empty if every clip is a single frame."""
    if scores.clip_lengths.max() == 1:
        return []
    scored = scores.complete_frames
    return _rows_of_signals("blind", blind_signals(scored.clip_lengths), scored)


def _rows_of_signals(
    block: BlockName, signals: Mapping[str, np.ndarray], scores: ScoreSet
) -> list[Row]:
    rows = []
    for name, values in signals.items():
        rows += frame_rows(block, name, values, scores)
    return rows


def frame_rows(block: BlockName, signal: str, values: np.ndarray, scores: ScoreSet) -> list[Row]:
    """Return the rows micro AUROC, macro AUROC and AP of a signal (N,).

    If no clip has normal and abnormal frames, there is no macro AUROC.
    """
    labels, lengths = scores.labels, scores.clip_lengths
    rows = [Row(block, signal, "micro_AUROC", micro_auroc(values, labels))]
    scored_labels = np.where(np.isnan(values), np.nan, labels)
    if any({0, 1} <= {*clip} for clip in split_clips(scored_labels, lengths)):
        macro = macro_auroc(values, labels, lengths)
        note = f"{macro.averaged_clips} of {macro.clips} clips hold both labels"
        rows.append(Row(block, signal, "macro_AUROC", macro.value, note))
    rows.append(Row(block, signal, "AP", average_precision(values, labels)))
    return rows


def alarm_rows(signal: str, values: np.ndarray, scores: ScoreSet, rule: AlarmRule) -> list[Row]:
    """Return false alarms, recall and delay of a signal (N,) at its threshold.

    Metrics that are not defined, such as the delay if no event was found, are left out.
    """
    alarms = alarm_metrics(values, scores.labels, scores.clip_lengths, rule, scores.fps)
    found = f"{alarms.found_events} of {alarms.true_events} events"
    low, high = alarms.false_interval
    false = (
        f"{alarms.false_events} in {3600 * alarms.normal_hours:.0f} s of normal footage, "
        f"{CONFIDENCE:.0%} interval {low:.1f} to {high:.1f}"
    )
    rows = [
        Row("deployable", signal, "false_alarms_per_hour", alarms.false_per_hour, false),
        Row("deployable", signal, "event_recall", alarms.recall, found),
        Row("deployable", signal, "detection_delay_s", alarms.delay_s, "median of events found"),
    ]
    return [row for row in rows if np.isfinite(row.value)]


def blind_signals(clip_lengths: np.ndarray) -> dict[str, np.ndarray]:
    """Return baselines by name: scores (N,) that use only the position of a frame in its clip."""
    position = np.concatenate([np.arange(length) / length for length in clip_lengths])
    return {
        "frame position t/T": position,
        "clip centre bump": -np.abs(position - 0.5),
        "constant": np.zeros(len(position)),
    }
