"""The notebooks and scripts in examples/ run. Notebooks contain no outputs."""

import json
import runpy
import tempfile
from pathlib import Path

import numpy as np
import pytest

from dmad.config import VideoDataConfig
from dmad.data.layouts.videos import load_videos

EXAMPLES = Path(__file__).parents[1] / "examples"


def cells(name: str) -> list[dict]:
    """The code cells of a notebook."""
    notebook = json.loads((EXAMPLES / name).read_text())
    assert notebook["nbformat"] == 4
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.ipynb")))
def test_a_notebook_contains_no_outputs(name: str) -> None:
    assert cells(name)
    for cell in cells(name):
        assert (cell["outputs"], cell["execution_count"]) == ([], None)


def test_the_first_steps_find_the_scratch(tmp_path, monkeypatch, capsys) -> None:
    """Its cells are plain Python, so that they run without Jupyter."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    names: dict = {}
    for cell in cells("first_steps.ipynb"):
        exec("".join(cell["source"]), names)
    result = names["result"]
    assert result.score[1] > result.score[0]
    assert set(result.verdict) <= {"good", "anomalous"}
    row, column = np.unravel_index(result.map.argmax(), result.map.shape)
    assert (row, column) == pytest.approx((19, 27), abs=10)  # the middle of the scratch
    assert "verdict" in capsys.readouterr().out


def test_the_footage_like_avenue_has_its_layout(tmp_path) -> None:
    names = runpy.run_path(str(EXAMPLES / "avenue_like.py"))
    walkway = names["Walkway"](frames=60)
    names["make_folders"](tmp_path)
    for split, index in (("training", 0), ("testing", 0), ("testing", 1)):
        names["Clip"](tmp_path, split, index, walkway).write()
    data = VideoDataConfig(layout="avenue", root=tmp_path, size=64, cache=tmp_path / "cache")
    train, test = load_videos(data, "train"), load_videos(data, "test")
    assert train.labels is None
    assert [(clip.length, clip.fps) for clip in train.footage.clips] == [(60, 25)]
    assert test.label_name == "avenue .mat masks"
    first, second = (test.labels[clip.span] for clip in test.footage.clips)
    assert first.any()
    assert not first.all()
    assert not second.any()
    assert (test.masks("01").any((1, 2)) == first).mean() > 0.8  # thin pixels vanish at 64 px
    colours = train.footage.frames.mean((0, 1, 2))
    assert np.ptp(colours) > 5
