"""`dmad scan`."""

from __future__ import annotations

import sys
from pathlib import Path

from dmad.cli.process import show
from dmad.errors import require
from dmad.scan.settings import ScanSettings, WorkerOptions

USUAL = ScanSettings()


def scan_command(
    *model_and_archives: str,
    settings: ScanSettings,
    options: WorkerOptions,
    resume: Path | None = None,
) -> None:
    """Find anomalies in an archive of videos or images, on all cores or on a Ray cluster.

    The command writes into the output folder:

    - index.html: a page with the strongest events, and the files that could not be read.
    - events.parquet: all events. An event is an alarm with a start and an end, or an
      anomalous image.
    - scores/: all scores, as a Parquet data set.
    - left_out.csv: the files that were left out, and the reasons.

    --resume continues a scan that was stopped. It also scores files that are new, or that
    have changed.

    The exit code is 0 if all files were scored, and 1 if files were left out. It is 2 if
    the input was bad, or if the scan was stopped.

    Examples:
      dmad scan RUN recordings/ --out found
      dmad scan RUN 's3://bucket/line-1/*.png' --workers 8
      dmad scan --resume found

    Args:
        model_and_archives: First the model, then one or more archives. The model is a run folder of
            `dmad train`, the folder of an export, a .safetensors file, or the name of a model that
            comes with dmad, such as ped2. An archive is a folder, a file, a pattern with *, an
            address such as s3://bucket/folder, or a list of paths (a .txt, .csv or .parquet file).
        settings: What is judged, and what is written.
        options: Where the work is done.
        resume: Output folder of the scan to continue. Do not name a model or archives with this
            option.
    """
    from dmad.scan.scan import ScanRequest, scan

    if resume is None:
        require(len(model_and_archives) > 1, "give a model, and one or several archives")
        run, *archives = model_and_archives
        request = ScanRequest.new(run, archives, settings)
    else:
        require(not model_and_archives, "--resume continues a scan; leave out model and archives")
        given = [name for name, value in vars(settings).items() if value != vars(USUAL)[name]]
        options_given = ", ".join(f"--{name}" for name in given)
        require(not given, f"--resume uses the settings of the scan; leave out {options_given}")
        request = ScanRequest.read(resume)
    result = scan(request, options, resume is not None, own_process=True)
    show(result.folder)
    if result.left_out:
        sys.exit(1)
