"""Prints tables of experiments, and writes them as Markdown and JSON."""

from __future__ import annotations

import json
from math import isnan
from pathlib import Path
from typing import Any

from dmad.console import show_table
from dmad.evaluation.table import Table
from dmad.files import write_atomically
from dmad.hardware import default_device, describe_machine


def write_table(table: Table, path: Path, **more: Any) -> None:
    """Write a table to `path.md` and `path.json`.

    Args:
        table: The table.
        path: Path of the files without their suffix.
        **more: Other entries of the JSON file. `machine` replaces the description of this machine.
    """
    stored = {
        "title": table.title,
        "names": table.columns,
        "lines": table.rows,
        "notes": table.notes,
        "machine": describe_machine(default_device()),
        **more,
    }
    text = json.dumps(without_nan(stored), indent=1, ensure_ascii=False)
    write_atomically(path.with_name(f"{path.name}.json"), text)
    write_atomically(path.with_name(f"{path.name}.md"), table.markdown() + "\n")


def without_nan(value: Any) -> Any:
    """Replace NaN by None in nested lists and dictionaries, because JSON has no NaN."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and isnan(value) else value


def print_table(table: Table) -> None:
    """Print a table. If a column has the same value in every row, it is shown in the title."""
    narrow = move_shared_columns(table)
    show_table(narrow.title, narrow.columns, narrow.rows, narrow.notes)


def move_shared_columns(table: Table) -> Table:
    """Move columns with the same value in all rows to the title. The first column stays."""
    if len(table.rows) < 2:
        return table
    kept, shared = [0], []
    for index in range(1, len(table.columns)):
        values = {row[index] for row in table.rows}
        constant = len(values) == 1 and values != {""}
        if constant:
            shared.append(f"{table.columns[index]} {table.rows[0][index]}")
        else:
            kept.append(index)
    return Table(
        title=f"{table.title}: {', '.join(shared)}" if shared else table.title,
        columns=[table.columns[index] for index in kept],
        rows=[[row[index] for index in kept] for row in table.rows],
        notes=table.notes,
    )
