"""The page of results: what it draws from stored results, and that each of those is on it."""

import json
from pathlib import Path

import pytest

from dmad.errors import DmadError
from dmad.experiments.page import filled, page
from dmad.experiments.tables import Table

RESULTS = Path(__file__).parents[2] / "docs" / "results"


def test_the_page_says_what_is_stored() -> None:
    assert filled(RESULTS) == RESULTS.with_suffix(".md").read_text(), "run `make results`"


def test_every_stored_result_is_on_the_page() -> None:
    text = (RESULTS / "page.md").read_text()
    unused = [path.stem for path in RESULTS.glob("*.json") if f'"{path.stem}"' not in text]
    assert unused == []


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    folder = tmp_path / "results"
    folder.mkdir()
    lines = [["full", "0.9", "1"], ["- PDM", "0.8", "2"]]
    found = Table("Some", ["variant", "AUROC", "min"], lines, ["Not run: x."])
    outcome = {"variant": "full", "seed": 3, "minutes": 1.5, "figures": {"AUROC": 0.9}}
    found.write(folder / "some", outcomes=[outcome], machine="a chip")
    rows = [
        {"block": block, "signal": "Eq. 14", "metric": metric, "value": value, "note": ""}
        for block in ("paper", "blind")
        for metric, value in (("micro_AUROC", 0.25), ("AP", 0.5))
    ]
    (folder / "card.json").write_text(
        json.dumps({"ledger": {"rows": rows}, "history": [{"epoch": 1, "total": 0.25}]})
    )
    return folder


def test_places_are_filled(stored: Path) -> None:
    (stored / "page.md").write_text(
        '{{ table("some") }}\n---\n'
        '{{ cell("some", "full", "min") }} min\n---\n{{ ledger("card", "paper", ["AP"]) }}\n'
        '---\n{{ value("card", "blind", "Eq. 14") }}\n'
    )
    whole, cell, ledger, value = page(stored).read_text().split("\n---\n")
    assert whole.splitlines()[2:] == [
        "| full | 0.9 | 1 |",
        "| - PDM | 0.8 | 2 |",
        "",
        "Not run: x.",
        "",
        "*a chip*",
    ]
    assert cell == "1 min"
    assert ledger.splitlines() == ["| signal | AP |", "| --- | --: |", "| Eq. 14 | 0.5000 |"]
    assert value == "0.2500\n"


def test_lines_that_begin_alike_are_kept_apart(stored: Path) -> None:
    lines = [["bottle", "paper", "0.9"], ["bottle", "deployable", "0.8"]]
    Table("Two", ["category", "block", "AUROC"], lines).write(stored / "two")
    (stored / "page.md").write_text(
        '{{ table("two") }}\n---\n{{ cell("two", "bottle, deployable", "AUROC") }}'
    )
    whole, cell = page(stored).read_text().split("\n---\n")
    assert whole.splitlines()[2:4] == ["| bottle | paper | 0.9 |", "| bottle | deployable | 0.8 |"]
    assert cell == "0.8"
    (stored / "page.md").write_text('{{ cell("two", "bottle", "AUROC") }}')
    with pytest.raises(DmadError, match="2 lines 'bottle'"):
        page(stored)


def test_a_line_a_seed(stored: Path) -> None:
    (stored / "page.md").write_text('{{ runs("some", "full") }}')
    assert page(stored).read_text().splitlines() == [
        "| seed | min | AUROC |", "| --- | --: | --: |", "| 3 | 1.5 | 0.9000 |"
    ]  # fmt: skip


def test_points_are_over_the_seeds_that_both_have(stored: Path) -> None:
    made = [
        ("full", 0, 0.9),
        ("full", 1, 0.8),
        ("full", 2, 0.1),
        ("half", 0, 0.85),
        ("half", 1, 0.79),
    ]
    outcomes = [{"variant": v, "seed": s, "figures": {"AUROC": a}} for v, s, a in made]
    Table("Grid", ["variant"], [["full"], ["half"]]).write(stored / "grid", outcomes=outcomes)
    (stored / "page.md").write_text('{{ points("grid", "half", "full", "AUROC") }}')
    assert page(stored).read_text() == "-3.0"


def test_curves_of_a_card(stored: Path) -> None:
    (stored / "page.md").write_text('{{ epochs("card", ["total"]) }}')
    assert page(stored).read_text().splitlines()[2:] == ["| 1 | 0.2500 |"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{{ table("other") }}', "other.json does not exist"),
        ('{{ cell("some", "half", "min") }}', "0 lines 'half'"),
        ('{{ cell("some", "full", "hours") }}', "no column 'hours'"),
        ('{{ runs("some", "half") }}', "no run of 'half'"),
        ('{{ points("some", "half", "full", "AUROC") }}', "no run of 'half'"),
        ('{{ ledger("card", "deployable") }}', "no block 'deployable'"),
        ('{{ value("card", "paper", "Eq. 13") }}', "no 'Eq. 13' in block 'paper'"),
        ("{{ figure }}", "'figure' is undefined"),
        ("{{ table(", "page.md"),
    ],
)
def test_what_is_not_there_is_said(stored: Path, text: str, told: str) -> None:
    (stored / "page.md").write_text(text)
    with pytest.raises(DmadError, match=told):
        page(stored)


def test_a_folder_without_text(tmp_path: Path) -> None:
    with pytest.raises(DmadError, match=r"holds no page\.md"):
        page(tmp_path)
