"""Runs the tasks of a scan on a Ray cluster, with Ray Data.

All machines of the cluster must see the same folders.
"""

from __future__ import annotations

import logging
import pickle
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from dmad.cluster import Cluster
from dmad.errors import DmadError
from dmad.scan.cutting import Cutter
from dmad.scan.engines import CRASHED, MOST_CRASHES, AnyTask, Crash, Result, stretches_of
from dmad.scan.parts import PartWriter, part_path
from dmad.scan.plan import Task
from dmad.scan.settings import JudgeSettings, WorkerOptions
from dmad.scan.views import ModelCard

logger = logging.getLogger(__name__)

MOST_BLOCKS = 200  # number of tasks of Ray that cut films


class RayEngine:
    """Runs tasks in the actors (worker processes) of a Ray cluster. An actor loads the model once.

    If an actor or its machine fails, Ray starts another actor and repeats the task. If a task
    crashes its actor `MOST_CRASHES` times, the task is left out.

    Args:
        settings: The settings of a worker.
        options: The address of the cluster, and the number and size of the workers.

    Raises:
        DmadError: Ray is not installed, the cluster cannot be reached, or its machines are too
            small for a worker.
    """

    def __init__(self, settings: JudgeSettings, options: WorkerOptions) -> None:
        self.options = options
        threads, gpus = options.threads_per_worker, options.gpus_per_worker
        try:
            import ray.data
        except ImportError as error:
            raise DmadError("--ray needs Ray; install it with: pip install 'dmad[ray]'") from error
        self._cluster = Cluster(options.ray, threads, gpus)
        self.workers = options.workers or self._cluster.cores // threads
        self.settings = replace(settings, rate=options.limit_rate / self.workers)
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        for name in ("ray", "ray.data"):
            logging.getLogger(name).setLevel(logging.ERROR)
        context.execution_options.preserve_order = False
        self._allowed_errors = context.max_errored_blocks
        context.max_errored_blocks = -1  # a task whose result is missing is left out

    def run(self, tasks: Iterable[AnyTask]) -> Iterator[Result]:
        """Run tasks, and yield the result of each as soon as it is ready.

        Long films are cut first, by tasks that do not load the model.
        """
        left = list(tasks)
        if left and isinstance(left[0], Task):
            left = self._with_stretches(left)
        known: set[str] = set()
        while left:
            known |= {task.name for task in left}
            more: list[AnyTask] = []
            for result in self._results(left):
                more += [task for task in stretches_of(result) if task.name not in known]
                yield result
            left = more  # stretches of films that could not be cut before

    def _with_stretches(self, tasks: list[AnyTask]) -> list[AnyTask]:
        """Cut long films into stretches (parts). Return the tasks, and a task for each stretch."""
        import ray

        rows = [{"task": pickle.dumps(task)} for task in tasks]
        data = ray.data.from_items(rows, override_num_blocks=min(len(rows), MOST_BLOCKS))
        with _limited_retries():
            cut = data.flat_map(_Cut(self.settings), num_cpus=1, max_retries=MOST_CRASHES - 1)
        found: list[AnyTask] = [pickle.loads(row["task"]) for row in cut.iter_rows()]
        known = {task.name for task in found}
        return [*found, *(task for task in tasks if task.name not in known)]

    def _results(self, tasks: list[AnyTask]) -> Iterator[Result]:
        """Yield the result of each task. An actor has one task at a time."""
        import ray

        rows = [{"task": pickle.dumps(task)} for task in tasks]
        data = ray.data.from_items(rows, override_num_blocks=len(rows))
        with _limited_retries():
            judged = data.map_batches(
                _Worker,
                fn_constructor_args=(self.settings,),
                batch_size=1,
                compute=ray.data.ActorPoolStrategy(
                    size=min(self.workers, len(rows)), max_tasks_in_flight_per_actor=1
                ),
                num_cpus=self.options.threads_per_worker,
                num_gpus=self.options.gpus_per_worker or None,
                max_task_retries=MOST_CRASHES - 1,
            )
        lost = {task.name: task for task in tasks}
        for row in judged.iter_rows():
            result: Result | Exception = pickle.loads(row["result"])
            if isinstance(result, Exception):
                raise result
            del lost[row["name"]]
            yield result
        for task in lost.values():
            logger.warning(f"{task.title}: {CRASHED}")
            yield Crash(task)

    def close(self) -> None:
        """Close the connection to the cluster. A cluster that this scan has started is stopped."""
        import ray.data

        ray.data.DataContext.get_current().max_errored_blocks = self._allowed_errors
        self._cluster.close()


@contextmanager
def _limited_retries() -> Iterator[None]:
    """Hide a warning of Ray in a `with` statement.

    From version 2.64 on, Ray warns that the arguments for the number of retries are deprecated.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`ray_remote_args` is deprecated")
        yield


class _Cut:
    """Cuts films in Ray Data: takes a row with a task, and returns a list of rows with tasks.

    The first returned row has the same task. If the film of this task is cut, a row for each
    stretch (part) follows.
    """

    def __init__(self, settings: JudgeSettings) -> None:
        self.settings = settings

    def __call__(self, row: dict[str, Any]) -> list[dict[str, Any]]:
        task: Task = pickle.loads(row["task"])
        tasks = [task, *cut_ahead(task, self.settings)]
        return [{"task": pickle.dumps(one)} for one in tasks]


def cut_ahead(task: Task, settings: JudgeSettings) -> list[Task]:
    """Cut the film of a task, write the result, and return a task for each stretch (part).

    If the task has no film to cut, or if the film cannot be read, nothing is written, and the list
    is empty.
    """
    model = ModelCard.read(settings.run)
    if model.form.judges == "images":
        return []
    try:
        info = Cutter(model, settings.views(model), settings.stretch).info(task)
    except Exception:  # the worker that judges the film reports the error
        return []
    if info is None:
        return []
    with PartWriter(part_path(settings.parts, task.name)) as writer:
        writer.finish(info)
    return [Task.of(task.sources, one) for one in info.stretches]


class _Worker:
    """An actor (worker process) of Ray, which loads the model once, and then runs tasks."""

    def __init__(self, settings: JudgeSettings) -> None:
        from dmad.scan.worker import prepare_actor

        prepare_actor(settings.threads)
        self.settings = settings

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
        from dmad.scan.worker import work

        (task,) = (pickle.loads(one) for one in batch["task"])
        try:
            result: object = work(self.settings, task)
        except Exception as error:  # Ray would leave the task out
            result = error
        return {"name": [task.name], "result": [pickle.dumps(result)]}
