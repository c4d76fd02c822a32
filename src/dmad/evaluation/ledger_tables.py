"""The ledger as text: tables, footnotes and a Markdown page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dmad.evaluation.ledger import Ledger, Row
from dmad.evaluation.table import Table

HOW_TO_READ = {
    "paper": "Published post-processing, for comparison with the literature. It uses the whole "
    "test set, including future frames.",
    "deployable": "Scores that can be computed for a camera: each score uses past frames only, one "
    "threshold applies to all clips, and no statistics come from the test set.",
    "given": "The scores as they are in the file, with one threshold for all clips. They may use "
    "future frames or the test set.",
    "blind": "Baselines that use no pixel. Other results must be clearly better.",
}

HOW_TO_READ_IMAGES = {
    "paper": "The rule of the paper: α depends on the category. Each value is computed with and "
    "without the deformation, and the larger one is shown. This choice uses the test labels.",
    "deployable": "Image and pixel scores come from the same model. Thresholds and settings of the "
    "score come from good images and synthetic defects, not from the test set.",
}

METRIC_NAMES = {
    "micro_AUROC": "micro AUROC",
    "macro_AUROC": "macro AUROC",
    "pixel_AUROC": "pixel AUROC",
    "image_AUROC": "image AUROC",
    "F1_max": "F1 max",
    "false_positive_rate": "false positives",
    "false_alarms_per_hour": "false alarms/h",
    "event_recall": "event recall",
    "detection_delay_s": "delay s",
}

TWO_DIGITS = ("false_alarms_per_hour", "detection_delay_s")


def ledger_tables(rows: Sequence[Row]) -> list[Table]:
    """Return a table for each block, with a row for each signal and a column for each metric."""
    blocks = dict.fromkeys(row.block for row in rows)
    return [_block_table(name, [row for row in rows if row.block == name]) for name in blocks]


def _block_table(block: str, rows: Sequence[Row]) -> Table:
    metrics = list(dict.fromkeys(row.metric for row in rows))
    signals = list(dict.fromkeys(row.signal for row in rows))
    cells = {(row.signal, row.metric): value_text(row) for row in rows}
    how_to_read = HOW_TO_READ_IMAGES if "image_AUROC" in metrics else HOW_TO_READ
    return Table(
        title=block,
        columns=["signal", *(METRIC_NAMES.get(metric, metric) for metric in metrics)],
        rows=[
            [signal, *(cells.get((signal, metric), "") for metric in metrics)] for signal in signals
        ],
        notes=[how_to_read[block]],
    )


def value_text(row: Row) -> str:
    """Return the value of a row as text. The metric decides if two or four decimals are shown."""
    digits = 2 if row.metric in TWO_DIGITS else 4
    return f"{row.value:.{digits}f}"


def footnotes(ledger: Ledger) -> list[str]:
    """Return lines that say from how many clips, events or images the values were computed."""
    notes = [
        f"{METRIC_NAMES.get(row.metric, row.metric)}: {row.note}" for row in ledger.rows if row.note
    ]
    unique = list(dict.fromkeys(notes))
    return [*unique, f"frames without a score, left out: {ledger.frames_without_score}"]


def label_note(ledger: Ledger) -> str:
    """Return name and hash of the labels as one line."""
    return f"labels: {ledger.labels.name}, sha256 {ledger.labels.sha256[:12]}"


def printed_tables(ledger: Ledger) -> list[Table]:
    """Return narrow tables for a terminal: a row for each metric, a column for each signal.

    The footnotes of the ledger are notes of the last table.
    """
    tables = [table.transposed() for table in ledger_tables(ledger.rows)]
    if tables:
        notes = [*tables[-1].notes, *footnotes(ledger), label_note(ledger)]
        tables[-1] = replace(tables[-1], notes=notes)
    return tables


def ledger_markdown(ledger: Ledger, title: str) -> str:
    """Return the ledger as a Markdown page."""
    sections = [table.markdown_section() for table in ledger_tables(ledger.rows)]
    notes = "\n".join(f"- {note}" for note in [*footnotes(ledger), label_note(ledger)])
    return "\n\n".join([f"# {title}", *sections, notes]) + "\n"
