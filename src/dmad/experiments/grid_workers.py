"""Trains and evaluates the runs of a grid: one after another, or at the same time with Ray."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

from dmad.api import complete, evaluate
from dmad.cluster import Cluster
from dmad.errors import DmadError, StoppedError, check_settings, one_line, require
from dmad.evaluation.ledger_file import read_rows
from dmad.experiments.grid import PlannedRun
from dmad.runs import Run, read_config

logger = logging.getLogger(__name__)

Rows = list[dict[str, Any]]  # rows of a `ledger.json`


@dataclass(frozen=True)
class GridWorkers:
    """Where the runs of a grid are trained.

    Args:
        ray: Address of a Ray cluster: `auto`, `local` or HOST:PORT. Empty: the runs are trained one
            after another in this process.
        threads_per_worker: Processor cores of a training on a cluster.
        gpus_per_worker: GPUs of a training on a cluster.
    """

    ray: str = ""
    threads_per_worker: int = 1
    gpus_per_worker: float = 0.0

    def __post_init__(self) -> None:
        check_settings(self, "experiment", threads_per_worker=1, gpus_per_worker=0)
        is_usual = (self.threads_per_worker, self.gpus_per_worker) == (1, 0.0)
        require(
            bool(self.ray) or is_usual,
            "--threads-per-worker and --gpus-per-worker need --ray; give --ray local",
        )


HERE = GridWorkers()


@dataclass(frozen=True)
class RunResult:
    """The result of a run: the rows of its ledger, or the reason why it failed."""

    rows: Rows = field(default_factory=list)  # of its ledger
    failure: str = ""  # why it failed, in one line; empty if it is finished


def run_all(
    runs: Sequence[PlannedRun], workers: GridWorkers = HERE
) -> Iterator[tuple[PlannedRun, RunResult]]:
    """Train and evaluate runs. Yield each run with its result as soon as it ends.

    Finished work is not repeated. If a run fails, the other runs continue.

    Raises:
        StoppedError: The user stopped the program.
        DmadError: The cluster cannot be reached, or is too small.
    """
    return _on_cluster(runs, workers) if workers.ray else _one_by_one(runs)


def _one_by_one(runs: Sequence[PlannedRun]) -> Iterator[tuple[PlannedRun, RunResult]]:
    for run in runs:
        logger.info(run.title)
        yield run, result_of(run)


def _on_cluster(
    runs: Sequence[PlannedRun], workers: GridWorkers
) -> Iterator[tuple[PlannedRun, RunResult]]:
    threads, gpus = workers.threads_per_worker, workers.gpus_per_worker
    with closing(Cluster(workers.ray, threads, gpus)) as cluster:
        import ray

        logger.info(f"{len(runs)} trainings on a cluster of {cluster.cores} cores")
        train = ray.remote(num_cpus=threads, num_gpus=gpus)(_in_worker)
        left = {
            train.remote(replace(run, folder=run.folder.absolute()), workers): run for run in runs
        }
        try:
            while left:
                (done,), _ = ray.wait(list(left))
                run = left.pop(done)
                try:
                    result = ray.get(done)
                except ray.exceptions.RayError as error:  # its process crashed several times
                    result = RunResult(failure=f"its worker crashed ({type(error).__name__})")
                else:
                    state = "failed" if result.failure else "finished"
                    logger.info(f"{run.title}: {state}, {len(left)} left")
                yield run, result
        except KeyboardInterrupt as error:
            again = "start the experiment again with the same command, and it continues"
            raise StoppedError(f"stopped; {again}") from error
        finally:
            for task in left:
                ray.cancel(task, force=True)


def _in_worker(run: PlannedRun, workers: GridWorkers) -> RunResult:
    """Train and evaluate a run in a process that Ray has started."""
    if not workers.gpus_per_worker:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    import torch

    from dmad.data.reading.image_files import allow_large_images
    from dmad.hardware import set_process_defaults

    allow_large_images()
    torch.set_num_threads(workers.threads_per_worker)
    set_process_defaults()
    return result_of(run)


def result_of(run: PlannedRun) -> RunResult:
    """Train and evaluate a run in this process. Finished work is not repeated.

    Raises:
        StoppedError: The user stopped the program.
    """
    try:
        return RunResult(finish_run(run))
    except StoppedError:
        raise
    except DmadError as error:
        return RunResult(failure=one_line(error))
    except Exception as error:  # torch raises many kinds, such as if a GPU has too little memory
        logger.debug("the error of the run", exc_info=True)
        return RunResult(failure=f"{type(error).__name__}: {one_line(error)}")


def finish_run(run: PlannedRun) -> Rows:
    """Train and evaluate a run if necessary. Return the rows of its ledger."""
    folder = Run(run.folder)
    if folder.config.exists():
        check_same_settings(run)
    complete(run.config, run.folder)
    ledger = folder.evaluation / "ledger.json"
    if not ledger.exists():
        evaluate(run.folder)
    return read_rows(ledger)


def check_same_settings(run: PlannedRun) -> None:
    """Check that the run in a folder has the planned settings.

    Raises:
        DmadError: The run in the folder has other settings.
    """
    require(
        read_config(run.folder) == run.config,
        f"{run.folder} holds a run with other settings; choose another folder with --out",
    )
