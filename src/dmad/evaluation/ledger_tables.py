"""The ledger for people: tables, footnotes and a Markdown page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dmad.evaluation.ledger import Ledger, Row
from dmad.evaluation.table import Table

HOW_TO_READ = {
    "paper": "Published post-processing, for comparison with the literature. It uses the whole "
    "test set, future frames included.",
    "deployable": "What a camera can compute: each score uses past frames only, one threshold "
    "applies to all clips, and nothing is taken from the test set.",
    "given": "The scores as given, with one threshold for all clips. It is not known if they use "
    "future frames or the test set.",
    "blind": "These signals use no pixel. A result must be clearly better.",
}

HOW_TO_READ_IMAGES = {
    "paper": "The paper's rule: α depends on the category. Each value is the larger one of with "
    "and without deformation, so the labels of the test set decide between them.",
    "deployable": "One model for image and pixel scores. α and the thresholds come from good "
    "images and synthetic defects, and nothing is taken from the test set.",
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
    """Return one table per block, with a row per signal and a column per metric."""
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
    """Return the value of a row as text."""
    digits = 2 if row.metric in TWO_DIGITS else 4
    return f"{row.value:.{digits}f}"


def footnotes(ledger: Ledger) -> list[str]:
    """Return how many clips, events and images each figure is based on, one line each."""
    notes = [
        f"{METRIC_NAMES.get(row.metric, row.metric)}: {row.note}" for row in ledger.rows if row.note
    ]
    unique = list(dict.fromkeys(notes))
    return [*unique, f"frames without a score, left out: {ledger.frames_without_score}"]


def label_note(ledger: Ledger) -> str:
    """Return name and hash of the labels as one line."""
    return f"labels: {ledger.labels.name}, sha256 {ledger.labels.sha256[:12]}"


def printed_tables(ledger: Ledger) -> list[Table]:
    """Return the tables for a terminal: narrow, with a row per metric and a column per signal.

    The notes of the last table end with the footnotes of the ledger.
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
