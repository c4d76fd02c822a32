"""`dmad.load`: a trained or an exported model, whichever lies there; torch only for the former."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from dmad.inference import runtime
from dmad.runs import is_exported

if TYPE_CHECKING:
    from dmad.inference.detector import Detector


def load(run: str | Path, **options: Any) -> Detector | runtime.Runtime:
    """A model ready to judge, called the same way in either form.

    Args:
        run: Run folder, `.safetensors` file, name of a shipped model such as "ped2", or a folder
            that `dmad export` wrote.
        **options: Of a run as `Detector` takes them (`device`, `fast`); of an export
            `threads`.

    Raises:
        DmadError: No such model, or a package that it needs is missing.
    """
    if is_exported(run):
        return runtime.load(run, **options)
    from dmad.inference.detector import load as load_run

    return load_run(run, **options)
