from dmad.evaluation.frame_ledger import build_frame_ledger
from dmad.evaluation.ledger import LabelSet, Ledger, Row
from dmad.evaluation.ledger_tables import (
    footnotes,
    label_note,
    ledger_markdown,
    ledger_tables,
    printed_tables,
)

LABELS = LabelSet("mine", "0123456789abcdef")


def test_each_block_is_a_table_with_a_row_per_signal_and_a_column_per_metric():
    rows = [
        Row("deployable", "a", "micro_AUROC", 0.5),
        Row("deployable", "b", "micro_AUROC", 0.25),
        Row("deployable", "b", "event_recall", 1.0),
        Row("blind", "constant", "micro_AUROC", 0.5),
    ]
    deployable, blind = ledger_tables(rows)
    assert deployable.title == "deployable"
    assert deployable.columns == ["signal", "micro AUROC", "event recall"]
    assert deployable.rows == [["a", "0.5000", ""], ["b", "0.2500", "1.0000"]]
    assert blind.rows == [["constant", "0.5000"]]
    assert "no pixel" in blind.notes[0]


def test_blocks_of_images_are_explained_as_images():
    (table,) = ledger_tables([Row("paper", "a", "image_AUROC", 0.5)])
    assert "category" in table.notes[0]


def test_columns_have_names_for_people_and_rates_have_two_digits():
    names = ("false_positive_rate", "false_alarms_per_hour")
    (table,) = ledger_tables([Row("deployable", "a", name, 0.5) for name in names])
    assert table.columns == ["signal", "false positives", "false alarms/h"]
    assert table.rows == [["a", "0.5000", "0.50"]]


def test_footnotes_are_unique_and_count_frames_without_a_score():
    rows = [Row("deployable", name, "event_recall", 0.5, "1 of 2 events") for name in "ab"]
    assert footnotes(Ledger(rows, LABELS, 17)) == [
        "event recall: 1 of 2 events",
        "frames without a score, left out: 17",
    ]


def test_labels_are_named_with_their_hash():
    assert label_note(Ledger([], LABELS, 0)) == "labels: mine, sha256 0123456789ab"


def test_printed_tables_have_a_row_per_metric_and_end_with_the_footnotes():
    rows = [Row("deployable", "a", "micro_AUROC", 0.5), Row("blind", "b", "micro_AUROC", 0.5)]
    ledger = Ledger(rows, LABELS, 0)
    first, last = printed_tables(ledger)
    assert [list(row) for row in first.rows] == [["micro AUROC", "0.5000"]]
    assert len(first.notes) == 1
    assert list(last.notes)[1:] == [*footnotes(ledger), label_note(ledger)]
    assert printed_tables(Ledger([], LABELS, 0)) == []


def test_markdown_has_every_figure_and_footnote(scores):
    ledger = build_frame_ledger(scores, {"mine": scores.channels["gradient"]}, "ped2")
    page = ledger_markdown(ledger, "A title")
    assert page.startswith("# A title\n\n## paper\n")
    assert all(f"{row.value:.4f}" in page for row in ledger.rows)
    assert "clips hold both labels" in page
    assert page.endswith(f"- {label_note(ledger)}\n")
