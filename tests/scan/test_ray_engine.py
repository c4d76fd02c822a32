"""Tasks on a Ray cluster of this machine. Without Ray, the test is skipped."""

import os

import pytest

from dmad.errors import DmadError
from dmad.scan.archive import ArchiveSource, identity_of
from dmad.scan.engines import Crash
from dmad.scan.parts import read_info
from dmad.scan.plan import Task
from dmad.scan.ray_engine import RayEngine, cut_ahead
from dmad.scan.settings import JudgeSettings, WorkerOptions


def test_a_long_film_is_cut_before_it_is_judged(model, write_film, tmp_path):
    settings = JudgeSettings(str(model), tmp_path / "parts", stretch=2.0)
    path = str(write_film(tmp_path / "film.mp4", 60))
    task = Task.of([ArchiveSource(path, *identity_of(path), "gate")])
    stretches = cut_ahead(task, settings)
    info = read_info(tmp_path / "parts" / f"{task.name}.parquet")
    assert [one.stretch for one in stretches] == list(info.stretches)
    assert len(stretches) == 3
    short = str(write_film(tmp_path / "short.mp4", 10))
    assert cut_ahead(Task.of([ArchiveSource(short, *identity_of(short), "gate")]), settings) == []
    gone = Task.of([ArchiveSource(str(tmp_path / "gone.mp4"), 1, "1", "gate")])
    assert cut_ahead(gone, settings) == []


@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_a_cluster_gives_the_results_of_this_process(
    model, write_film, run_scan, rows_of, tmp_path
):
    pytest.importorskip("ray", reason="Ray is not installed: pip install '.[ray]'")
    for number, count in enumerate((60, 12)):
        write_film(tmp_path / "archive" / f"{number}.mp4", count, number)
    here = run_scan(model, tmp_path / "archive", "here", stretch=2.0)
    options = WorkerOptions(workers=1, ray="local")
    there = run_scan(model, tmp_path / "archive", "there", options=options, stretch=2.0)
    assert rows_of(here.folder) == rows_of(there.folder)
    assert (there.judged, there.left_out) == (2, 0)


class Fatal(Task):
    """A task that ends the process that reads it, as a crash of a decoder does."""

    def __reduce__(self):
        return os._exit, (1,)


@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_a_task_that_ends_its_actor_each_time_is_left_out(model, write_film, tmp_path, monkeypatch):
    ray = pytest.importorskip("ray", reason="Ray is not installed: pip install '.[ray]'")
    monkeypatch.setattr("dmad.scan.ray_engine.MOST_CRASHES", 2)
    path = str(write_film(tmp_path / "film.mp4", 12))
    good = Task.of([ArchiveSource(path, *identity_of(path), "gate")])
    bad = Fatal("bad", "gate", (ArchiveSource("bad.mp4", 1, "1", "gate"),))
    settings = JudgeSettings(str(model), tmp_path / "parts", device="cpu")
    engine = RayEngine(settings, WorkerOptions(workers=1, ray="local"))
    try:
        results = {result.task.name: result for result in engine.run([bad, good])}
    finally:
        engine.close()
    assert results["bad"] == Crash(bad)
    assert results[good.name].info.rows == 12
    assert ray.data.DataContext.get_current().max_errored_blocks == 0


@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_an_error_of_a_worker_ends_the_scan_with_its_message(tmp_path):
    pytest.importorskip("ray", reason="Ray is not installed: pip install '.[ray]'")
    task = Task.of([ArchiveSource("film.mp4", 1, "1", "gate")])
    settings = JudgeSettings(str(tmp_path / "nothing"), tmp_path / "parts", device="cpu")
    engine = RayEngine(settings, WorkerOptions(workers=1, ray="local"))
    try:
        with pytest.raises(DmadError, match="no model at"):
            list(engine.run([task]))
    finally:
        engine.close()


@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_all_workers_of_a_cluster_share_the_limit_of_the_rate(tmp_path):
    ray = pytest.importorskip("ray", reason="Ray is not installed: pip install '.[ray]'")
    options = WorkerOptions(ray="local", limit_rate=6.0)
    try:
        engine = RayEngine(JudgeSettings("ped2", tmp_path / "parts", rate=6.0), options)
        assert engine.workers >= 1
        assert engine.settings.rate * engine.workers == pytest.approx(6.0)
    finally:
        ray.shutdown()
