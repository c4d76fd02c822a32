"""Tables 1 to 3 over what is there: missing data is named, averages are added."""

from dataclasses import replace
from pathlib import Path

import pytest

from dmad import recipes
from dmad.errors import DmadError
from dmad.experiments import benchmarks
from dmad.experiments.benchmarks import CATEGORIES, TABLE_2_3, absent, mvtec, video
from dmad.experiments.effort import Effort
from dmad.runs import read_config


def test_mvtec_over_one_category(image_data: Path, trained_images: Path, tmp_path: Path) -> None:
    (found,) = mvtec(image_data, tmp_path, Effort(epochs=1), trained_images)
    assert found.variant == next(path.name for path in image_data.iterdir() if path.is_dir())
    text = (tmp_path / "mvtec.md").read_text()
    means = next(line for line in text.splitlines() if line.startswith("| mean of all"))
    assert means.endswith("|  |  |")  # the paper's figures are of MVTec
    assert read_config(tmp_path / found.variant / "seed0").data.categories == found.variant


def test_a_mean_says_of_how_many(image_data: Path, trained_images: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "bottle").symlink_to(image_data / "discs")
    mvtec(tmp_path / "data", tmp_path, Effort(epochs=1), trained_images)
    text = (tmp_path / "mvtec.md").read_text()
    assert "| mean of all (1 of 15) |" in text
    assert "Not there, and so not run: cable, capsule" in text
    assert " | ".join(TABLE_2_3["mean of all"]) not in text


def test_video_over_one_set(trained: Path, normal_data: Path, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "sets").mkdir()
    (tmp_path / "sets" / "ped2").symlink_to(normal_data)
    base = read_config(trained)
    monkeypatch.setattr(recipes, "get", lambda name: replace(base, recipe=name))
    (found,) = video(tmp_path / "sets", tmp_path / "out", Effort(epochs=1))
    assert found.variant == "ped2"
    assert 0 <= found.figures["published"] <= 1
    assert "not run: avenue, shanghaitech." in (tmp_path / "out" / "video.md").read_text()


def test_nothing_there(tmp_path: Path, trained: Path) -> None:
    with pytest.raises(DmadError, match="no folder called ped2, avenue, shanghaitech"):
        video(tmp_path, tmp_path / "out", Effort())
    with pytest.raises(DmadError, match="no category of MVTec"):
        mvtec(tmp_path, tmp_path / "out", Effort())
    with pytest.raises(DmadError, match="no run of recipe mvtec"):
        mvtec(tmp_path, tmp_path / "out", Effort(), trained)


def test_absent() -> None:
    assert len(CATEGORIES) == 15
    assert absent(["b", "a", "c"], ["c"]) == ["Not there, and so not run: a, b."]
    assert absent(["a"], ["a"]) == []
    assert benchmarks.TABLE_1["ped2"] == ["0.997"]
