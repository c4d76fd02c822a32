"""The ledger of images against values computed by hand."""

import numpy as np
import pytest
from scipy.stats import beta

from dmad.evaluation.image_ledger import (
    LARGER_OF_BOTH,
    build_image_ledger,
    larger_rows,
    paper_alpha,
    share_row,
)
from dmad.evaluation.ledger import Row
from dmad.evaluation.score_file import ScoreSet


def test_alpha_depends_on_the_category_as_in_the_paper() -> None:
    assert [paper_alpha(name) for name in ("screw", "carpet", "metal_nut")] == [0.2] * 3
    assert paper_alpha("bottle") == paper_alpha("my parts") == 0.05


def test_a_share_has_its_exact_binomial_interval() -> None:
    row = share_row("at 1 %", "recall", np.repeat([True, False], [3, 17]), "good")
    low, high = beta.ppf(0.025, 3, 18), beta.ppf(0.975, 4, 17)
    assert row.value == 0.15
    assert row.note == f"at 1 %: 3 of 20 good, 95% interval {low:.3f} to {high:.3f}"


def test_a_ledger_has_a_paper_and_a_deployable_block() -> None:
    labels = np.repeat([0, 1], 4).astype(np.uint8)
    scores = np.array([0, 1, 2, 5, 3, 4, 6, 7.0])
    given = ScoreSet({"score": scores}, labels, np.ones(8, int))
    ledger = build_image_ledger(given, {"a": scores}, {"b": scores}, {"0.05/image": ("b", 4.5)})
    assert ledger.value("a", "image_AUROC") == ledger.value("b", "image_AUROC") == 14 / 16
    assert ledger.value("b", "F1_max") == pytest.approx(8 / 9)
    assert ledger.value("at 5 %", "recall") == 0.5
    assert ledger.value("at 5 %", "false_positive_rate") == 0.25
    assert {row.block for row in ledger.rows} == {"paper", "deployable"}


def test_a_score_at_the_threshold_is_rejected() -> None:
    labels, scores = np.array([0, 0, 1, 1], np.uint8), np.array([0.0, 1, 2, 3])
    given = ScoreSet({"score": scores}, labels, np.ones(4, int))
    ledger = build_image_ledger(given, {}, {"b": scores}, {"0.05/image": ("b", 2.0)})
    assert ledger.value("at 5 %", "recall") == 1


def test_budgets_are_in_order() -> None:
    labels, scores = np.array([0, 0, 1, 1], np.uint8), np.array([0.0, 1, 2, 3])
    given = ScoreSet({"score": scores}, labels, np.ones(4, int))
    budgets = {"5%": ("b", 1.0), "0.001/image": ("b", 3.0), "0.1/image": ("b", 0.0)}
    ledger = build_image_ledger(given, {}, {"b": scores}, budgets)
    recalls = [row.signal for row in ledger.rows if row.metric == "recall"]
    assert recalls == ["at 0.1 %", "at 5 %", "at 10 %"]


def test_the_paper_takes_the_larger_of_two_figures() -> None:
    rows = [
        Row("paper", "a", "AP", 0.8),
        Row("paper", "b", "AP", 0.9),
        Row("paper", "c", "AP", 1.0),
        Row("deployable", "a", "AP", 1.0),
        Row("paper", "a", "AUPRO", 0.5),
    ]
    found = [(row.signal, row.metric, row.value) for row in larger_rows(rows, ("a", "b"))]
    assert found == [(LARGER_OF_BOTH, "AP", 0.9), (LARGER_OF_BOTH, "AUPRO", 0.5)]
    assert [row.value for row in larger_rows(rows[1::-1], ("a", "b"))] == [0.9]  # in either order
