"""The table of a grid."""

import csv
import json

import numpy as np
import pytest

from dmad.experiments.grid import Column, Grid, Outcome
from dmad.experiments.grid_table import format_values, grid_table, write_grid_table

GRID = Grid(
    name="some",
    variants={},
    columns=[Column("x", "deployable", "y", "z")],
    means={"mean": ["a", "b"]},
    paper_columns=["p"],
    paper_rows={"mean": ["0.9"]},
)


def outcome(variant: str, seed: int, value: float) -> Outcome:
    return Outcome(variant, seed, 1, 32, 8, 0.5, {"x": value}, "fp32", "a chip")


OUTCOMES = [outcome("a", 0, 0.1), outcome("a", 1, 0.2), outcome("b", 0, 0.3), outcome("b", 1, 0.6)]


def test_a_variant_has_one_row_with_mean_and_deviation_over_its_seeds() -> None:
    rows = grid_table(GRID, OUTCOMES).rows
    assert rows[0] == ["a", "0, 1", "1", "8", "32", "fp32", "0.5", "0.1500 ± 0.0707", ""]


def test_a_mean_row_is_taken_over_seeds_that_all_members_have() -> None:
    mean = grid_table(GRID, OUTCOMES).rows[-1]
    assert mean == ["mean", "0, 1", "", "", "", "", "", "0.3000 ± 0.1414", "0.9"]
    mean = grid_table(GRID, OUTCOMES[1:]).rows[-1]
    assert mean == ["mean", "1", "", "", "", "", "", "0.4000", "0.9"]
    only_seed_1_of_a_and_0_of_b = OUTCOMES[1:3]
    assert [row[0] for row in grid_table(GRID, only_seed_1_of_a_and_0_of_b).rows] == ["a", "b"]


def test_a_mean_over_some_members_names_their_number_and_has_no_paper_value() -> None:
    mean = grid_table(GRID, OUTCOMES[:1]).rows[-1]
    assert mean[0] == "mean (1 of 2)"
    assert mean[-1] == ""


def test_the_table_is_written_as_markdown_json_and_csv(tmp_path) -> None:
    write_grid_table(GRID, OUTCOMES, tmp_path)
    assert "| a | 0, 1 | 1 | 8 | 32 | fp32 |" in (tmp_path / "some.md").read_text()
    lines = (tmp_path / "some.csv").read_text().splitlines()
    assert len(list(csv.reader(lines))) == 1 + len(OUTCOMES)
    stored = json.loads((tmp_path / "some.json").read_text())
    assert stored["machine"] == "a chip"
    assert stored["outcomes"][0]["variant"] == stored["lines"][0][0] == "a"


@pytest.mark.parametrize(
    ("values", "expected"),
    [([0.5], "0.5000"), ([np.nan], ""), ([0.4, np.nan], ""), ([0.4, 0.6], "0.5000 ± 0.1414")],
)
def test_values_are_shown_as_mean_and_deviation(values: list[float], expected: str) -> None:
    assert format_values(values) == expected
