"""Grids of runs: which variants there are, nothing twice, budgets, and the table."""

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dmad.config import changed
from dmad.errors import DmadError
from dmad.evaluation.metrics import micro_auroc
from dmad.evaluation.score_file import read_scores
from dmad.experiments import contamination as mixing
from dmad.experiments import effort, grid
from dmad.experiments.ablation import GAMMA3, ablation, figures, gamma3, image_parts, video_parts
from dmad.experiments.contamination import events, mixed
from dmad.experiments.effort import Effort, cut
from dmad.experiments.grid import Figure, Grid, Outcome, outcomes_in, run_grid, spread, table
from dmad.experiments.tables import Table
from dmad.hardware import describe, has_fast_bf16, usual_device
from dmad.runs import read_config


def test_image_variants_differ_in_one_thing(trained_images) -> None:
    base = read_config(trained_images)
    found = image_parts(base)
    assert found["+ PPDM"] == base
    assert found["RD + VQ"].model.reductions == ()
    assert found["- cycle"].loss.gamma3 == 0
    assert not found["- VQ"].model.memory
    assert [variant.loss.gamma3 for variant in gamma3(base).values()] == list(GAMMA3)


def test_video_variants_are_those_of_table_4(trained) -> None:
    base = read_config(trained)
    found = video_parts(base)
    assert found["full"] == base
    assert len(found["K = 1"].model.reductions) == 1
    assert found["- strength"].loss.strength == 0 < found["- smoothness"].loss.strength
    assert not found["- background"].model.background
    assert found["memory + skips"].model.skips == "full"
    assert len({repr(config) for config in found.values()}) == 8


def test_one_table_and_nothing_twice(trained, tmp_path, monkeypatch) -> None:
    base = read_config(trained)
    some = {"full": base, "- memory": video_parts(base)["- memory"]}
    declared, both = Grid("some", some, figures(base)), Effort(seeds=[0, 1])
    first = run_grid(declared, tmp_path, both)
    assert [(one.variant, one.seed) for one in first] == [
        ("full", 0), ("full", 1), ("- memory", 0), ("- memory", 1)
    ]  # fmt: skip
    for one in first:
        folder = tmp_path / one.variant / f"seed{one.seed}"
        scores = read_scores(folder / "evaluation" / "scores.npz")
        expected = micro_auroc(scores.channels["score"], scores.labels)
        assert one.figures["Eq. 14 raw"] == pytest.approx(expected)
        (epoch,) = json.loads((folder / "model.json").read_text())["history"]
        assert one.minutes == pytest.approx(epoch["seconds"] / 60)
    precision = "bf16" if has_fast_bf16("cpu") else "fp32"
    assert f"| full | 0, 1 | 1 | 8 | 32 | {precision} |" in (tmp_path / "some.md").read_text()
    lines = (tmp_path / "some.csv").read_text().splitlines()
    assert len(list(csv.reader(lines))) == 5
    stored = json.loads((tmp_path / "some.json").read_text(), parse_constant=pytest.fail)
    assert stored["outcomes"][-1]["figures"]["perplexity"] is None  # there is no memory
    assert stored["outcomes"][0]["variant"] == stored["lines"][0][0] == "full"
    assert {"png", "pdf"} <= {path.suffix[1:] for path in tmp_path.glob("some.*")}
    monkeypatch.setattr("dmad.thresholds.train", None)
    monkeypatch.setattr(grid, "evaluate", None)
    for again in (both, replace(both, only=["full"])):  # the others stay
        assert list(map(repr, run_grid(declared, tmp_path, again))) == list(map(repr, first))
    with pytest.raises(DmadError, match="other settings"):
        run_grid(replace(declared, variants={"full": some["- memory"]}), tmp_path, both)
    with pytest.raises(DmadError, match="'full' of 1 epochs at 32 px, not 2 at 32"):
        run_grid(declared, tmp_path, replace(both, epochs=2))
    with pytest.raises(DmadError, match="no variant is called"):
        run_grid(declared, tmp_path, replace(both, only=["cooking"]))


def test_a_killed_grid_goes_on(trained, tmp_path, monkeypatch) -> None:
    base = read_config(trained)
    declared = Grid("some", {"a": base, "b": video_parts(base)["- memory"]}, figures(base))
    monkeypatch.setattr(grid, "evaluate", stop_after(1, grid.evaluate))
    with pytest.raises(KeyboardInterrupt):
        run_grid(declared, tmp_path, Effort())
    assert [one.variant for one in outcomes_in(tmp_path / "some.json")] == ["a"]
    monkeypatch.undo()
    monkeypatch.setattr("dmad.thresholds.train", None)  # both are trained, one is not judged
    assert [one.variant for one in run_grid(declared, tmp_path, Effort())] == ["a", "b"]


def stop_after(count: int, work: Callable[..., object]) -> Callable[..., object]:
    """The work, but stopped by hand after so many times."""
    left = iter(range(count))

    def limited(*given: object) -> object:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return work(*given)

    return limited


def test_two_workers_of_ray_find_the_same(trained, tmp_path, monkeypatch) -> None:
    ray = pytest.importorskip("ray", reason="the extra `ray` is not installed")
    monkeypatch.setenv("RAY_worker_niceness", "0")
    base = read_config(trained)
    declared = Grid("some", {"a": base, "b": video_parts(base)["- PDM"]}, figures(base))
    ray.init(num_cpus=2, log_to_driver=False, include_dashboard=False)
    try:
        shared = run_grid(declared, tmp_path / "ray", Effort(ray=True))
    finally:
        ray.shutdown()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as a worker has; more round otherwise, and one pair of frames swaps
    try:
        alone = run_grid(declared, tmp_path / "alone", Effort())
    finally:
        torch.set_num_threads(threads)
    assert [one.variant for one in shared] == ["a", "b"]
    for one, other in zip(shared, alone, strict=True):
        assert one.figures == pytest.approx(other.figures, abs=1e-6, nan_ok=True)


def test_means_and_the_papers_figures_are_in_the_table() -> None:
    columns = [Figure("x", "deployable", "y", "z")]
    outcomes = [
        Outcome(title, seed, 1, 32, 8, 0.5, {"x": value}, "fp32")
        for title, seed, value in [("a", 0, 0.1), ("a", 1, 0.2), ("b", 0, 0.3), ("b", 1, 0.6)]
    ]
    declared = Grid(
        "some", {}, columns, means={"mean": ["a", "b"]}, paper=["p"], published={"mean": ["0.9"]}
    )
    lines = table(outcomes, declared)
    assert lines[0] == ["a", "0, 1", "1", "8", "32", "fp32", "0.5", "0.1500 ± 0.0707", ""]
    assert lines[-1] == ["mean", "0, 1", "", "", "", "", "", "0.3000 ± 0.1414", "0.9"]
    lines = table(outcomes[1:3], declared)  # seed 1 of a, seed 0 of b: no seed of both
    assert [line[0] for line in lines] == ["a", "b"]
    assert table(outcomes[1:], declared)[-1] == ["mean", "1", "", "", "", "", "", "0.4000", "0.9"]
    assert table(outcomes[:1], declared)[-1][0] == "mean (1 of 2)"
    assert table(outcomes[:1], declared)[-1][-1] == ""  # the paper's figure is of all


def test_a_line_is_of_runs_of_one_kind(trained, tmp_path) -> None:
    base = read_config(trained)
    declared = Grid("some", {"full": base}, figures(base))
    run_grid(declared, tmp_path, Effort(seeds=[0]))
    other = replace(declared, variants={"full": changed(base, lr=0.5)})
    with pytest.raises(DmadError, match="seed0 holds a run of other settings"):
        run_grid(other, tmp_path, Effort(seeds=[1]))


def test_ablation_of_images(trained_images, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("dmad.experiments.ablation.GAMMA3", (0.5,))
    (found,) = ablation("gamma3", trained_images, tmp_path, Effort(epochs=1))
    assert found.epochs == 1
    (ledger,) = tmp_path.glob("*/seed0/evaluation/ledger.json")
    rows = json.loads(ledger.read_text())["rows"]
    named = {(row["block"], row["metric"]): row["value"] for row in rows}
    assert found.figures["pixel AUROC"] == named["deployable", "pixel_AUROC"]


def test_only_images_have_gamma3(trained, tmp_path) -> None:
    with pytest.raises(DmadError, match="no run of images"):
        ablation("gamma3", trained, tmp_path, Effort())


@pytest.mark.parametrize(
    ("share", "expected"), [(1.0, (8, 0)), (0.5, (4, 0)), (0.13, (1, 0)), (0.0625, (1, 50))]
)
def test_a_share_of_a_training(share: float, expected: tuple[int, int]) -> None:
    assert cut(8, 100, share) == expected


def test_a_budget_shortens_and_is_kept(trained, tmp_path, monkeypatch) -> None:
    base = read_config(trained)
    base = replace(base, train=replace(base.train, epochs=10))
    monkeypatch.setattr(effort, "seconds_a_sample", lambda config, out: 1.0)
    samples = effort.samples_of(base)
    asked = {"a": base, "b": base}, 2.0 * 3 * samples, tmp_path
    fitted = effort.fitted(*asked)
    assert [config.train.epochs for config in fitted.values()] == [3, 3]
    monkeypatch.setattr(effort, "seconds_a_sample", lambda config, out: 2.0)
    assert effort.fitted(*asked) == fitted  # as it was first
    for variants, budget in (({"a": base, "b": base}, 1e9), ({"c": base}, asked[1])):
        with pytest.raises(DmadError, match="other variants"):
            effort.fitted(variants, budget, tmp_path)


def test_pace_is_measured(trained, tmp_path) -> None:
    assert 0 < effort.seconds_a_sample(read_config(trained), tmp_path) < 10
    assert not list(tmp_path.iterdir())


def test_only_what_all_lines_share_stands_above(capsys) -> None:
    Table("some", ["variant", "seeds", "paper"], [["full", "0", "0.9"], ["skips", "0", ""]]).show()
    shown = capsys.readouterr().out
    assert "some: seeds 0" in shown
    assert shown.index("paper") > shown.index("variant")


def test_spread() -> None:
    assert spread([0.5]) == "0.5000"
    assert spread([np.nan]) == ""
    assert spread([0.4, 0.6]) == "0.5000 ± 0.1414"


def test_events_are_the_first_abnormal_frames() -> None:
    abnormal = np.array([0, 1, 1, 0, 0, 1, 1, 1], bool)
    assert events(abnormal, 3) == [range(1, 3), range(5, 6)]
    assert events(abnormal, 9) == [range(1, 3), range(5, 8)]


def test_mixed_data_holds_links_to_abnormal_frames(trained, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(mixing, "PIECE", 2)
    data = read_config(trained).data
    assert data.root is not None
    dirty = mixed(data, 0.2, tmp_path / "0.2")
    names = sorted(path.name for path in (dirty / "train").iterdir())
    assert names == ["clip0", "clip1", "mixed-clip0-0", "mixed-clip1-0"]
    frames = sorted((dirty / "train" / "mixed-clip0-0").iterdir())
    assert [path.resolve() for path in frames] == [
        Path(data.root).resolve() / "test" / "clip0" / f"00{index}.png" for index in (6, 7)
    ]
    assert (dirty / "test" / "labels.npy").exists()
    assert mixed(data, 0.2, tmp_path / "0.2") == dirty  # again, over what is there
    shutil.copytree(data.root, tmp_path / "other")
    other = replace(data, root=tmp_path / "other")
    with pytest.raises(DmadError, match="leads to other data"):
        mixed(other, 0.2, tmp_path / "0.2")


def test_what_is_kept_keeps_its_machine_and_must_have_the_figures(trained, tmp_path, monkeypatch):
    base = read_config(trained)
    declared = Grid("some", {"full": base}, figures(base))
    (found,) = run_grid(declared, tmp_path, Effort(epochs=1))
    assert found.machine == describe(usual_device())
    stored = json.loads((tmp_path / "some.json").read_text())
    stored["outcomes"][0]["machine"] = "another"
    (tmp_path / "some.json").write_text(json.dumps(stored))
    card = tmp_path / "full" / "seed0" / "model.json"
    card.write_text(
        json.dumps({k: v for k, v in json.loads(card.read_text()).items() if k != "machine"})
    )
    (found,) = run_grid(declared, tmp_path, Effort(epochs=1))
    assert found.machine == "another"
    longer = replace(declared, variants={"full": base, "more": changed(base, epochs=2)})
    with pytest.raises(DmadError, match="'full' of 1 epochs at 32 px, not 2"):
        run_grid(longer, tmp_path, Effort(epochs=2, only=["more"]))
    monkeypatch.setattr("dmad.thresholds.train", None)
    stored["outcomes"][0]["figures"].popitem()
    (tmp_path / "some.json").write_text(json.dumps(stored))
    with pytest.raises(DmadError, match="holds 'full' without"):
        run_grid(declared, tmp_path, Effort(epochs=1))
