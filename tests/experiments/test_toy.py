"""The toy of digits: its examples, its tables and Fig. 6."""

from dataclasses import replace

import pytest

from dmad.data.footage import LabelledFootage
from dmad.data.splits import load_split
from dmad.experiments.toy import choose_examples, example_titles, toy, variants
from dmad.recipes import recipe


@pytest.fixture(scope="module")
def test_split() -> LabelledFootage:
    return load_split(recipe("digits").data, "test")


def test_fig6_shows_a_digit_of_each_class(test_split) -> None:
    chosen = choose_examples(test_split)
    assert test_split.classes[chosen].tolist() == [1, 3, 5, 7, 9, 0, 2, 4, 6, 8]


def test_ten_examples_are_chosen_without_labels_too(test_split) -> None:
    unlabelled = replace(test_split, labels=None, classes=None)
    chosen = choose_examples(unlabelled)
    assert len(set(chosen)) == 10
    assert set(example_titles(unlabelled, chosen)) == {"no labels"}


def test_titles_name_class_and_label(test_split) -> None:
    titles = example_titles(test_split, choose_examples(test_split))
    assert titles[0] == "1\nnormal"
    assert titles[-1] == "8\nabnormal"


def test_the_three_models_differ_in_skips_and_deformation() -> None:
    models = variants(recipe("digits"))
    assert not models["Mem only"].model.reductions
    assert models["+Skip"].model.skips == "full"
    assert models["+PDM"] == recipe("digits")


def test_the_toy_writes_both_tables_and_fig6(tmp_path) -> None:
    outcomes = toy(recipe("digits", epochs=1, limit=32), tmp_path)
    assert [one.variant for one in outcomes] == ["Mem only", "+Skip", "+PDM"]
    names = {path.name for path in tmp_path.iterdir()}
    assert {"toy.md", "anomaly-like.md", "anomaly-like.png", "fig6.png"} <= names
    table = (tmp_path / "anomaly-like.md").read_text()
    for one in outcomes:
        unbent = one.values["AUROC (Eq. 14)"]
        assert f"| {one.variant} | 0 |" in table
        assert f"| {unbent:.4f} |" in table  # not bent, the result is the toy's own
