"""The ledger for people: tables on screen and in Markdown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dmad.evaluation.ledger import Labels, Ledger, Row, as_json
from dmad.evaluation.summary import Block
from dmad.files import make_folder, write_whole

READ = {
    "paper": "Published post-processing, to compare with the literature; it sees the whole test "
    "set, the future included.",
    "deployable": "What a camera could run: one score a frame from the past alone, one threshold "
    "for all clips, nothing taken from the test set.",
    "given": "The scores as given, one threshold for all clips; whether they look ahead, or at the "
    "test set, is not known.",
    "blind": "No pixel is looked at; a result must clearly beat these.",
}

READ_IMAGES = {
    "paper": "The paper's rule: α by the category's name, and of each figure the larger of with "
    "and without deformation, which labels decide.",
    "deployable": "One model for images and pixels; α and thresholds come from good images and "
    "synthetic defects, nothing from the test set.",
}

NAMES = {
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


def blocks(rows: Sequence[Row]) -> list[Block]:
    """Rows as one table a block: a line a signal, a column a metric."""
    return [_block(name, [row for row in rows if row.block == name])
            for name in dict.fromkeys(row.block for row in rows)]  # fmt: skip


def _block(name: str, rows: Sequence[Row]) -> Block:
    metrics = list(dict.fromkeys(row.metric for row in rows))
    signals = dict.fromkeys(row.signal for row in rows)
    values = {(row.signal, row.metric): cell(row) for row in rows}
    lines = [[signal, *(values.get((signal, m), "") for m in metrics)] for signal in signals]
    read = READ_IMAGES if "image_AUROC" in metrics else READ
    return Block(name, read[name], ["signal", *(NAMES.get(m, m) for m in metrics)], lines)


def cell(row: Row) -> str:
    """A figure as people read it."""
    return f"{row.value:.2f}" if row.metric in ("false_alarms_per_hour", "detection_delay_s") else (
        f"{row.value:.4f}"
    )  # fmt: skip


def footnotes(ledger: Ledger) -> list[str]:
    """What was counted, one line each."""
    noted = (row for row in ledger.rows if row.note)
    notes = dict.fromkeys(f"{NAMES.get(row.metric, row.metric)}: {row.note}" for row in noted)
    return [*notes, f"frames without a score, left out: {ledger.missing}"]


def naming(labels: Labels) -> str:
    """Which labels, so that figures are compared on the same ones."""
    return f"labels: {labels.name}, sha256 {labels.sha256[:12]}"


def show(ledger: Ledger) -> None:
    """Print the ledger, and how to read each block."""
    for block in blocks(ledger.rows):
        lines = list(zip(block.columns, *block.rows, strict=True))  # narrow: metrics downwards
        show_block(Block(block.name, block.how_to_read, lines[0], lines[1:]))
    for note in [*footnotes(ledger), naming(ledger.labels)]:
        Console().print(note, highlight=False, markup=False)


def show_block(block: Block) -> None:
    """Print one table, and how to read it."""
    table = Table(title=block.name, title_justify="left", caption=block.how_to_read)
    table.caption_justify = "left"
    table.add_column(escape(block.columns[0]))  # names of channels may hold brackets
    for name in block.columns[1:]:
        table.add_column(escape(name), justify="right")
    for line in block.rows:
        table.add_row(*map(escape, line))
    Console().print(table)


def markdown(ledger: Ledger, title: str) -> str:
    """The same as a Markdown page."""
    parts = [f"# {title}", *map(markdown_table, blocks(ledger.rows))]
    parts.append("\n".join(f"- {note}" for note in [*footnotes(ledger), naming(ledger.labels)]))
    return "\n\n".join(parts) + "\n"


def markdown_table(block: Block) -> str:
    """One table with its heading, and how to read it."""
    lines = markdown_lines(block.columns, block.rows)
    return "\n\n".join([f"## {block.name}", block.how_to_read, lines])


def markdown_lines(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table without its heading; the first column names the rows."""
    rule = ["---", *["--:"] * (len(columns) - 1)]
    return "\n".join(f"| {' | '.join(line)} |" for line in (columns, rule, *rows))


def write(ledger: Ledger, out: Path, title: str) -> None:
    """`ledger.json` and `ledger.md` into a folder, each whole or not at all."""
    make_folder(out)
    write_whole(out / "ledger.json", json.dumps(as_json(ledger), indent=1))
    write_whole(out / "ledger.md", markdown(ledger, title))
