"""Training the runs of a grid one after another, or with Ray; without Ray, this is skipped."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from dmad.cluster import Cluster
from dmad.config import changed
from dmad.errors import DmadError, StoppedError
from dmad.experiments.ablation import VIDEO_COLUMNS, video_parts
from dmad.experiments.effort import Effort
from dmad.experiments.grid import Grid, PlannedRun
from dmad.experiments.grid_workers import HERE, GridWorkers, finish_run, run_all
from dmad.experiments.run_grid import run_grid
from dmad.runs import has_model, read_config

LOCAL = GridWorkers(ray="local")


@pytest.fixture
def runs(trained, tmp_path) -> list[PlannedRun]:
    """Two runs of which the second cannot be trained, because its data is missing."""
    config = read_config(trained)
    bad = replace(config, data=replace(config.data, root=tmp_path / "nothing"))
    return [
        PlannedRun("bad", bad, tmp_path / "bad" / "seed0"),
        PlannedRun("good", config, tmp_path / "good" / "seed0"),
    ]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A cluster that all tests here share."""
    pytest.importorskip("ray", reason="Ray is not installed: pip install '.[ray]'")
    with closing(Cluster("local")) as one:
        yield one


@pytest.fixture
def workers(request) -> GridWorkers:
    """Where the runs are trained."""
    if request.param.ray:
        request.getfixturevalue("cluster")
    return request.param


pytestmark = pytest.mark.filterwarnings("ignore")  # those of Ray
both = pytest.mark.parametrize("workers", [HERE, LOCAL], indirect=True, ids=["here", "ray"])


@both
def test_a_run_that_fails_does_not_stop_the_others(workers, runs):
    results = {run.variant: result for run, result in run_all(runs, workers)}
    assert has_model(runs[1].folder)
    assert {row["block"] for row in results["good"].rows} == {"blind", "deployable"}
    assert "does not exist; give the folder of the data set" in results["bad"].failure
    assert "\n" not in results["bad"].failure


@both
def test_a_grid_shows_what_is_finished_and_names_the_first_failure(workers, runs, tmp_path, logged):
    grid = Grid("some", {run.variant: run.config for run in runs}, VIDEO_COLUMNS)
    with pytest.raises(DmadError, match=r"^1 of 2 trainings failed.* bad, seed 0: .*nothing"):
        run_grid(grid, tmp_path, Effort(workers=workers))
    assert "bad, seed 0: --data.root" in logged()
    assert "| good | 0 |" in (tmp_path / "some.md").read_text()
    whole = replace(grid, variants={"bad": runs[1].config, "good": runs[1].config})
    before = (tmp_path / "good" / "seed0" / "model.safetensors").stat().st_mtime_ns
    outcomes = run_grid(whole, tmp_path, Effort(workers=workers))
    assert [one.variant for one in outcomes] == ["bad", "good"]
    assert (tmp_path / "good" / "seed0" / "model.safetensors").stat().st_mtime_ns == before


@pytest.mark.usefixtures("cluster")
def test_a_cluster_trains_the_same_models(trained, tmp_path):
    base = read_config(trained)
    grid = Grid("some", {"full": base, "- memory": video_parts(base)["- memory"]}, VIDEO_COLUMNS)
    here = run_grid(grid, tmp_path / "here", Effort())
    there = run_grid(grid, tmp_path / "there", Effort(workers=LOCAL))
    assert [one.key for one in here] == [one.key for one in there]
    for one, other in zip(here, there, strict=True):
        assert one.values == pytest.approx(other.values, rel=1e-4, nan_ok=True)


def test_a_run_that_the_user_stops_stops_the_others(runs, monkeypatch):
    def stop(*_):
        raise StoppedError("stopped")

    monkeypatch.setattr("dmad.experiments.grid_workers.complete", stop)
    with pytest.raises(StoppedError):
        list(run_all(runs))


def test_an_unexpected_error_of_a_run_is_one_line(runs, monkeypatch):
    def fail(*_):
        raise RuntimeError("CUDA out of memory.\nTried to allocate 2 GiB")

    monkeypatch.setattr("dmad.experiments.grid_workers.complete", fail)
    failures = [result.failure for _, result in run_all(runs)]
    assert failures == 2 * ["RuntimeError: CUDA out of memory. Tried to allocate 2 GiB"]


def test_a_folder_with_other_settings_is_refused(runs):
    finish_run(runs[1])
    other = replace(runs[1], config=changed(runs[1].config, lr=0.5))
    with pytest.raises(DmadError, match="other settings"):
        finish_run(other)


def test_sizes_of_workers_need_a_cluster():
    with pytest.raises(DmadError, match="need --ray"):
        GridWorkers(threads_per_worker=2)
    with pytest.raises(DmadError, match=r"experiment\.gpus_per_worker is -1"):
        GridWorkers("local", gpus_per_worker=-1.0)
