"""Checks if thresholds keep their budgets: counts false alarms in new normal footage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import stats

from dmad.api import load
from dmad.calibration.alarms import AlarmShape
from dmad.calibration.calibration import Calibration
from dmad.calibration.held_out import HeldOut
from dmad.calibration.threshold import choose_threshold
from dmad.config import DataConfig
from dmad.data.footage import frame_rate
from dmad.data.locations import with_locations
from dmad.data.splits import load_split
from dmad.errors import require
from dmad.evaluation.event_metrics import CONFIDENCE, AlarmMetrics, alarm_metrics
from dmad.evaluation.table import Table
from dmad.experiments.street_footage import StreetFootage
from dmad.experiments.tables import print_table, write_table
from dmad.forms.video.evaluation import score_clips
from dmad.forms.video.weight import usual_weight
from dmad.inference.detector import Detector
from dmad.inference.result import AnomalyResult

BUDGETS = (60.0, 20.0, 6.0)  # false alarms per hour
COLUMNS = (
    "footage",
    "budget/h",
    "realised/h",
    "90 % interval",
    "inside",
    "with threshold",
    "inside too",
    "false alarms",
    "normal h",
    "event recall",
)
FEWEST_EVENTS = 5  # with fewer events in the footage for thresholds, there is no interval
NOTE = "{} of {} budgets are inside the exact 90 % interval of the realised rate."
WIDE_NOTE = (
    " {} of {} are inside the interval that also includes the uncertainty of the threshold "
    "(column *with threshold*)."
)


@dataclass(frozen=True)
class Hours:
    """How much street footage is generated.

    Args:
        counted: Hours of footage in which false alarms are counted.
        thresholds: Hours of other footage to choose the thresholds with.
        seed: Seed of the footage.
    """

    counted: float = 1.0
    thresholds: float = 1.0
    seed: int = 0


@dataclass(frozen=True, eq=False)
class ScoredFootage:
    """Both terms of the raw score of some footage, and the labels of its N frames."""

    terms: HeldOut
    labels: np.ndarray  # (N,) 1 = abnormal

    def clips(self, chosen: np.ndarray) -> ScoredFootage:
        """Return only the clips for which `chosen` (K,) is True. K is the number of clips."""
        terms = self.terms
        frames = np.repeat(chosen, terms.clip_lengths)
        return ScoredFootage(
            HeldOut(
                terms.reconstruction[frames],
                terms.deformation[frames],
                terms.clip_lengths[chosen],
                terms.fps,
            ),
            self.labels[frames],
        )


@dataclass(frozen=True)
class Case:
    """The alarms in one kind of footage, with the threshold for one budget."""

    footage: str
    budget: float  # false alarms per hour
    alarms: AlarmMetrics
    threshold_hours: float  # duration of the footage that the threshold was chosen with

    @property
    def fits(self) -> bool:
        """True if the budget is inside the exact 90 % interval of the rate of false alarms."""
        low, high = self.alarms.false_interval
        return low <= self.budget <= high

    @property
    def wide_interval(self) -> tuple[float, float] | None:
        """Lower and upper end of a 90 % interval of the rate of false alarms, per hour.

        Unlike the interval in `fits`, this interval includes the uncertainty of the threshold. Two
        numbers are compared: the counted false alarms, and the events that the budget allows in the
        footage with which the threshold was chosen. The interval of the ratio of these numbers is
        exact for Poisson counts (Clopper and Pearson).

        None if there is no normal footage to count false alarms in. None also if the footage for
        the threshold is too short for the budget, so that the threshold was extrapolated.
        """
        count, chosen = self.alarms.false_events, self.budget * self.threshold_hours
        if chosen < FEWEST_EVENTS or not self.alarms.normal_hours:
            return None
        outside = (1 - CONFIDENCE) / 2
        low = stats.beta.ppf(outside, count, chosen + 1) if count else 0.0
        high = stats.beta.ppf(1 - outside, count + 1, chosen)
        per_hour = chosen / self.alarms.normal_hours
        return float(low / (1 - low) * per_hour), float(high / (1 - high) * per_hour)

    @property
    def fits_wide(self) -> bool:
        """True if the budget is inside `wide_interval`. False if this interval is None."""
        low, high = self.wide_interval or (np.inf, np.inf)
        return low <= self.budget <= high

    @property
    def row(self) -> tuple[str, ...]:
        """The cells of this case in the table `budgets.md`."""
        alarms, wide = self.alarms, self.wide_interval
        known = alarms.normal_hours > 0
        return (
            self.footage,
            f"{self.budget:g}",
            f"{alarms.false_per_hour:.1f}" if known else "",
            "{:.1f} to {:.1f}".format(*alarms.false_interval) if known else "",
            ("yes" if self.fits else "no") if known else "",
            "{:.1f} to {:.1f}".format(*wide) if wide else "",
            ("yes" if self.fits_wide else "no") if wide else "",
            f"{alarms.false_events}",
            f"{alarms.normal_hours:.3g}",
            "" if np.isnan(alarms.recall) else f"{alarms.recall:.2f}",
        )


@dataclass(frozen=True, eq=False)
class BudgetTest:
    """Footage to choose thresholds with, and other footage to count alarms in."""

    held_out: ScoredFootage  # for thresholds
    counted: Mapping[str, ScoredFootage]  # for alarms, by name

    def cases(self, detector: Detector) -> list[Case]:
        """Choose a threshold for each budget, and count its alarms in the footage for counting.

        Returns:
            A case for each kind of footage and budget.
        """
        chosen = [
            choose_threshold(
                self.held_out.terms,
                f"{budget}/hour",
                shape=detector.calibration.shape if detector.calibration else AlarmShape(),
                weight=usual_weight(detector),
            )
            for budget in BUDGETS
        ]
        return [
            Case(name, budget, alarms_on(calibration, footage), self.held_out.terms.hours)
            for name, footage in self.counted.items()
            for budget, calibration in zip(BUDGETS, chosen, strict=True)
        ]


def budgets(
    run: Path,
    out: Path,
    hours: Hours = Hours(),
    root: Path | None = None,
    cache: Path | None = None,
) -> list[Case]:
    """Set a threshold for each budget, count the false alarms, and write `budgets.md`.

    Thresholds are set on the held-out clips of the run. False alarms are counted in the normal
    frames of the test split.

    For recipe street, the footage for the thresholds and the footage for counting are generated,
    with all weathers of the training. One test uses the same threshold for all weathers, and counts
    the alarms of each weather and of all weathers. In other tests, each weather has a threshold
    from its own footage. The scores of generated footage are stored in `out`, so that the same
    command continues after an interruption.

    Args:
        run: Run folder of a video model.
        out: Folder to write to.
        hours: For recipe street: how much normal footage is generated.
        root: Folder of the data set. None: the same folder as in training.
        cache: Folder for decoded frames.

    Returns:
        A case for each kind of footage and budget.

    Raises:
        DmadError: The run is not of video, or the frame rate of its footage is unknown.
    """
    detector = load(run)
    is_video = detector.config.form == "video"
    require(is_video, f"{run} is a model of images; give one of video")
    data = with_locations(detector.config.data, root, cache)
    if data.layout == "street":
        street = StreetFootage.of_run(detector, run, out / "footage", hours.seed)
        tests = street_tests(street, hours)
    else:
        tests = [split_test(detector, data)]
    cases = [case for test in tests for case in test.cases(detector)]
    fitting, wide = sum(case.fits for case in cases), sum(case.fits_wide for case in cases)
    counted = sum(case.alarms.normal_hours > 0 for case in cases)
    measured = sum(case.wide_interval is not None for case in cases)
    note = NOTE.format(fitting, counted)
    if measured:
        note += WIDE_NOTE.format(wide, measured)
    rows = [case.row for case in cases]
    table = Table("False alarms: budget and count", COLUMNS, rows, [note])
    print_table(table)
    write_table(table, out / "budgets")
    return cases


def alarms_on(calibration: Calibration, footage: ScoredFootage) -> AlarmMetrics:
    """Count the alarms of a threshold in footage, and return the metrics of the alarms."""
    terms = footage.terms
    scores = calibration.score(terms.reconstruction, terms.deformation, terms.clip_lengths)
    return alarm_metrics(scores, footage.labels, terms.clip_lengths, calibration.rule, terms.fps)


def split_test(detector: Detector, data: DataConfig) -> BudgetTest:
    """Score the held-out clips (for thresholds) and the test split (to count alarms)."""
    held_out, test = load_split(data, "held_out"), load_split(data, "test")
    fps = frame_rate(held_out.footage.clips, data.fps)
    require(fps > 0, "the frame rate of the footage is unknown; train with --data.fps")
    counted = scored_footage(score_clips(detector, test.footage), fps, test.labels)
    chosen = scored_footage(score_clips(detector, held_out.footage), fps)
    return BudgetTest(chosen, {"test split": counted})


def scored_footage(
    results: list[AnomalyResult], fps: float, labels: np.ndarray | None = None
) -> ScoredFootage:
    """Join the results of several clips. Without labels, all frames count as normal."""
    joined = AnomalyResult.join(results)
    lengths = np.array([len(result.score) for result in results])
    terms = HeldOut(joined.reconstruction, joined.deformation, lengths, fps)
    return ScoredFootage(terms, np.zeros(lengths.sum()) if labels is None else labels)


def street_tests(street: StreetFootage, hours: Hours) -> list[BudgetTest]:
    """Generate and score normal street footage.

    Returns:
        A test with the same threshold for all weathers. It counts the alarms of each weather and of
        all weathers. If there are several weathers, there is also a test for each weather, with a
        threshold from its own footage.
    """
    second, first = street.to_count(hours.counted), street.for_thresholds(hours.thresholds)
    held_out, counted = normal(street.score(first)), normal(street.score(second))
    chosen = {name: held_out.clips(street.weathers_of(first) == name) for name in street.weathers}
    each: dict[str, ScoredFootage] = {
        name: counted.clips(street.weathers_of(second) == name) for name in street.weathers
    }
    if len(each) == 1:
        return [BudgetTest(held_out, each)]
    own = [
        BudgetTest(chosen[name], {f"{name}, own threshold": each[name]}) for name in street.weathers
    ]
    return [BudgetTest(held_out, each | {"all": counted}), *own]


def normal(terms: HeldOut) -> ScoredFootage:
    """Return the score terms of normal clips, and label every frame as normal."""
    return ScoredFootage(terms, np.zeros(len(terms.reconstruction)))
