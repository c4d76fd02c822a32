"""Runs the tasks of a scan: in this process, or in several processes of this machine."""

from __future__ import annotations

import logging
import multiprocessing
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Protocol

from dmad.scan.drawing_task import DrawingTask
from dmad.scan.judge import TaskReport
from dmad.scan.plan import Task
from dmad.scan.settings import JudgeSettings
from dmad.scan.worker import prepare_process, work

logger = logging.getLogger(__name__)

MOST_CRASHES = 5  # if a task makes its worker crash so often, it is left out
CRASHED = "its worker crashed several times"

AnyTask = Task | DrawingTask


@dataclass(frozen=True)
class Crash:
    """A task that made its worker crash several times. The task is left out."""

    task: AnyTask
    reason: str = CRASHED


Result = TaskReport | DrawingTask | Crash


class Engine(Protocol):
    """The interface of all engines. An engine runs the tasks of a scan."""

    def run(self, tasks: Iterable[AnyTask]) -> Iterator[Result]:
        """Run tasks, and yield the result of each task as soon as it is ready.

        If a task cuts a film into stretches (parts), the tasks of the stretches are run too.
        """

    def close(self) -> None:
        """Stop the workers at once."""


def stretches_of(result: Result) -> list[Task]:
    """Return a task for each stretch (part) of the film that a task has cut.

    Return an empty list if the task has cut no film.
    """
    if not isinstance(result, TaskReport):
        return []
    return [Task.of(result.task.sources, one) for one in result.info.stretches]


class ThisProcess:
    """Runs tasks in this process.

    Args:
        settings: The settings of the worker.
    """

    def __init__(self, settings: JudgeSettings) -> None:
        self.settings = settings

    def run(self, tasks: Iterable[AnyTask]) -> Iterator[Result]:
        """Run tasks, and yield the result of each as soon as it is ready."""
        for task in tasks:
            result = work(self.settings, task)
            yield result
            yield from (work(self.settings, stretch) for stretch in stretches_of(result))

    def close(self) -> None:
        """Do nothing."""


class Processes:
    """Runs tasks in processes of this machine. If a process is killed, its tasks are repeated.

    Args:
        settings: The settings of a worker.
        workers: Number of processes.
    """

    def __init__(self, settings: JudgeSettings, workers: int) -> None:
        self.settings, self.workers = settings, workers
        self._others = set(multiprocessing.active_children())  # not of this engine
        self._pool: ProcessPoolExecutor | None = None
        self._running: dict[Future[TaskReport | DrawingTask], AnyTask] = {}
        self._first: deque[AnyTask] = deque()  # these run before the tasks of the iterator
        self._alone: deque[AnyTask] = deque()  # these run alone: one may crash a worker
        self._crashes: Counter[str] = Counter()

    def run(self, tasks: Iterable[AnyTask]) -> Iterator[Result]:
        """Run tasks, and yield the result of each as soon as it is ready.

        Raises:
            DmadError: The model cannot be loaded.
        """
        left = iter(tasks)
        while True:
            self._start(left)
            if not self._running:
                return
            done, _ = wait(self._running, return_when=FIRST_COMPLETED)
            for future in done:
                task = self._running.pop(future)
                try:
                    result: Result = future.result()
                except BrokenProcessPool:
                    yield from self._after_crash(task)
                    break
                self._first.extend(stretches_of(result))
                yield result

    def close(self) -> None:
        """Stop the processes at once."""
        if self._pool is None:
            return
        for process in set(multiprocessing.active_children()) - self._others:
            process.kill()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._pool = None

    def _start(self, left: Iterator[AnyTask]) -> None:
        """Give the workers more tasks. A task that may have crashed a worker runs alone.

        Args:
            left: The tasks that were not given to a worker yet.
        """
        most = self.workers + (self.workers + 1) // 2  # so that no worker waits
        while len(self._running) < most:
            if self._alone:
                if self._running:
                    return
                self._submit(self._alone.popleft())
                return
            task = self._first.popleft() if self._first else next(left, None)
            if task is None:
                return
            self._submit(task)

    def _submit(self, task: AnyTask) -> None:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self.workers,
                multiprocessing.get_context("spawn"),
                prepare_process,
                (self.settings.threads,),
            )
        try:
            self._running[self._pool.submit(work, self.settings, task)] = task
        except BrokenProcessPool:  # a worker was killed while it had nothing to do
            self.close()
            self._submit(task)

    def _after_crash(self, task: AnyTask) -> Iterator[Result]:
        """Yield the results of finished tasks after a worker has crashed.

        The unfinished tasks (`task` and others) are repeated one by one, to find the task that
        crashes its worker.
        """
        lost = [task]
        for future, other in self._running.items():
            try:
                yield future.result()
            except BrokenProcessPool:
                lost.append(other)
        self._running.clear()
        self.close()
        if len(lost) == 1:
            self._crashes[task.name] += 1
            if self._crashes[task.name] >= MOST_CRASHES:
                logger.warning(f"{task.title}: {CRASHED}")
                yield Crash(task)
                return
        logger.warning("a worker crashed; the unfinished tasks are repeated")
        self._alone.extend(lost)
