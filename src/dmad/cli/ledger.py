"""`dmad ledger`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dmad.console import show_table

if TYPE_CHECKING:
    from dmad.evaluation.ledger import Ledger


def ledger_command(scores: Path, recipe: str = "", out: Path | None = None) -> None:
    """Compute the results of any detector from a file of its frame scores.

    The file is a NumPy archive (.npz) of arrays with one value a frame: one or more of
    `score`, `reconstruction`, `deformation`, `gradient` (larger is more anomalous, NaN is
    no score), `labels` (1 is abnormal), and `clip_lengths` (frames of each clip).
    `numpy.savez` writes such a file.

    Example: dmad ledger scores.npz --recipe ped2

    Args:
        scores: The .npz file.
        recipe: Published protocol to include: ped2, avenue or shanghaitech.
        out: Folder for ledger.json and ledger.md.
    """
    from dmad.evaluation.frame_ledger import build_given_ledger
    from dmad.evaluation.ledger_file import write_ledger
    from dmad.evaluation.score_file import read_scores

    result = build_given_ledger(read_scores(scores), recipe)
    print_ledger(result)
    if out:
        write_ledger(result, out, scores.name)


def print_ledger(ledger: Ledger) -> None:
    """Print the tables of a ledger and their footnotes."""
    from dmad.evaluation.ledger_tables import printed_tables

    for table in printed_tables(ledger):
        show_table(table.title, table.columns, table.rows, table.notes)
