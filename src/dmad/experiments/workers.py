"""Runs one after another here, or side by side on the workers of a Ray cluster."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import torch

from dmad.config import Config
from dmad.errors import DmadError

logger = logging.getLogger(__name__)

Cell = tuple[str, Config, Path]  # title, settings and folder of a run
Found = TypeVar("Found")


def each(
    work: Callable[[Config, Path], Found], cells: Iterable[Cell], ray: bool
) -> Iterator[tuple[Cell, Found]]:
    """Do the work of every run, and give what it found as soon as it is done.

    Args:
        work: Trains and judges one.
        cells: The runs.
        ray: On a Ray cluster: that of the environment (`RAY_ADDRESS`), else one started here. Its
            workers need the same folders, as of a shared disk.

    Raises:
        DmadError: Ray is not installed, or what the work itself raises.
    """
    if ray:
        yield from _on_ray(work, list(cells))
        return
    for cell in cells:
        _tell(cell, "")
        yield cell, work(*cell[1:])


def _tell(cell: Cell, done: str) -> None:
    logger.info(f"{cell[0]}, seed {cell[1].train.seed}{done}")


def _on_ray(
    work: Callable[[Config, Path], Found], cells: list[Cell]
) -> Iterator[tuple[Cell, Found]]:
    """One worker a run: a GPU each where there are some, else a core each."""
    try:
        import ray
    except ImportError as error:
        raise DmadError("--ray needs Ray; pip install ray") from error
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    ray.init(ignore_reinit_error=True, log_to_driver=False, include_dashboard=False)
    remote: Any = ray.remote(num_cpus=1, num_gpus=int(torch.cuda.is_available()))(work)
    waiting = {remote.remote(config, folder.resolve()): i
               for i, (_, config, folder) in enumerate(cells)}  # fmt: skip
    while waiting:
        (done, *_), _ = ray.wait(list(waiting))
        cell = cells[waiting.pop(done)]
        try:
            found = ray.get(done)
        except ray.exceptions.RayTaskError as error:
            raise error.cause if isinstance(error.cause, DmadError) else error from None
        _tell(cell, ": done")
        yield cell, found
