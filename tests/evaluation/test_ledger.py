import hashlib

import numpy as np

from dmad.evaluation.ledger import LabelSet, Ledger, Row

LABELS = LabelSet("mine", "0")


def test_a_label_set_is_named_by_the_hash_of_its_labels():
    labels = np.array([0, 1, 1])
    label_set = LabelSet.from_labels("mine", labels)
    assert label_set == LabelSet("mine", hashlib.sha256(b"\0\1\1").hexdigest())
    assert LabelSet.from_labels("mine", labels.astype(float)) == label_set
    assert LabelSet.from_labels("mine", labels[::-1]) != label_set


def test_a_value_is_found_by_signal_and_metric():
    rows = [
        Row("paper", "a", "micro_AUROC", 0.7),
        Row("deployable", "b", "micro_AUROC", 0.8),
        Row("deployable", "b", "AP", 0.9),
    ]
    ledger = Ledger(rows, LABELS, 0)
    assert (ledger.value("b"), ledger.value("b", "AP")) == (0.8, 0.9)


def test_a_ledger_is_stored_with_its_rows_labels_and_missing_frames():
    ledger = Ledger([Row("blind", "constant", "AP", 0.5, "a note")], LABELS, 17)
    assert ledger.to_dict() == {
        "rows": [
            {
                "block": "blind",
                "signal": "constant",
                "metric": "AP",
                "value": 0.5,
                "note": "a note",
            }
        ],
        "labels": {"name": "mine", "sha256": "0"},
        "frames_without_score": 17,
    }
