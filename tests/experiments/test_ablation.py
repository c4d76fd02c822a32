"""Image ablations: which variants there are, one table, nothing done twice."""

import pytest

from dmad.errors import DmadError
from dmad.experiments import ablation as experiment
from dmad.experiments.ablation import GAMMA3, ablation, gamma3, parts
from dmad.runs import read_config


def test_variants_differ_in_one_thing(trained_images) -> None:
    base = read_config(trained_images)
    found = parts(base)
    assert found["+ PPDM"] == base
    assert found["RD"].model.reductions == ()
    assert found["- cycle"].loss.gamma3 == 0
    assert not found["- VQ"].model.memory
    assert [variant.loss.gamma3 for variant in gamma3(base).values()] == list(GAMMA3)


def test_one_table_and_nothing_twice(trained_images, tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(experiment.VARIANTS, "ablation", lambda c: dict([*parts(c).items()][:2]))
    first = ablation("ablation", trained_images, tmp_path, epochs=1)
    assert [row[0] for row in first.rows] == ["RD", "+ PPDM"]
    assert "| RD |" in (tmp_path / "ablation.md").read_text()
    monkeypatch.setattr(experiment, "train", None)
    monkeypatch.setattr(experiment, "evaluate", None)
    assert ablation("ablation", trained_images, tmp_path, epochs=1) == first
    with pytest.raises(DmadError, match="other settings"):
        ablation("ablation", trained_images, tmp_path, epochs=2)


def test_only_of_image_runs(trained, tmp_path) -> None:
    with pytest.raises(DmadError, match="no image run"):
        ablation("gamma3", trained, tmp_path)
