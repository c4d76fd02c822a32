import json

import pytest

from dmad.errors import DmadError
from dmad.evaluation.ledger import LabelSet, Ledger, Row
from dmad.evaluation.ledger_file import read_rows, write_ledger
from dmad.evaluation.ledger_tables import ledger_markdown


def test_a_ledger_is_written_as_json_and_markdown(tmp_path):
    ledger = Ledger([Row("blind", "constant", "AP", 0.5)], LabelSet("mine", "0"), 3)
    write_ledger(ledger, tmp_path / "out", "A title")
    assert json.loads((tmp_path / "out" / "ledger.json").read_text()) == ledger.to_dict()
    assert (tmp_path / "out" / "ledger.md").read_text() == ledger_markdown(ledger, "A title")


def test_the_rows_of_a_ledger_are_read_again(tmp_path):
    row = {"block": "paper", "signal": "score", "metric": "AP", "value": float("nan"), "note": ""}
    path = tmp_path / "ledger.json"
    path.write_text(json.dumps({"rows": [row]}))
    assert [item["metric"] for item in read_rows(path)] == ["AP"]
    for damaged in ({}, {"rows": {}}, {"rows": [1]}, {"rows": [row | {"value": "high"}]}):
        path.write_text(json.dumps(damaged))
        with pytest.raises(DmadError, match="contains no rows of a ledger; evaluate again"):
            read_rows(path)
