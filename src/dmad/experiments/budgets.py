"""Do thresholds keep their budgets? False alarms promised, beside those of other normal footage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy import stats

from dmad.calibration.alarms import AlarmShape
from dmad.calibration.held_out import HeldOut
from dmad.calibration.threshold import choose_threshold
from dmad.config import DataConfig
from dmad.console import progress_bar
from dmad.data.footage import frame_rate
from dmad.data.splits import STREET_PEOPLE, load_split, lying
from dmad.data.synthetic.street import Street, normal_clip
from dmad.errors import require
from dmad.evaluation.event_metrics import Alarms, judge_events
from dmad.experiments.tables import Table
from dmad.forms.video.evaluation import score_clips
from dmad.inference.detector import Detector, load
from dmad.inference.result import AnomalyResult

BUDGETS = (60.0, 20.0, 6.0)  # false alarms an hour
MINUTE = 600  # frames of a street clip
FRESH = 10_000  # index of the first street clip that no training has seen


@dataclass(frozen=True)
class Judged:
    """Both terms of some footage, and what is known of it. N frames, K clips."""

    reconstruction: np.ndarray  # (N,) first term of Eq. 14, NaN where a frame has no score
    deformation: np.ndarray  # (N,) its second, before α
    clip_lengths: np.ndarray  # (K,) frames, summing to N
    labels: np.ndarray  # (N,) 1 = abnormal
    fps: float

    @classmethod
    def of(cls, results: list[AnomalyResult], labels: np.ndarray | None, fps: float) -> Judged:
        """Clips one after another; all normal where there are no labels."""
        joined = AnomalyResult.join(results)
        lengths = np.array([len(result.score) for result in results])
        labels = np.zeros(lengths.sum()) if labels is None else labels
        return cls(joined.reconstruction, joined.deformation, lengths, labels, fps)


def budgets(
    run: Path, out: Path, hours: float = 1.0, root: Path | None = None, cache: Path | None = None
) -> list[tuple[float, Alarms]]:
    """Set a threshold for each budget and count its false alarms; write `budgets.md` under `out`.

    Thresholds come from the held-out clips of the run, and false alarms are counted on the normal
    frames of its test split. For the street both are generated.

    Args:
        run: Run folder.
        out: Where to write.
        hours: Street: normal footage generated for the thresholds, and as much again to count on.
        root: Folder of the data set; the one trained on where None.
        cache: Folder for decoded frames.
    """
    detector = load(run)
    data = lying(detector.config.data, root, cache)
    require(not detector.config.model.teacher, f"{run} is a model of images; give one of video")
    held, fresh = (
        street(detector, data, hours) if data.layout == "street" else splits(detector, data)
    )
    found = [(budget, realised(budget, held, fresh, detector)) for budget in BUDGETS]
    names = ("budget/h", "realised/h", "90 % interval", "false alarms", "normal h", "event recall")
    lines = [row(*one) for one in found]
    table = Table("False alarms promised and realised", names, lines)
    table.show()
    table.write(out / "budgets")
    return found


def realised(budget: float, held: Judged, fresh: Judged, detector: Detector) -> Alarms:
    """What happens on fresh footage at the threshold that held-out footage gives."""
    found = choose_threshold(
        HeldOut(held.reconstruction, held.deformation, held.clip_lengths, held.fps),
        f"{budget}/hour",
        shape=detector.calibration.shape if detector.calibration else AlarmShape(),
        weight=detector.weight,
    )
    scores = found.score(fresh.reconstruction, fresh.deformation, fresh.clip_lengths)
    return judge_events(scores, fresh.labels, fresh.clip_lengths, found.rule, fresh.fps)


def row(budget: float, alarms: Alarms) -> tuple[str, ...]:
    """One line of the table, with the exact Poisson interval of the rate."""
    count, hours = alarms.false_events, alarms.normal_hours
    low = stats.chi2.ppf(0.05, 2 * count) / 2 / hours if count else 0.0
    high = stats.chi2.ppf(0.95, 2 * count + 2) / 2 / hours
    rates = (f"{budget:g}", f"{alarms.false_per_hour:.1f}", f"{low:.1f} to {high:.1f}")
    recall = "" if np.isnan(alarms.recall) else f"{alarms.recall:.2f}"
    return (*rates, f"{count}", f"{hours:.3g}", recall)


def splits(detector: Detector, data: DataConfig) -> tuple[Judged, Judged]:
    """The held-out clips, and the test split."""
    held, test = load_split(data, "held_out"), load_split(data, "test")
    fps = frame_rate(held.footage.clips, data.fps)
    require(fps > 0, "the footage does not say its frames a second; train with --data.fps")
    return (
        Judged.of(score_clips(detector, held.footage), None, fps),
        Judged.of(score_clips(detector, test.footage), test.labels, fps),
    )


def street(detector: Detector, data: DataConfig, hours: float) -> tuple[Judged, Judged]:
    """Normal footage filmed for this alone, for thresholds and for counting."""
    scene = Street(data.size, data.channels, people=STREET_PEOPLE)
    results = list(filmed(detector, scene, 2 * round(hours * 3600 * scene.fps / MINUTE)))
    half = len(results) // 2
    return (
        Judged.of(results[:half], None, scene.fps),
        Judged.of(results[half:], None, scene.fps),
    )


def filmed(detector: Detector, scene: Street, clips: int) -> Iterator[AnomalyResult]:
    """Scores of fresh normal clips, one after another, so that memory does not grow."""
    long = replace(scene, frames=MINUTE)
    for index in progress_bar(range(clips), "filming"):
        yield detector(normal_clip(long, FRESH + index).frames, detector.scenes[0])
