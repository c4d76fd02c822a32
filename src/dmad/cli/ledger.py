"""`dmad ledger`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dmad.console import show_table

if TYPE_CHECKING:
    from dmad.evaluation.ledger import Ledger


def ledger_command(scores: Path, recipe: str = "", out: Path | None = None) -> None:
    """Compute a table of results (a ledger) from the frame scores of any method.

    The scores are in a NumPy file (.npz), as `numpy.savez` writes it. The file must contain
    the arrays `labels` and `clip_lengths`, and one or more arrays of scores:

    - `labels`: one value for each frame. 1 means abnormal, and 0 means normal.
    - `clip_lengths`: the number of frames of each clip.
    - `score`: the score of each frame. Larger means more anomalous. NaN means that the
      frame has no score.
    - `reconstruction`, `deformation`, `gradient`: optional other scores of each frame, named
      like the three terms in the authors' released code.

    Example: dmad ledger scores.npz --recipe ped2

    Args:
        scores: The .npz file.
        recipe: Name of the data set: ped2, avenue or shanghaitech. The table then also shows the
            results after the published post-processing for this data set.
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
