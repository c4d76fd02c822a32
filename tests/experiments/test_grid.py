"""The outcomes of a grid on disk, and their order."""

import json

import numpy as np

from dmad.experiments.grid import Outcome, read_outcomes, sort_outcomes
from dmad.experiments.tables import without_nan


def outcome(variant: str, seed: int) -> Outcome:
    return Outcome(variant, seed, 1, 32, 8, 0.5, {"AUROC": 0.9, "perplexity": np.nan}, "fp32")


def test_outcomes_are_read_back_from_json(tmp_path) -> None:
    path = tmp_path / "some.json"
    stored = {"outcomes": [outcome("full", 0).as_json()]}
    path.write_text(json.dumps(without_nan(stored)))
    (found,) = read_outcomes(path)
    assert repr(found) == repr(outcome("full", 0))  # repr, since NaN is not equal to itself


def test_there_are_no_outcomes_before_the_first_call(tmp_path) -> None:
    assert read_outcomes(tmp_path / "some.json") == []


def test_outcomes_are_sorted_by_variant_then_seed() -> None:
    mixed = [outcome("b", 0), outcome("unknown", 0), outcome("a", 1), outcome("a", 0)]
    ordered = sort_outcomes(mixed, {"a": None, "b": None})
    assert [one.key for one in ordered] == [("a", 0), ("a", 1), ("b", 0), ("unknown", 0)]
