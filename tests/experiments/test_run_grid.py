"""Running a grid: nothing is done twice, and only runs that belong together share a table."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from dmad.config import changed
from dmad.errors import DmadError
from dmad.evaluation.metrics import micro_auroc
from dmad.evaluation.score_file import read_scores
from dmad.experiments.ablation import VIDEO_COLUMNS, video_parts
from dmad.experiments.effort import Effort
from dmad.experiments.grid import TRAINING, Column, Grid, read_outcomes
from dmad.experiments.run_grid import base_config, look_up, run_grid, with_data
from dmad.hardware import default_device, describe_machine
from dmad.runs import read_config


@pytest.fixture
def grid(trained) -> Grid:
    """A grid of two variants that train for one epoch."""
    base = read_config(trained)
    variants = {"full": base, "- memory": video_parts(base)["- memory"]}
    return Grid("some", variants, VIDEO_COLUMNS)


def times_of_change(folder: Path) -> dict[Path, int]:
    """When each model and ledger was written."""
    files = [*folder.rglob("model.safetensors"), *folder.rglob("ledger.json")]
    return {path: path.stat().st_mtime_ns for path in files}


def test_every_variant_is_trained_with_every_seed(grid, tmp_path) -> None:
    outcomes = run_grid(grid, tmp_path, Effort(seeds=[0, 1]))
    assert [one.key for one in outcomes] == [
        ("full", 0), ("full", 1), ("- memory", 0), ("- memory", 1)
    ]  # fmt: skip
    for one in outcomes:
        folder = tmp_path / one.variant / f"seed{one.seed}"
        scores = read_scores(folder / "evaluation" / "scores.npz")
        expected = micro_auroc(scores.channels["score"], scores.labels)
        assert one.values["Eq. 14 raw"] == pytest.approx(expected)
        (epoch,) = json.loads((folder / "model.json").read_text())["history"]
        assert one.minutes == pytest.approx(epoch["seconds"] / 60)
        assert one.machine == describe_machine(default_device())
    assert "| full | 0, 1 | 1 | 8 | 32 | fp32 |" in (tmp_path / "some.md").read_text()
    stored = json.loads((tmp_path / "some.json").read_text(), parse_constant=pytest.fail)
    assert stored["outcomes"][-1]["figures"]["perplexity"] is None  # there is no memory
    assert {path.suffix for path in tmp_path.glob("some.*")} == {
        ".csv", ".json", ".md", ".pdf", ".png"
    }  # fmt: skip


def test_finished_runs_are_not_repeated(grid, tmp_path) -> None:
    first = run_grid(grid, tmp_path, Effort())
    before = times_of_change(tmp_path)
    assert repr(run_grid(grid, tmp_path, Effort())) == repr(first)
    only_one = Effort(only=["full"])
    assert repr(run_grid(grid, tmp_path, only_one)) == repr(first)  # the other row stays
    assert times_of_change(tmp_path) == before


def test_a_stopped_grid_goes_on_where_it_was(grid, tmp_path) -> None:
    run_grid(grid, tmp_path, Effort())
    before = times_of_change(tmp_path)
    stopped = json.loads((tmp_path / "some.json").read_text())
    stopped["outcomes"].pop()
    (tmp_path / "some.json").write_text(json.dumps(stopped))
    (ledger,) = (tmp_path / "- memory").rglob("ledger.json")
    ledger.unlink()
    del before[ledger]
    assert [one.variant for one in run_grid(grid, tmp_path, Effort())] == ["full", "- memory"]
    assert before.items() <= times_of_change(tmp_path).items()  # nothing else is done again
    assert len(read_outcomes(tmp_path / "some.json")) == 2


def test_other_settings_need_another_folder(grid, tmp_path) -> None:
    run_grid(grid, tmp_path, Effort(only=["full"]))
    other = replace(grid, variants={"full": grid.variants["- memory"]})
    with pytest.raises(DmadError, match="other settings"):
        run_grid(other, tmp_path, Effort())
    with pytest.raises(DmadError, match="'full' of 1 epochs at 32 px, not 2 at 32"):
        run_grid(grid, tmp_path, Effort(epochs=2))
    with pytest.raises(DmadError, match="'full' of 1 epochs at 32 px, not 2"):
        run_grid(grid, tmp_path, Effort(epochs=2, only=["- memory"]))


def test_all_seeds_of_a_row_have_the_same_settings(grid, tmp_path) -> None:
    run_grid(grid, tmp_path, Effort(seeds=[0], only=["full"]))
    other = replace(grid, variants={"full": changed(grid.variants["full"], lr=0.5)})
    with pytest.raises(DmadError, match="seed0 holds a run with other settings"):
        run_grid(other, tmp_path, Effort(seeds=[1]))


def test_an_outcome_keeps_its_machine_if_the_card_names_none(grid, tmp_path) -> None:
    only_one = Effort(only=["full"])
    run_grid(grid, tmp_path, only_one)
    stored = json.loads((tmp_path / "some.json").read_text())
    stored["outcomes"][0]["machine"] = "another"
    (tmp_path / "some.json").write_text(json.dumps(stored))
    path = tmp_path / "full" / "seed0" / "model.json"
    card = json.loads(path.read_text())
    del card["machine"]
    path.write_text(json.dumps(card))
    (outcome,) = run_grid(grid, tmp_path, only_one)
    assert outcome.machine == "another"


def test_an_earlier_outcome_without_a_column_is_refused(grid, tmp_path) -> None:
    only_one = Effort(only=["full"])
    run_grid(grid, tmp_path, only_one)
    stored = json.loads((tmp_path / "some.json").read_text())
    stored["outcomes"][0]["figures"].popitem()
    (tmp_path / "some.json").write_text(json.dumps(stored))
    with pytest.raises(DmadError, match="holds 'full' without"):
        run_grid(grid, tmp_path, only_one)


def test_a_value_comes_from_the_ledger_or_from_the_last_epoch() -> None:
    row = {"block": "paper", "signal": "published ped2 protocol", "metric": "AP", "value": 0.5}
    ledger = Column("AP", "paper", "published {recipe} protocol", "AP")
    curve = Column("strength", TRAINING, "", "strength")
    assert look_up(ledger, "ped2", [row], {}) == 0.5
    assert look_up(curve, "ped2", [row], {"strength": 0.25}) == 0.25
    missing = look_up(ledger, "avenue", [row], {})
    assert missing != missing  # NaN


def test_the_settings_of_a_run_are_varied_from_scratch(trained, tmp_path) -> None:
    base = base_config(trained, tmp_path, tmp_path / "cache")
    assert base.train.start is None
    assert (base.data.root, base.data.cache) == (tmp_path, tmp_path / "cache")
    assert with_data(base, None, None) == base
