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

    No abnormal data is needed. Options that you do not give keep the value of the last
    calibration. The threshold is stored with the model. With --out, it is stored in a
    file of its own, for one camera. The command prints the path of this file.

    Examples:
      dmad calibrate RUN --false-alarms 1/day
      dmad calibrate RUN yard/*.mp4 --scene yard --out yard.json
      dmad calibrate RUN --normal found/clips/gate-1790000000.000.mp4

    Args:
        run: Run folder of `dmad train`, folder of an export, or .safetensors file. With --out also
            the name of a model that comes with dmad, such as ped2.
        footage: Normal videos, folders of frames, or images. The model must not have been trained
            on them (default: the footage of the last calibration; for the first calibration the
            footage that was held out from training).
        request: Options of the calibration.
        zone: Part of the view that is scored.
        data: Where the data set is.
    """
    from dmad import api
    from dmad.runs import find_model

    values = {item.name: getattr(request, item.name) for item in fields(request)}
    values |= {"footage": footage, "zone": zone.zone(), "root": data.root, "cache": data.cache}
    api.log_threshold(api.calibrate(run, CalibrationRequest(**values)))
    print(request.out or find_model(run).card)
