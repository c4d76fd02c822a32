"""Tables 1 to 3 over the data sets and categories that are present."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dmad.errors import DmadError
from dmad.experiments.benchmarks import (
    CATEGORIES,
    TABLE_1,
    TABLE_2_3,
    mvtec,
    note_of_missing,
    video,
)
from dmad.experiments.effort import Effort
from dmad.runs import read_config


def test_mvtec_runs_over_the_categories_that_are_present(
    image_data: Path, trained_images: Path, tmp_path: Path
) -> None:
    (outcome,) = mvtec(image_data, tmp_path, Effort(epochs=1), trained_images)
    assert outcome.variant == "discs"
    config = read_config(tmp_path / "discs" / "seed0")
    assert config.data.categories == "discs"
    text = (tmp_path / "mvtec.md").read_text()
    mean = next(line for line in text.splitlines() if line.startswith("| mean of all"))
    assert mean.endswith("|  |  |")  # the values of the paper are for MVTec


def test_a_mean_over_some_categories_names_their_number(
    image_data: Path, trained_images: Path, tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "bottle").symlink_to(image_data / "discs")
    mvtec(tmp_path / "data", tmp_path, Effort(epochs=1), trained_images)
    text = (tmp_path / "mvtec.md").read_text()
    assert "| mean of all (1 of 15) |" in text
    assert "Not trained, because the data is missing: cable, capsule" in text
    assert " | ".join(TABLE_2_3["mean of all"]) not in text


@pytest.fixture
def ped2(write_clip, tmp_path: Path) -> Path:
    """A folder `sets/ped2` in the layout of UCSD Ped2: two clips each, a square is abnormal."""
    folder = tmp_path / "sets" / "ped2"
    for number in (1, 2):
        write_clip(folder / "Train" / f"Train00{number}", seed=number)
        write_clip(folder / "Test" / f"Test00{number}", seed=number + 2)
        masks = folder / "Test" / f"Test00{number}_gt"
        masks.mkdir()
        for frame in range(8):
            mask = np.zeros((32, 32), np.uint8)
            mask[8:16, 8:16] = 255 * (frame > 5)
            Image.fromarray(mask).save(masks / f"{frame:03}.bmp")
    return folder


def test_video_runs_over_the_data_sets_that_are_present(ped2: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (outcome,) = video(ped2.parent, out, Effort(epochs=1, size=32), cache=tmp_path / "cache")
    assert outcome.variant == "ped2"
    assert 0 <= outcome.values["published"] <= 1
    assert "data is missing: avenue, shanghaitech." in (out / "video.md").read_text()


def test_without_any_data_set_the_message_names_the_folders(tmp_path: Path) -> None:
    with pytest.raises(DmadError, match="no folder called ped2, avenue, shanghaitech"):
        video(tmp_path, tmp_path / "out", Effort())
    with pytest.raises(DmadError, match="no category of MVTec"):
        mvtec(tmp_path, tmp_path / "out", Effort())


def test_only_a_run_of_mvtec_gives_its_settings(tmp_path: Path, trained: Path) -> None:
    with pytest.raises(DmadError, match="not a run of recipe mvtec"):
        mvtec(tmp_path, tmp_path / "out", Effort(), trained)


def test_the_tables_are_those_of_the_paper() -> None:
    assert len(CATEGORIES) == 15
    assert TABLE_1["ped2"] == ["0.997"]


def test_what_is_missing_is_named_once() -> None:
    note = "Not trained, because the data is missing: a, b."
    assert note_of_missing(["b", "a", "c"], ["c"]) == [note]
    assert note_of_missing(["a"], ["a"]) == []
