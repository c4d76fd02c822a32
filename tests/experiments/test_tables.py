"""Tables of experiments on screen and on disk."""

import json

from dmad.evaluation.table import Table
from dmad.experiments.tables import move_shared_columns, print_table, without_nan, write_table

TABLE = Table("some", ["variant", "seeds", "paper"], [["full", "0", "0.9"], ["skips", "0", ""]])


def test_a_column_with_one_value_moves_to_the_title() -> None:
    narrow = move_shared_columns(TABLE)
    assert narrow.title == "some: seeds 0"
    assert list(narrow.columns) == ["variant", "paper"]
    assert [list(row) for row in narrow.rows] == [["full", "0.9"], ["skips", ""]]


def test_a_table_of_one_row_keeps_its_columns() -> None:
    table = Table("some", ["variant", "seeds"], [["full", "0"]])
    assert move_shared_columns(table) == table


def test_an_empty_column_stays() -> None:
    table = Table("some", ["variant", "paper"], [["full", ""], ["skips", ""]])
    assert list(move_shared_columns(table).columns) == ["variant", "paper"]


def test_a_table_is_printed(capsys) -> None:
    print_table(TABLE)
    shown = capsys.readouterr().out
    assert "some: seeds 0" in shown
    assert shown.index("paper") > shown.index("variant")


def test_a_table_is_written_with_more_entries(tmp_path) -> None:
    write_table(TABLE, tmp_path / "some", machine="a chip", outcomes=[{"x": float("nan")}])
    stored = json.loads((tmp_path / "some.json").read_text())
    assert stored["names"] == ["variant", "seeds", "paper"]
    assert stored["lines"][0] == ["full", "0", "0.9"]
    assert stored["machine"] == "a chip"
    assert stored["outcomes"] == [{"x": None}]
    assert "| full | 0 | 0.9 |" in (tmp_path / "some.md").read_text()


def test_nan_becomes_none_at_any_depth() -> None:
    nan = float("nan")
    assert without_nan({"a": [1.0, nan, ("b", nan)]}) == {"a": [1.0, None, ["b", None]]}
