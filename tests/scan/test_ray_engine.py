"""Tasks on a Ray cluster of this machine. Without Ray, the test is skipped."""

import pytest

from dmad.scan.archive import Source, identity_of
from dmad.scan.parts import read_info
from dmad.scan.plan import Task
from dmad.scan.ray_engine import cut_ahead
from dmad.scan.settings import JudgeSettings, WorkerOptions


def test_a_long_film_is_cut_before_it_is_judged(model, write_film, tmp_path):
    settings = JudgeSettings(str(model), tmp_path / "parts", stretch=2.0)
    path = str(write_film(tmp_path / "film.mp4", 60))
    task = Task.of([Source(path, *identity_of(path), "gate")])
    stretches = cut_ahead(task, settings)
    info = read_info(tmp_path / "parts" / f"{task.name}.parquet")
    assert [one.stretch for one in stretches] == list(info.stretches)
    assert len(stretches) == 3
    short = str(write_film(tmp_path / "short.mp4", 10))
    assert cut_ahead(Task.of([Source(short, *identity_of(short), "gate")]), settings) == []
    gone = Task.of([Source(str(tmp_path / "gone.mp4"), 1, "1", "gate")])
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
