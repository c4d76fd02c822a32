"""`dmad calibrate`."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from dmad.calibration.request import CalibrationRequest
from dmad.cli.options import AS_IN_TRAINING, DataFolders, ZoneOptions


def calibrate_command(
    run: str,
    *footage: Path,
    request: CalibrationRequest,
    zone: ZoneOptions,
    data: DataFolders = AS_IN_TRAINING,
) -> None:
    """Set the threshold of a model from normal data, for a budget of false alarms.

    No abnormal data is needed. What is not given stays as in the last calibration. The
    threshold is stored with the model, or with --out in a file for one camera. The path
    of that file is printed.

    Examples:
      dmad calibrate RUN --false-alarms 1/day
      dmad calibrate RUN yard/*.mp4 --scene yard --out yard.json
      dmad calibrate RUN --normal found/clips/gate-1790000000.000.mp4

    Args:
        run: Run folder, export, .safetensors file, or with --out a shipped model.
        footage: Normal videos, folders of frames or images that were not trained on (default: those
            of the last calibration, else what the training held out).
        request: What is asked.
        zone: Which part of the view counts.
        data: Where the data set is.
    """
    from dmad import api
    from dmad.runs import find_model

    values = {item.name: getattr(request, item.name) for item in fields(request)}
    values |= {"footage": footage, "zone": zone.zone(), "root": data.root, "cache": data.cache}
    api.log_threshold(api.calibrate(run, CalibrationRequest(**values)))
    print(request.out or find_model(run).card)
