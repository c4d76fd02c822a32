"""Grids of runs: which variants there are, nothing twice, budgets, and the table."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dmad.errors import DmadError
from dmad.experiments import contamination as mixing
from dmad.experiments import grid
from dmad.experiments.ablation import GAMMA3, ablation, figures, gamma3, image_parts, video_parts
from dmad.experiments.contamination import events, mixed
from dmad.experiments.grid import cut, run_grid, spread
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
    first = run_grid("some", some, figures(base), tmp_path, seeds=[0, 1])
    assert [(one.variant, one.seed) for one in first] == [
        ("full", 0), ("full", 1), ("- memory", 0), ("- memory", 1)
    ]  # fmt: skip
    assert all(0 <= one.figures["Eq. 14 raw"] <= 1 and one.minutes > 0 for one in first)
    assert "| full | 0, 1 | 1 | 32 |" in (tmp_path / "some.md").read_text()
    lines = (tmp_path / "some.csv").read_text().splitlines()
    assert len(list(csv.reader(lines))) == 5
    assert json.loads((tmp_path / "some.json").read_text())[0]["variant"] == "full"
    monkeypatch.setattr(grid, "train", None)
    monkeypatch.setattr(grid, "evaluate", None)
    again = run_grid("some", some, figures(base), tmp_path, seeds=[0, 1])
    assert [one.minutes for one in again] == [one.minutes for one in first]
    with pytest.raises(DmadError, match="other settings"):
        run_grid("some", {"full": some["- memory"]}, figures(base), tmp_path, seeds=[0])


def test_ablation_of_images(trained_images, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("dmad.experiments.ablation.GAMMA3", (0.5,))
    (found,) = ablation("gamma3", trained_images, tmp_path, epochs=1)
    assert found.epochs == 1
    assert 0 <= found.figures["pixel AUROC"] <= 1


def test_only_images_have_gamma3(trained, tmp_path) -> None:
    with pytest.raises(DmadError, match="no run of images"):
        ablation("gamma3", trained, tmp_path)


@pytest.mark.parametrize(
    ("share", "expected"), [(1.0, (8, 0)), (0.5, (4, 0)), (0.13, (1, 0)), (0.0625, (1, 50))]
)
def test_a_share_of_a_training(share: float, expected: tuple[int, int]) -> None:
    assert cut(8, 100, share) == expected


def test_a_budget_shortens_and_is_kept(trained, tmp_path, monkeypatch) -> None:
    base = read_config(trained)
    base = replace(base, train=replace(base.train, epochs=10))
    monkeypatch.setattr(grid, "seconds_a_sample", lambda config, out: 1.0)
    samples = grid.samples_of(base)
    fitted = grid.fitted({"a": base, "b": base}, 2 * 3 * samples, tmp_path)
    assert [config.train.epochs for config in fitted.values()] == [3, 3]
    assert grid.fitted({"a": base, "b": base}, 1e9, tmp_path) == fitted  # as it was first
    with pytest.raises(DmadError, match="other variants"):
        grid.fitted({"c": base}, 1.0, tmp_path)


def test_pace_is_measured(trained, tmp_path) -> None:
    assert 0 < grid.seconds_a_sample(read_config(trained), tmp_path) < 10
    assert not list(tmp_path.iterdir())


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
    clean, dirty = (mixed(data, share, tmp_path / f"{share}") for share in (0.0, 0.2))
    names = lambda root: sorted(path.name for path in (root / "train").iterdir())  # noqa: E731
    assert names(clean) == ["clip0", "clip1"]
    assert names(dirty) == ["clip0", "clip1", "mixed-clip0-0", "mixed-clip1-0"]
    frames = sorted((dirty / "train" / "mixed-clip0-0").iterdir())
    assert [path.resolve() for path in frames] == [
        Path(data.root).resolve() / "test" / "clip0" / f"00{index}.png" for index in (6, 7)
    ]
    assert (dirty / "test" / "labels.npy").exists()
    assert mixed(data, 0.2, tmp_path / "0.2") == dirty  # again, over what is there
