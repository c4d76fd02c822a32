"""Tasks in this process and in processes, which may be killed."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from dmad.errors import DmadError
from dmad.scan.archive import ArchiveSource, identity_of
from dmad.scan.engines import Crash, Processes, ThisProcess, stretches_of
from dmad.scan.judge import TaskReport
from dmad.scan.plan import Task
from dmad.scan.settings import JudgeSettings


@pytest.fixture
def tasks(write_film, tmp_path) -> list[Task]:
    """A short film, and a film that is cut into three stretches."""
    paths = [write_film(tmp_path / f"{n}.mp4", count, n) for n, count in enumerate((20, 60))]
    return [Task.of([ArchiveSource(str(one), *identity_of(str(one)), "gate")]) for one in paths]


def settings_of(model: Path, parts: Path, **values) -> JudgeSettings:
    parts.mkdir(exist_ok=True)
    return JudgeSettings(str(model), parts, device="cpu", stretch=2.0, **values)


def test_this_process_judges_the_stretches_of_a_film_too(model, tasks, tmp_path):
    engine = ThisProcess(settings_of(model, tmp_path / "parts"))
    reports = list(engine.run(tasks))
    engine.close()
    assert [report.info.stretch for report in reports] == [None, None, 0, 1, 2]
    assert [report.info.rows for report in reports] == [20, 0, 20, 20, 20]
    assert len(stretches_of(reports[1])) == 3
    assert stretches_of(Crash(tasks[0])) == []


def test_processes_go_on_after_a_kill_and_give_the_same_results(model, tasks, tmp_path, logged):
    expected = {one.task.name for one in ThisProcess(settings_of(model, tmp_path / "a")).run(tasks)}
    engine = Processes(settings_of(model, tmp_path / "b", own_process=True), 2)
    killed = threading.Event()

    def kill() -> None:
        while not killed.is_set():
            found = children() - before
            if found and any((tmp_path / "b").iterdir()):
                os.kill(min(found), signal.SIGKILL)
                killed.set()
            time.sleep(0.01)

    before = children()
    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    try:
        reports = list(engine.run(tasks))
    finally:
        killed.set()
        thread.join()
        engine.close()
    assert all(isinstance(report, TaskReport) for report in reports)
    assert {report.task.name for report in reports} == expected
    assert {path.stem for path in (tmp_path / "b").glob("*.parquet")} == expected
    assert len(reports) == len(expected)
    assert children() - before == set()


def children() -> set[int]:
    """The processes that this one has started to work, by `spawn`."""
    found = set()
    for path in Path(f"/proc/{os.getpid()}/task").glob("*/children"):
        for child in path.read_text().split():
            command = Path(f"/proc/{child}/cmdline")
            if command.exists() and "spawn_main" in command.read_text():
                found.add(int(child))
    return found


class Fatal(Task):
    """A task that ends the process that reads it, as a crash of a decoder does."""

    def __reduce__(self):
        return os._exit, (1,)


def test_a_task_that_ends_its_worker_each_time_is_left_out(monkeypatch, tmp_path, logged):
    monkeypatch.setattr("dmad.scan.engines.MOST_CRASHES", 2)
    bad = Fatal("bad", "gate", (ArchiveSource("bad.mp4", 1, "1", "gate"),))
    engine = Processes(settings_of(tmp_path, tmp_path / "parts"), 1)
    results = list(engine.run([bad]))
    engine.close()
    assert results == [Crash(bad)]
    assert "bad.mp4: its worker crashed" in logged()


def test_a_model_that_cannot_be_loaded_ends_the_scan(tasks, tmp_path):
    engine = Processes(settings_of(tmp_path / "nothing", tmp_path / "parts"), 1)
    try:
        with pytest.raises(DmadError, match="no model at"):
            list(engine.run(tasks))
    finally:
        engine.close()
