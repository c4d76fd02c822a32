"""Checks if thresholds keep their budgets: counts false alarms on new normal footage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dmad.api import load
from dmad.calibration.alarms import AlarmShape
from dmad.calibration.held_out import HeldOut
from dmad.calibration.threshold import choose_threshold
from dmad.config import DataConfig
from dmad.console import progress_bar
from dmad.data.footage import frame_rate
from dmad.data.layouts.street import street_from_settings
from dmad.data.locations import with_locations
from dmad.data.splits import load_split
from dmad.data.synthetic.street import Street, normal_clip
from dmad.errors import require
from dmad.evaluation.event_metrics import AlarmMetrics, alarm_metrics
from dmad.evaluation.table import Table
from dmad.experiments.tables import print_table, write_table
from dmad.forms.video.evaluation import score_clips
from dmad.forms.video.weight import usual_weight
from dmad.inference.detector import Detector
from dmad.inference.result import AnomalyResult

BUDGETS = (60.0, 20.0, 6.0)  # false alarms per hour
CLIP_FRAMES = 600  # frames of a generated clip: one minute
FIRST_NEW_CLIP = 10_000  # index of the first street clip that no training has used
COLUMNS = ("budget/h", "realised/h", "90 % interval", "false alarms", "normal h", "event recall")


@dataclass(frozen=True, eq=False)
class ScoredFootage:
    """The raw scores of some footage, and its labels."""

    terms: HeldOut
    labels: np.ndarray  # (N,) 1 = abnormal


def budgets(
    run: Path, out: Path, hours: float = 1.0, root: Path | None = None, cache: Path | None = None
) -> list[tuple[float, AlarmMetrics]]:
    """Set a threshold for each budget, count the false alarms, and write `budgets.md`.

    Thresholds are set on the held-out clips of the run. False alarms are counted on the normal
    frames of its test split. For recipe street, both kinds of footage are generated.

    Args:
        run: Run folder of a video model.
        out: Folder to write to.
        hours: Street only: hours of normal footage to generate for the thresholds, and again for
            the count.
        root: Folder of the data set. None: the same folder as in training.
        cache: Folder for decoded frames.

    Returns:
        Each budget in false alarms per hour, and the metrics of the alarms at its threshold.

    Raises:
        DmadError: The run is not of video, or the frame rate of its footage is unknown.
    """
    detector = load(run)
    is_video = detector.config.form == "video"
    require(is_video, f"{run} is a model of images; give one of video")
    data = with_locations(detector.config.data, root, cache)
    if data.layout == "street":
        held_out, fresh = generate_footage(detector, data, hours)
    else:
        held_out, fresh = read_footage(detector, data)
    results = [(budget, count_alarms(budget, held_out, fresh, detector)) for budget in BUDGETS]
    rows = [table_row(budget, alarms) for budget, alarms in results]
    table = Table("False alarms: budget and count", COLUMNS, rows)
    print_table(table)
    write_table(table, out / "budgets")
    return results


def count_alarms(
    budget: float, held_out: ScoredFootage, fresh: ScoredFootage, detector: Detector
) -> AlarmMetrics:
    """Choose a threshold on held-out footage, and return the alarm metrics on other footage."""
    calibration = choose_threshold(
        held_out.terms,
        f"{budget}/hour",
        shape=detector.calibration.shape if detector.calibration else AlarmShape(),
        weight=usual_weight(detector),
    )
    terms = fresh.terms
    scores = calibration.score(terms.reconstruction, terms.deformation, terms.clip_lengths)
    return alarm_metrics(scores, fresh.labels, terms.clip_lengths, calibration.rule, terms.fps)


def table_row(budget: float, alarms: AlarmMetrics) -> tuple[str, ...]:
    """Return a row of the table, with the exact 90 % Poisson interval of the rate."""
    low, high = alarms.false_interval
    return (
        f"{budget:g}",
        f"{alarms.false_per_hour:.1f}",
        f"{low:.1f} to {high:.1f}",
        f"{alarms.false_events}",
        f"{alarms.normal_hours:.3g}",
        "" if np.isnan(alarms.recall) else f"{alarms.recall:.2f}",
    )


def read_footage(detector: Detector, data: DataConfig) -> tuple[ScoredFootage, ScoredFootage]:
    """Score the held-out clips and the test split; return both."""
    held_out, test = load_split(data, "held_out"), load_split(data, "test")
    fps = frame_rate(held_out.footage.clips, data.fps)
    require(fps > 0, "the frame rate of the footage is unknown; train with --data.fps")
    return (
        scored_footage(score_clips(detector, held_out.footage), fps),
        scored_footage(score_clips(detector, test.footage), fps, test.labels),
    )


def scored_footage(
    results: list[AnomalyResult], fps: float, labels: np.ndarray | None = None
) -> ScoredFootage:
    """Join the results of several clips. Without labels, all frames are normal."""
    joined = AnomalyResult.join(results)
    lengths = np.array([len(result.score) for result in results])
    terms = HeldOut(joined.reconstruction, joined.deformation, lengths, fps)
    return ScoredFootage(terms, np.zeros(lengths.sum()) if labels is None else labels)


def generate_footage(
    detector: Detector, data: DataConfig, hours: float
) -> tuple[ScoredFootage, ScoredFootage]:
    """Generate and score normal street footage: one part for thresholds, one for the count."""
    scene = street_from_settings(data)
    half = round(hours * 3600 * scene.fps / CLIP_FRAMES)
    results = list(score_street(detector, scene, 2 * half))
    return (
        scored_footage(results[:half], scene.fps),
        scored_footage(results[half:], scene.fps),
    )


def score_street(detector: Detector, scene: Street, clips: int) -> Iterator[AnomalyResult]:
    """Generate normal clips and yield their scores, one clip at a time to save memory."""
    minute = replace(scene, frames=CLIP_FRAMES)
    for index in progress_bar(range(clips), "generating footage"):
        frames = normal_clip(minute, FIRST_NEW_CLIP + index).frames
        yield detector(frames, detector.scenes[0])
