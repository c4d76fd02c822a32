"""The ledger on screen."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from dmad.evaluation.evaluate import Evaluation

READ = {
    "paper": "published post-processing, to compare with the literature; it sees the test set",
    "deployable": "one score a frame from the past alone, nothing from the test set",
    "blind": "no pixel is looked at: a result must clearly beat these",
}


def show(result: Evaluation) -> None:
    """Print the rows, and how to read each block."""
    table = Table("block", "signal", "metric", "value")
    for row in result.rows:
        table.add_row(row.block, row.signal, row.metric, f"{row.value:.4f}")
    console = Console()
    console.print(table)
    for block in dict.fromkeys(row.block for row in result.rows):
        console.print(f"{block}: {READ[block]}")
    labels = result.labels
    console.print(f"labels: {labels.name}, sha256 {labels.sha256[:12]}", highlight=False)
