"""The notebooks in examples/ run, and contain no outputs."""

import json
import tempfile
from pathlib import Path

import numpy as np
import pytest

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
