"""The content of the report page of an evaluation of video."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dmad.calibration.alarms import AlarmRule, Event, find_events
from dmad.calibration.standardisation import Scorer
from dmad.data.footage import Clip, LabelledFootage, frame_rate
from dmad.drawing.pictures import legend_row
from dmad.evaluation.event_metrics import alarm_curve
from dmad.evaluation.ledger_tables import footnotes, ledger_tables
from dmad.evaluation.metrics import roc
from dmad.evaluation.result import CALIBRATED, RAW, Evaluation
from dmad.evaluation.summary import Panel, Report, Series
from dmad.evaluation.table import Table
from dmad.forms.video.pictures import (
    DEFORMATION,
    FRAME,
    HEAT,
    REFERENCE,
    ColourScale,
    picture_of_frame,
)
from dmad.inference.detector import Detector

PANELS = 6
PAPER = "paper"  # title of the table of the published protocol
PUBLISHED = ("ped2", "avenue", "shanghaitech", "mnist", "mvtec")  # layouts of published data sets
STAND_IN_LEVEL = 3  # without a threshold: robust deviations above the median


def summarise(
    title: str,
    detector: Detector,
    test: LabelledFootage,
    evaluation: Evaluation,
    card: Mapping[str, Any],
) -> Report:
    """Return the content of the page.

    Args:
        title: Name of the run.
        detector: The model.
        test: The test split.
        evaluation: Its scores and its table of results.
        card: The model's card.
    """
    calibration, scores = evaluation.calibration, evaluation.scores
    rule = calibration.rule if calibration else stand_in_rule(evaluation.deployable[RAW])
    events = find_events(evaluation.deployable[evaluation.signal], rule, scores.clip_lengths)
    shown_events = events if calibration else None
    usual_peak = float(np.nanmedian(scores.channels["eq12"]))
    scale = ColourScale(detector.config, usual_peak, calibration=calibration)
    curves = [name for name in (CALIBRATED, RAW) if name in evaluation.deployable]
    tables, folded = result_tables(evaluation, detector.config.data.layout)
    return Report(
        title=f"{detector.config.recipe} / {title}",
        subtitle=subtitle(detector, test),
        headline=headline(evaluation),
        tables=tables,
        folded=folded,
        series=[series(clip, evaluation, shown_events) for clip in test.footage.clips],
        threshold=rule.on if calibration else None,
        fps=scores.fps or None,
        panels=panels(detector, test, events, scale),
        roc=roc_curves(evaluation, curves),
        alarms=alarms(evaluation, rule),
        history=card.get("history", []),
        settings=card["config"],
        fingerprint=fingerprint(evaluation, card),
        notes=threshold_notes(evaluation),
    )


def result_tables(evaluation: Evaluation, layout: str) -> tuple[list[Table], list[str]]:
    """Return the tables of results, and the titles of those that are folded at first.

    The table of the published protocol is for comparisons with the literature. So for other data
    than the published data sets, it is the last one and folded.
    """
    tables = ledger_tables(evaluation.ledger.rows)
    if layout in PUBLISHED:
        return tables, []
    return sorted(tables, key=lambda table: table.title == PAPER), [PAPER]


def subtitle(detector: Detector, test: LabelledFootage) -> str:
    """The test split, and how the model was trained."""
    clips, frames = test.footage.clips, sum(clip.length for clip in test.footage.clips)
    data, train = detector.config.data, detector.config.train
    rate = frame_rate(clips, data.fps)
    speed = f" at {rate:g} per second" if rate else ""
    return (
        f"{len(clips)} test clips, {frames:,} frames{speed}; {data.size} pixels, "
        f"{train.epochs} epochs, seed {train.seed}"
    )


def stand_in_rule(scores: np.ndarray) -> AlarmRule:
    """A rule that only selects frames for pictures, for a model without a threshold."""
    known = scores[np.isfinite(scores)]
    spread = 1.4826 * np.median(np.abs(known - np.median(known)))
    level = float(np.median(known) + STAND_IN_LEVEL * spread)
    return AlarmRule(on=level, off=level, minimum=1, gap=5, cooldown=0)


def headline(evaluation: Evaluation) -> list[tuple[str, str, str]]:
    """The numbers at the top: AUROC, events found, false alarms and delay."""
    ledger, signal = evaluation.ledger, evaluation.signal
    figures = [(f"{ledger.value(signal):.3f}", "micro AUROC, deployable", signal)]
    rows = {row.metric: row for row in ledger.rows if row.signal == signal}
    for metric, title, template in (
        ("event_recall", "events found", "{:.0%}"),
        ("false_alarms_per_hour", "false alarms an hour", "{:.1f}"),
        ("detection_delay_s", "delay", "{:.1f} s"),
    ):
        if metric in rows:
            row = rows[metric]
            figures.append((template.format(row.value), title, row.note))
    return figures


def series(clip: Clip, evaluation: Evaluation, events: list[Event] | None) -> Series:
    """The curves of one clip."""
    span = clip.span
    eq12, eq13 = (evaluation.scores.channels[name] for name in ("eq12", "eq13"))
    calibration = evaluation.calibration
    scorer = calibration.scorer if calibration else Scorer.fit(eq12, eq13, weight=1)
    own_events = None
    if events is not None:
        inside = [event for event in events if span.start <= event.start < span.stop]
        own_events = [(event.start - clip.start, event.end - clip.start) for event in inside]
    return Series(
        name=clip.name,
        score=evaluation.deployable[evaluation.signal][span],
        reconstruction=scorer.reconstruction(eq12[span]),
        deformation=scorer.deformation(eq13[span]),
        labels=evaluation.scores.labels[span],
        events=own_events,
    )


def panels(
    detector: Detector, test: LabelledFootage, events: list[Event], scale: ColourScale
) -> list[Panel]:
    """One row of pictures for each of the events with the highest scores."""
    fps = frame_rate(test.footage.clips, detector.config.data.fps)
    strongest = sorted(events, key=lambda event: -event.score)[:PANELS]
    return [_panel(detector, test, event, fps, scale) for event in strongest]


def _panel(
    detector: Detector, test: LabelledFootage, event: Event, fps: float, scale: ColourScale
) -> Panel:
    clip = next(c for c in test.footage.clips if c.start <= event.peak < c.start + c.length)
    picture = picture_of_frame(detector, test.footage, clip, event.peak, scale)
    time = f" ({picture.index / fps:.1f} s)" if fps else ""
    label = ""
    if test.labels is not None:
        abnormal = test.labels[event.start : event.end].any()
        label = "labelled abnormal" if abnormal else "labelled normal: a false alarm"
    tiles = dict(zip(picture.titles(), picture.tiles(), strict=True))
    shown = (FRAME, REFERENCE, DEFORMATION, HEAT)
    legends = legend_row(shown, scale.legends(), picture.size[0])
    return Panel(
        title=f"{clip.name}, frame {picture.index}{time}",
        caption=f"score {event.score:.2f}, {event.end - event.start} frames long; {label}",
        image=np.vstack([np.hstack([tiles[title] for title in shown]), legends]),
        tiles=[title.replace("\n", " ") for title in shown],
    )


def roc_curves(
    evaluation: Evaluation, names: Sequence[str]
) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Name, false and true positive rates of some scores that are computed without labels."""
    labels = evaluation.scores.labels
    curves = [(name, roc(evaluation.deployable[name], labels)) for name in names]
    return [(name, curve.fpr, curve.tpr) for name, curve in curves]


def alarms(evaluation: Evaluation, rule: AlarmRule) -> tuple[np.ndarray, np.ndarray] | None:
    """False alarms per hour and event recall, each for all thresholds, from high to low.

    None without a frame rate or a threshold.
    """
    scores = evaluation.scores
    if not (scores.fps and evaluation.calibration):
        return None
    values = evaluation.deployable[evaluation.signal]
    curve = alarm_curve(values, scores.labels, scores.clip_lengths, rule, scores.fps)
    return curve.false_per_hour, curve.recall


def fingerprint(evaluation: Evaluation, card: Mapping[str, Any]) -> dict[str, str]:
    """The data and versions that the results were computed with."""
    labels = evaluation.ledger.labels
    found = {"labels": f"{labels.name}, sha256 {labels.sha256}"}
    found["counted"] = "; ".join(footnotes(evaluation.ledger))
    if "data" in card:
        found["training data"] = f"{card['data']['frames']} frames, sha256 {card['data']['sha256']}"
    versions = {name: str(value) for name, value in card.get("versions", {}).items()}
    return found | versions | {"precision": str(card.get("precision", "32-true"))}


def threshold_notes(evaluation: Evaluation) -> list[str]:
    """Warnings about the threshold, one sentence each."""
    if evaluation.calibration is None:
        return ["no threshold yet: set one with `dmad calibrate RUN`"]
    return list(evaluation.calibration.warnings)
