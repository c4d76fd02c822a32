"""`dmad calibrate`."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from dmad.calibration.budget import Budget
from dmad.calibration.calibration import Calibration
from dmad.calibration.request import CalibrationRequest
from dmad.cli.options import AS_IN_TRAINING, DataFolders, ZoneOptions
from dmad.cli.process import show
from dmad.console import show_table

SLOWEST_PER_HOUR = 0.5  # lower rates are written per day


def calibrate_command(
    run: str,
    *footage: Path,
    request: CalibrationRequest,
    zone: ZoneOptions,
    data: DataFolders = AS_IN_TRAINING,
) -> None:
    """Set the threshold of a model for the number of false alarms that you accept.

    The number of false alarms that you accept is called the budget. The threshold is
    computed from normal data. You need no abnormal data. If you do not give
    --false-alarms, --alarm.* or --weight, their values from the last calibration are kept.

    The command prints a table of five thresholds. For each of them, the table shows the
    expected false alarms, and the share of the synthetic anomalies that are found. dmad
    draws synthetic anomalies into normal data.

    The threshold is stored with the model, or in the file --out. The last line that the
    command prints is the path of the file that contains the threshold.

    Examples:
      dmad calibrate RUN --false-alarms 1/day
      dmad calibrate RUN yard/*.mp4 --scene yard --out yard.json
      dmad calibrate RUN yard/*.mp4 --include "0,0.4 1,0.4 1,1 0,1" --out yard.json
      dmad calibrate RUN --threshold 5.5
      dmad calibrate RUN --normal found/clips/gate-1790000000.000.mp4
      dmad calibrate RUN --normal found/clips/gate-1790000000.000.mp4 --only-here
      dmad calibrate RUN --normal gate-1790000000.000 --events found
      dmad calibrate RUN --undo

    Args:
        run: Run folder of `dmad train`, folder of an export, or .safetensors file. With --out also
            the name of a model that comes with dmad, such as ped2.
        footage: Normal videos, folders of frames, or images, which were not used in training
            (default: the footage of the last calibration; for the first calibration, the normal
            footage that `dmad train` did not train on).
        request: Options of the calibration.
        zone: Part of the view that is scored.
        data: Where the data set is.
    """
    from dmad import api
    from dmad.runs import find_model

    values = {item.name: getattr(request, item.name) for item in fields(request)}
    values |= {"footage": footage, "zone": zone.zone(), "root": data.root, "cache": data.cache}
    calibration = api.calibrate(run, CalibrationRequest(**values))
    api.log_threshold(calibration)
    if calibration.options:
        show_options(calibration)
    show(request.out or find_model(run).card)


def show_options(calibration: Calibration) -> None:
    """Print a table of five thresholds: their false alarms, and how many anomalies they find."""
    unit = calibration.budget.unit
    things = "alarms" if calibration.budget.counts_events else f"{unit}s above the threshold"
    columns = ("threshold", "false alarms expected", f"{things} in the normal data", "found")
    rows = [
        (
            f"{option.threshold:.3g}{mark(option.threshold == calibration.threshold)}",
            rate_text(option.false_alarms, calibration.budget),
            f"{option.observed}",
            "" if option.found is None else f"{option.found:.0%}",
        )
        for option in calibration.options
    ]
    notes = ["found: share of the synthetic anomalies (drawn into normal data) that raise an alarm"]
    show_table("Thresholds, their false alarms, and what they find", columns, rows, notes)


def mark(is_set: bool) -> str:
    """Return " (set)" for the threshold that was set, and an empty text for other thresholds."""
    return " (set)" if is_set else ""


def rate_text(rate: float, budget: Budget) -> str:
    """Return a rate of false alarms as text: per hour or day, or in percent."""
    if not budget.counts_events:
        return f"{rate:.2%} of the {budget.unit}s"
    if rate >= 100:
        return f"{float(f'{rate:.2g}'):.0f}/hour"  # 350, not 3.5e+02
    return f"{rate:.2g}/hour" if rate >= SLOWEST_PER_HOUR else f"{24 * rate:.2g}/day"
