"""Write and read the files of a ledger: `ledger.json` and `ledger.md`."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

from dmad.checked_files import read_mapping
from dmad.errors import require
from dmad.evaluation.ledger import Ledger, Row
from dmad.evaluation.ledger_tables import ledger_markdown
from dmad.files import make_folder, write_atomically


def write_ledger(ledger: Ledger, folder: Path, title: str = "Ledger") -> None:
    """Write `ledger.json` and `ledger.md` into a folder."""
    make_folder(folder)
    write_atomically(folder / "ledger.json", json.dumps(ledger.to_dict(), indent=1))
    write_atomically(folder / "ledger.md", ledger_markdown(ledger, title))


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Read the rows of a `ledger.json`. Each row contains the fields of `Row`.

    Raises:
        DmadError: The file is missing or damaged.
    """
    advice = "evaluate again"
    rows = read_mapping(path, advice).get("rows")
    names = {item.name for item in fields(Row)}
    valid = isinstance(rows, list) and all(
        isinstance(row, dict) and set(row) >= names and isinstance(row["value"], int | float)
        for row in rows
    )
    require(valid, f"{path} contains no rows of a ledger; {advice}")
    assert isinstance(rows, list)
    return rows
