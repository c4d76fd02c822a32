"""The files of a ledger: `ledger.json` and `ledger.md`."""

from __future__ import annotations

import json
from pathlib import Path

from dmad.evaluation.ledger import Ledger
from dmad.evaluation.ledger_tables import ledger_markdown
from dmad.files import make_folder, write_atomically


def write_ledger(ledger: Ledger, folder: Path, title: str = "Ledger") -> None:
    """Write `ledger.json` and `ledger.md` into a folder."""
    make_folder(folder)
    write_atomically(folder / "ledger.json", json.dumps(ledger.to_dict(), indent=1))
    write_atomically(folder / "ledger.md", ledger_markdown(ledger, title))
