"""`dmad bench`: the table on screen is the table that the page of results takes."""

import json
from pathlib import Path

import pytest

from dmad import bench
from dmad.cli.main import run
from dmad.experiments.tables import Table


def test_bench_times_both_ways_and_writes_what_it_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "ROUNDS", 1)
    monkeypatch.setattr(bench, "FRAMES", 6)
    run(["bench", "predict", "--sizes", "[32]", "--out", f"{tmp_path}"])
    stored = json.loads((tmp_path / "bench-predict.json").read_text())
    (line,) = stored["lines"]
    size, plain, shipped, faster = map(float, line)
    assert size == 32
    assert faster == pytest.approx(plain / shipped, rel=0.1)
    shown = capsys.readouterr().out
    assert all(cell in shown for cell in line)
    assert stored["machine"] in shown


def test_a_bench_runs_both_ways_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(bench.JOBS, "train", lambda config: (lambda: 0.3, lambda: 0.1))
    found = bench.bench("train", [64])
    assert found == Table(
        "dmad bench train",
        ["size", "plain ms", "shipped ms", "times faster"],
        [["64", "300.0", "100.0", "3.00"]],
    )
