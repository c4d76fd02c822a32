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
    """Judge an archive of films or images on all cores of this machine, or on a Ray cluster.

    The page index.html in the output folder shows the strongest events with pictures and films, and
    what could not be read. The folder scores holds all scores as a Parquet data set, and
    events.parquet holds all events. --resume continues a scan that was stopped. It also judges new
    files, and files that have changed.

    Exit code 0 means that everything was judged, and 1 that something was left out (left_out.csv
    says what and why). 2 means bad input, or that the scan was stopped.

    Examples:
      dmad scan RUN recordings/ --out found
      dmad scan RUN 's3://bucket/line-1/*.png' --workers 8
      dmad scan --resume found

    Args:
        model_and_archives: The model, then the archives. A model is a run folder of `dmad train`,
            the folder of an export, a .safetensors file, or the name of a model that comes with
            dmad, such as ped2. An archive is a folder, a file, a pattern with *, a .txt, .csv or
            .parquet list of paths, or an address such as s3://bucket/folder.
        settings: What is judged, and what is written.
        options: Where the work is done.
        resume: Folder of a scan to continue. Give no model and no archives then.
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
