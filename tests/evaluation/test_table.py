import pytest

from dmad.errors import DmadError
from dmad.evaluation.table import Table, markdown_rows

TABLE = Table("results", ["signal", "AUROC"], [["score", "0.9"], ["constant", "0.5"]], ["A note."])


def test_rows_are_written_as_markdown_with_numbers_on_the_right():
    assert markdown_rows(TABLE.columns, TABLE.rows).splitlines() == [
        "| signal | AUROC |",
        "| --- | --: |",
        "| score | 0.9 |",
        "| constant | 0.5 |",
    ]


def test_notes_follow_the_table_and_precede_it_in_a_section():
    rows = markdown_rows(TABLE.columns, TABLE.rows)
    assert TABLE.markdown() == f"{rows}\n\nA note."
    assert TABLE.markdown_section() == f"## results\n\nA note.\n\n{rows}"


def test_a_transposed_table_exchanges_rows_and_columns():
    transposed = TABLE.transposed()
    assert list(transposed.columns) == ["signal", "score", "constant"]
    assert [list(row) for row in transposed.rows] == [["AUROC", "0.9", "0.5"]]
    assert (transposed.title, transposed.notes) == ("results", ["A note."])


def test_a_row_with_too_few_cells_is_refused():
    with pytest.raises(DmadError, match=r"table blind has 2 columns but rows of \[1\] cells"):
        Table("blind", ["signal", "AUROC"], [["constant"]])
