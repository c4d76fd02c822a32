import json

from dmad.evaluation.ledger import LabelSet, Ledger, Row
from dmad.evaluation.ledger_file import write_ledger
from dmad.evaluation.ledger_tables import ledger_markdown


def test_a_ledger_is_written_as_json_and_markdown(tmp_path):
    ledger = Ledger([Row("blind", "constant", "AP", 0.5)], LabelSet("mine", "0"), 3)
    write_ledger(ledger, tmp_path / "out", "A title")
    assert json.loads((tmp_path / "out" / "ledger.json").read_text()) == ledger.to_dict()
    assert (tmp_path / "out" / "ledger.md").read_text() == ledger_markdown(ledger, "A title")
