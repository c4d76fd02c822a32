"""The Parquet file of a task."""

import pytest

from dmad.errors import DmadError
from dmad.scan.film import Stretch
from dmad.scan.parts import ROWS, PartInfo, PartWriter, SourceOutcome, read_info, rows_of

ROW = (0, 3, 0.5, False, 1.0, 2.0, 3.0, 4.0)


def test_rows_and_metadata_are_read_again(tmp_path):
    path = tmp_path / "parts" / "a.parquet"
    outcome = SourceOutcome(
        "film \udcbc.mp4", 5, "now", notes=("one", "two"), rows=ROWS + 1, fps=10.0
    )
    info = PartInfo("gate", (outcome,), (Stretch(0, 2, None, 5, None, None),), 1)
    with PartWriter(path) as writer:
        for _ in range(ROWS + 1):
            writer.add(*ROW)
        assert writer.rows == ROWS + 1
        writer.finish(info)
    assert read_info(path) == info
    assert info.rows == ROWS + 1
    rows = list(rows_of(path))
    assert len(rows) == ROWS + 1
    assert tuple(rows[-1].values()) == ROW


def test_a_discarded_row_is_not_written(tmp_path):
    with PartWriter(tmp_path / "a.parquet") as writer:
        writer.add(*ROW)
        writer.discard()
        writer.finish(PartInfo("gate"))
    assert list(rows_of(tmp_path / "a.parquet")) == []


def test_without_an_end_there_is_no_file(tmp_path):
    with PartWriter(tmp_path / "a.parquet") as writer:
        writer.add(*ROW)
    with pytest.raises(ValueError, match="zip"), PartWriter(tmp_path / "b.parquet") as writer:
        writer.add("too few")
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_is_refused(tmp_path):
    (tmp_path / "a.parquet").write_text("nonsense")
    with pytest.raises(DmadError, match="damaged"):
        read_info(tmp_path / "a.parquet")
