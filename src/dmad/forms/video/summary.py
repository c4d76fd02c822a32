"""The content of the report page of an evaluation of video."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dmad.calibration.alarms import AlarmRule, Event, find_events
from dmad.calibration.standardisation import Scorer
from dmad.calibration.threshold import OPTIONS
from dmad.data.footage import Clip, LabelledFootage, frame_rate
from dmad.drawing.pictures import legend_row
from dmad.evaluation.event_metrics import (
    alarm_curve,
    alarm_metrics,
    false_alarms,
    labelled_events,
    missed_events,
)
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
STAND_IN_LEVEL = 3  # level of `stand_in_rule`: robust deviations above the median score


def summarise(
    title: str,
    detector: Detector,
    test: LabelledFootage,
    evaluation: Evaluation,
    card: Mapping[str, Any],
) -> Report:
    """Return the content of the report page.

    Args:
        title: Name of the run.
        detector: The model.
        test: The test split.
        evaluation: The scores of the test split and the table of results.
        card: The model's card, which holds its settings and the history of its training.
    """
    calibration, scores = evaluation.calibration, evaluation.scores
    rule = calibration.rule if calibration else stand_in_rule(evaluation.deployable[RAW])
    events = find_events(evaluation.deployable[evaluation.signal], rule, scores.clip_lengths)
    shown_events = events if calibration else None
    usual_peak = float(np.nanmedian(scores.channels["eq12"]))
    scale = ColourScale(detector.config, usual_peak, calibration=calibration)
    curves = [name for name in (CALIBRATED, RAW) if name in evaluation.deployable]
    tables, folded = result_tables(evaluation, detector.config.data.layout)
    missed = events_without_alarm(evaluation, events) if calibration else []
    shown = highest_events(events, scores.labels)
    if calibration:
        shown = events_to_draw(missed, events, scores.labels)
    return Report(
        title=f"{detector.config.recipe} / {title}",
        subtitle=subtitle(detector, test),
        headline=headline(evaluation),
        tables=[
            *missed_table(missed, test, scores.fps),
            *cost_table(evaluation),
            *tables,
        ],
        folded=folded,
        series=[series(clip, evaluation, shown_events) for clip in test.footage.clips],
        threshold=rule.on if calibration else None,
        fps=scores.fps or None,
        panels=panels(detector, test, shown, scale),
        roc=roc_curves(evaluation, curves),
        alarms=alarms(evaluation, rule),
        history=card.get("history", []),
        settings=card["config"],
        fingerprint=fingerprint(evaluation, card),
        notes=threshold_notes(evaluation),
    )


def result_tables(evaluation: Evaluation, layout: str) -> tuple[list[Table], list[str]]:
    """Return the tables of results, and the titles of the tables that the page shows folded.

    The table of the published protocol is for comparisons with the literature. So for data that is
    not a published data set, this table comes last and is folded.
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
    """An alarm rule for a model without a threshold. It only selects frames for pictures."""
    known = scores[np.isfinite(scores)]
    spread = 1.4826 * np.median(np.abs(known - np.median(known)))
    level = float(np.median(known) + STAND_IN_LEVEL * spread)
    return AlarmRule(on=level, off=level, minimum=1, gap=5, cooldown=0)


def headline(evaluation: Evaluation) -> list[tuple[str, str, str]]:
    """The numbers at the top of the page, each with its name and a remark."""
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
    """Return the scores, labels and events of one clip, for a chart of the report."""
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


@dataclass(frozen=True)
class CheckedEvent:
    """A detected or a missed event, frames [start, end).

    The verdict is a text that says what the labels show, such as "missed: no alarm".
    """

    start: int
    end: int
    peak: int  # frame with the highest score
    score: float  # the highest score
    verdict: str  # what is right or wrong, in a few words


def events_without_alarm(evaluation: Evaluation, events: Sequence[Event]) -> list[CheckedEvent]:
    """The labelled events that overlap no detected event, the highest score first."""
    scores = evaluation.scores
    values = evaluation.deployable[evaluation.signal]
    missed = []
    labelled = labelled_events(values, scores.labels, scores.clip_lengths)
    for start, end in missed_events(labelled, events):
        peak = start + int(np.nanargmax(values[start:end]))
        missed.append(CheckedEvent(start, end, peak, float(values[peak]), "missed: no alarm"))
    return sorted(missed, key=lambda event: -event.score)


def events_to_draw(
    missed: Sequence[CheckedEvent], events: Sequence[Event], labels: np.ndarray
) -> list[CheckedEvent]:
    """The events to draw: missed events, then false alarms, then found events.

    Each group has at most `PANELS` events, those with the highest scores.
    """
    wrong = false_alarms(events, labels)
    right = [event for event in events if event not in wrong]
    groups = (
        list(missed),
        with_verdict(wrong, "false alarm: labelled normal"),
        with_verdict(right, "found: labelled abnormal"),
    )
    return [event for group in groups for event in group[:PANELS]]


def highest_events(events: Sequence[Event], labels: np.ndarray) -> list[CheckedEvent]:
    """The events to draw for a model without a threshold: those with the highest scores."""
    wrong = false_alarms(events, labels)
    right = [event for event in events if event not in wrong]
    normal = with_verdict(wrong, "labelled normal")
    both = [*normal, *with_verdict(right, "labelled abnormal")]
    return sorted(both, key=lambda event: -event.score)[:PANELS]


def with_verdict(events: Sequence[Event], verdict: str) -> list[CheckedEvent]:
    """Return detected events, all with the given verdict, the highest score first."""
    strongest = sorted(events, key=lambda event: -event.score)
    return [CheckedEvent(e.start, e.end, e.peak, e.score, verdict) for e in strongest]


def missed_table(missed: Sequence[CheckedEvent], test: LabelledFootage, fps: float) -> list[Table]:
    """The missed events as a table; an empty list if there are none."""
    if not missed:
        return []
    rows = []
    for event in missed:
        clip = clip_of(test, event.peak)
        span = f"{event.start - clip.start} to {event.end - 1 - clip.start}"
        time = f"{(event.start - clip.start) / fps:.1f} s" if fps else ""
        rows.append([clip.name, span, time, f"{event.score:.3g}"])
    columns = ["clip", "frames", "start", "highest score"]
    note = "Labelled events without an alarm. The event with the highest score is first."
    return [Table("missed events", columns, rows, [note])]


def cost_table(evaluation: Evaluation) -> list[Table]:
    """A list with one table: found events and false alarms at several thresholds.

    The numbers are from the test split. The list is empty without a threshold or a frame rate.
    """
    calibration, scores = evaluation.calibration, evaluation.scores
    if calibration is None or not scores.fps:
        return []
    values = evaluation.deployable[evaluation.signal]
    rows = []
    for factor in OPTIONS:
        on, off = factor * calibration.rule.on, factor * calibration.rule.off
        rule = replace(calibration.rule, on=on, off=off)
        cost = alarm_metrics(values, scores.labels, scores.clip_lengths, rule, scores.fps)
        low, high = cost.false_interval
        name = f"{on:.3g}" + (" (in use)" if factor == 1 else "")
        recall = "" if np.isnan(cost.recall) else f"{cost.recall:.2f}"
        found = f"{cost.found_events} of {cost.true_events}"
        rate = [f"{cost.false_per_hour:.1f}", f"{low:.1f} to {high:.1f}"]
        rows.append([name, recall, found, str(cost.false_events), *rate])
    columns = ["threshold", "event recall", "events found", "false alarms", "an hour"]
    hours = cost.normal_hours
    note = (
        f"What a threshold costs on this test set, which has {3600 * hours:.0f} s of normal "
        f"footage. The budget was {calibration.budget}. `dmad calibrate RUN --threshold X` sets "
        "another threshold."
    )
    return [Table("cost of the threshold", [*columns, "90 % interval"], rows, [note])]


def clip_of(test: LabelledFootage, frame: int) -> Clip:
    """The clip that a frame of the footage belongs to."""
    return next(c for c in test.footage.clips if c.start <= frame < c.start + c.length)


def panels(
    detector: Detector, test: LabelledFootage, events: Sequence[CheckedEvent], scale: ColourScale
) -> list[Panel]:
    """One row of pictures for each event."""
    fps = frame_rate(test.footage.clips, detector.config.data.fps)
    return [_panel(detector, test, event, fps, scale) for event in events]


def _panel(
    detector: Detector, test: LabelledFootage, event: CheckedEvent, fps: float, scale: ColourScale
) -> Panel:
    clip = clip_of(test, event.peak)
    picture = picture_of_frame(detector, test.footage, clip, event.peak, scale)
    time = f" ({picture.index / fps:.1f} s)" if fps else ""
    tiles = dict(zip(picture.titles(), picture.tiles(), strict=True))
    shown = (FRAME, REFERENCE, DEFORMATION, HEAT)
    legends = legend_row(shown, scale.legends(), picture.size[0])
    return Panel(
        title=f"{clip.name}, frame {picture.index}{time}",
        caption=f"{event.verdict}; score {event.score:.2f}, {event.end - event.start} frames",
        image=np.vstack([np.hstack([tiles[title] for title in shown]), legends]),
        tiles=[title.replace("\n", " ") for title in shown],
    )


def roc_curves(
    evaluation: Evaluation, names: Sequence[str]
) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Name, false positive rates and true positive rates of each score in `names`.

    The scores are deployable: they can be computed for new data.
    """
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
    """The data and the versions of software that the results were computed with."""
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
