"""A worker: a process that loads the model once, and then judges tasks."""

from __future__ import annotations

import logging
import os
import signal
from functools import cache
from multiprocessing import connection, parent_process
from threading import Thread

from dmad.scan.drawing_task import DrawingTask
from dmad.scan.judge import Judge, TaskReport
from dmad.scan.plan import Task
from dmad.scan.settings import JudgeSettings


@cache
def judge_with(settings: JudgeSettings) -> Judge:
    """Return the judge of this process. The first call makes the judge, and loads the model."""
    return Judge(settings)


def work(settings: JudgeSettings, task: Task | DrawingTask) -> TaskReport | DrawingTask:
    """Run a task in this process: judge its sources, or draw its events. Return the result."""
    judge = judge_with(settings)
    if isinstance(task, Task):
        return judge.judge(task)
    from dmad.scan.draw import draw

    return draw(judge, task)


def prepare_process(threads: int) -> None:
    """Prepare a worker process of the engine `Processes`, before torch is imported.

    The process uses `threads` cores, ignores Ctrl-C, and ends when its parent process ends.
    """
    prepare_actor(threads)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()


def prepare_actor(threads: int) -> None:
    """Set the number of cores of a process that Ray has started, before torch is imported."""
    os.environ["OMP_NUM_THREADS"] = str(threads)
    logging.getLogger("dmad").addHandler(logging.NullHandler())


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGKILL)
