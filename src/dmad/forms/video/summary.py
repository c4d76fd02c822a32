"""From an evaluation to the page that people open: what `report.html` holds."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from dmad.calibration.hysteresis import Event, Rule, find_events
from dmad.calibration.standardisation import Scorer
from dmad.data.footage import Clip, frame_rate
from dmad.data.splits import LabelledFootage
from dmad.drawing.pictures import rgb
from dmad.evaluation.event_metrics import alarm_curve
from dmad.evaluation.metrics import roc
from dmad.evaluation.result import CALIBRATED, RAW, Evaluation
from dmad.evaluation.summary import Panel, Report, Series
from dmad.evaluation.tables import blocks, footnotes
from dmad.forms.video.pictures import Limits, Picture, pictures
from dmad.inference.detector import Detector

PANELS = 6

PEAK = 3  # robust deviations that stand in for a threshold where there is none


def compose(
    name: str,
    detector: Detector,
    test: LabelledFootage,
    result: Evaluation,
    card: Mapping[str, Any],
) -> Report:
    """Everything the page shows.

    Args:
        name: Of the run.
        detector: The model that was judged.
        test: What it was judged on.
        result: How it did.
        card: The JSON beside its weights.
    """
    rule = result.calibration.rule if result.calibration else stand_in(result.deployable[RAW])
    values = result.deployable[result.signal]
    events = find_events(values, rule, result.scores.clip_lengths)
    rate = result.scores.fps
    found = events if result.calibration else None
    limits = Limits(detector.config, float(np.nanmedian(result.scores.channels["eq12"])))
    return Report(
        title=f"{detector.config.recipe} / {name}",
        subtitle=subtitle(detector, test),
        headline=headline(result),
        blocks=blocks(result.ledger.rows),
        series=[series(clip, result, found) for clip in test.footage.clips],
        threshold=rule.on if result.calibration else None,
        fps=rate or None,
        panels=panels(detector, test, events, rate, limits),
        roc=roc_curves(result, [name for name in (CALIBRATED, RAW) if name in result.deployable]),
        alarms=alarms(result, rule),
        history=card.get("history", []),
        settings=card["config"],
        fingerprint=fingerprint(result, card),
        notes=warnings(result),
    )


def subtitle(detector: Detector, test: LabelledFootage) -> str:
    """What was judged, and how it was trained."""
    clips, frames = test.footage.clips, sum(clip.length for clip in test.footage.clips)
    data, train = detector.config.data, detector.config.train
    rate = frame_rate(clips, data.fps)
    speed = f" at {rate:g} a second" if rate else ""
    return (
        f"{len(clips)} test clips, {frames:,} frames{speed}; {data.size} pixels, "
        f"{train.epochs} epochs, seed {train.seed}"
    )


def stand_in(scores: np.ndarray) -> Rule:
    """A rule where none was calibrated, from the scores themselves: for pictures only."""
    known = scores[np.isfinite(scores)]
    spread = 1.4826 * np.median(np.abs(known - np.median(known)))
    level = float(np.median(known) + PEAK * spread)
    return Rule(level, level, 1, 5, 0)


def headline(result: Evaluation) -> list[tuple[str, str, str]]:
    """The figures at the top: AUROC, and what an operator would notice."""
    ledger, signal = result.ledger, result.signal
    found = [(f"{ledger.value(signal):.3f}", "micro AUROC, deployable", signal)]
    metrics = {row.metric: row for row in ledger.rows if row.signal == signal}
    for metric, name, form in (
        ("event_recall", "events found", "{:.0%}"),
        ("false_alarms_per_hour", "false alarms an hour", "{:.1f}"),
        ("detection_delay_s", "delay", "{:.1f} s"),
    ):
        if metric in metrics:
            row = metrics[metric]
            found.append((form.format(row.value), name, row.note))
    return found


def series(clip: Clip, result: Evaluation, events: list[Event] | None) -> Series:
    """The timelines of one clip."""
    span = clip.span
    eq12, eq13 = (result.scores.channels[name] for name in ("eq12", "eq13"))
    scorer = result.calibration.scorer if result.calibration else Scorer.fit(eq12, eq13, weight=1)
    return Series(
        name=clip.name,
        score=result.deployable[result.signal][span],
        reconstruction=scorer.reconstruction(eq12[span]),
        deformation=scorer.deformation(eq13[span]),
        labels=result.scores.labels[span],
        events=None if events is None else [
            (e.start - clip.start, e.end - clip.start)
            for e in events if span.start <= e.start < span.stop
        ],
    )  # fmt: skip


def panels(
    detector: Detector, test: LabelledFootage, events: list[Event], fps: float, limits: Limits
) -> list[Panel]:
    """The strongest events, explained in the same colours."""
    strongest = sorted(events, key=lambda event: -event.score)[:PANELS]
    return [_panel(detector, test, event, fps, limits) for event in strongest]


def _panel(
    detector: Detector, test: LabelledFootage, event: Event, fps: float, limits: Limits
) -> Panel:
    clip = next(c for c in test.footage.clips if c.start <= event.peak < c.start + c.length)
    picture = draw(detector, test, clip, event.peak, limits)
    frame = event.peak - clip.start
    time = f" ({frame / fps:.1f} s)" if fps else ""
    truth = ""
    if test.labels is not None:
        true = test.labels[event.start : event.end].any()
        truth = "labelled abnormal" if true else "labelled normal: a false alarm"
    tiles = [rgb(tile) for tile in (picture.frame, picture.reference, picture.arrows, picture.heat)]
    return Panel(
        f"{clip.name}, frame {frame}{time}",
        f"score {event.score:.2f}, {event.end - event.start} frames long; {truth}",
        np.concatenate(tiles, axis=1),
        ("input", "reference", "deformation", "error"),
    )


def draw(
    detector: Detector,
    test: LabelledFootage,
    clip: Clip,
    frame: int,
    limits: Limits,
) -> Picture:
    """One judged frame of the footage, drawn; its index counts from the start of the clip.

    Args:
        detector: The model.
        test: The footage.
        clip: The clip the frame lies in.
        frame: Which, as `test.footage.frames` lie.
        limits: What is full colour.
    """
    past = frame - detector.config.data.history
    whole = detector.needs_template(clip.scene)  # of all frames before this one
    window = test.footage.frames[clip.start if whole else max(clip.start, past) : frame + 1]
    (found,) = deque(detector.explain(window, clip.scene), maxlen=1)
    *_, picture = pictures(found, limits)
    return replace(picture, index=frame - clip.start)


def roc_curves(
    result: Evaluation, names: Sequence[str]
) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """ROC curves of some signals of the deployable block."""
    found = [(name, roc(result.deployable[name], result.scores.labels)) for name in names]
    return [(name, curve.fpr, curve.tpr) for name, curve in found]


def alarms(result: Evaluation, rule: Rule) -> tuple[np.ndarray, np.ndarray] | None:
    """False alarms an hour against recall, where hours are known."""
    scores = result.scores
    if not (scores.fps and result.calibration):
        return None
    values = result.deployable[result.signal]
    curve = alarm_curve(values, scores.labels, scores.clip_lengths, rule, scores.fps)
    return curve.false_per_hour, curve.recall


def fingerprint(result: Evaluation, card: Mapping[str, Any]) -> dict[str, str]:
    """What was judged, on what, by which versions."""
    labels = result.ledger.labels
    found = {"labels": f"{labels.name}, sha256 {labels.sha256}"}
    found["counted"] = "; ".join(footnotes(result.ledger))
    if "data" in card:
        found["training data"] = f"{card['data']['frames']} frames, sha256 {card['data']['sha256']}"
    versions = {name: str(value) for name, value in card.get("versions", {}).items()}
    return found | versions | {"precision": str(card.get("precision", "32-true"))}


def warnings(result: Evaluation) -> list[str]:
    """What to know about the threshold."""
    if result.calibration is None:
        return ["no threshold yet: set one with `dmad calibrate RUN`"]
    return list(result.calibration.warnings)
