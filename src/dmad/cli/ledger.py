"""`dmad ledger`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dmad.console import show_table

if TYPE_CHECKING:
    from dmad.evaluation.ledger import Ledger


def ledger_command(scores: Path, recipe: str = "", out: Path | None = None) -> None:
    """Compute the table of results (ledger) of any method from a file of its frame scores.

    The file is a NumPy archive (.npz), as `numpy.savez` writes it. It contains these arrays:

    - One or more of `score`, `reconstruction`, `deformation` and `gradient`: one value for
      each frame. Larger means more anomalous. NaN means no score.
    - `labels`: one value for each frame. 1 means abnormal.
    - `clip_lengths`: number of frames of each clip.

    Example: dmad ledger scores.npz --recipe ped2

    Args:
        scores: The .npz file.
        recipe: Also print the results with the published post-processing for this data set: ped2,
            avenue or shanghaitech.
        out: Folder to write ledger.json and ledger.md to (default: the table is only printed).
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
