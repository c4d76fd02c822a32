"""The page docs/results.md and the script that writes it."""

import importlib.util
import json
from pathlib import Path

import pytest

from dmad.errors import DmadError

DOCS = Path(__file__).parents[2] / "docs"
RESULTS = DOCS / "results"

spec = importlib.util.spec_from_file_location("fill_results", DOCS / "fill_results.py")
script = importlib.util.module_from_spec(spec)
spec.loader.exec_module(script)
fill_template, write_page = script.fill_template, script.write_page


def test_the_page_shows_the_stored_results() -> None:
    assert fill_template(RESULTS) == RESULTS.with_suffix(".md").read_text(), "run `make results`"


def test_every_stored_result_is_on_the_page() -> None:
    text = (RESULTS / "page.md").read_text()
    unused = [path.stem for path in RESULTS.glob("*.json") if f'"{path.stem}"' not in text]
    assert unused == []


def store_table(path: Path, columns: list[str], rows: list[list[str]], **more: object) -> None:
    path.write_text(json.dumps({"names": columns, "lines": rows, **more}))


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """A folder with a stored table and a stored model card."""
    folder = tmp_path / "results"
    folder.mkdir()
    store_table(
        folder / "some.json",
        ["variant", "AUROC", "min"],
        [["full", "0.9", "1"], ["- PDM", "0.8", "2"]],
        notes=["Not run: x."],
        outcomes=[{"variant": "full", "seed": 3, "minutes": 1.5, "figures": {"AUROC": 0.9}}],
        machine="a chip",
    )
    rows = [
        {"block": block, "signal": "Eq. 14", "metric": metric, "value": value, "note": ""}
        for block in ("paper", "blind")
        for metric, value in (("micro_AUROC", 0.25), ("AP", 0.5))
    ]
    card = {"ledger": {"rows": rows}, "history": [{"epoch": 1, "total": 0.25}]}
    (folder / "card.json").write_text(json.dumps(card))
    return folder


def page_of(folder: Path, template: str) -> str:
    (folder / "page.md").write_text(template)
    return write_page(folder).read_text()


def test_a_table_is_shown_with_its_notes_and_machine(stored: Path) -> None:
    assert page_of(stored, '{{ table("some") }}').splitlines()[2:] == [
        "| full | 0.9 | 1 |",
        "| - PDM | 0.8 | 2 |",
        "",
        "Not run: x.",
        "",
        "*a chip*",
    ]


def test_a_cell_is_found_by_row_and_column(stored: Path) -> None:
    assert page_of(stored, '{{ cell("some", "full", "min") }} min') == "1 min"


def test_a_block_of_a_ledger_shows_the_metrics_asked_for(stored: Path) -> None:
    shown = page_of(stored, '{{ ledger("card", "paper", ["AP"]) }}')
    assert shown.splitlines() == ["| signal | AP |", "| --- | --: |", "| Eq. 14 | 0.5000 |"]
    assert "0.2500" in page_of(stored, '{{ ledger("card", "paper") }}')


def test_a_value_is_the_micro_auroc_of_a_signal(stored: Path) -> None:
    assert page_of(stored, '{{ value("card", "blind", "Eq. 14") }}') == "0.2500"


def test_rows_that_begin_alike_are_told_apart_by_more_cells(stored: Path) -> None:
    rows = [["bottle", "paper", "0.9"], ["bottle", "deployable", "0.8"]]
    store_table(stored / "two.json", ["category", "block", "AUROC"], rows)
    assert page_of(stored, '{{ cell("two", "bottle, deployable", "AUROC") }}') == "0.8"
    with pytest.raises(DmadError, match="2 rows 'bottle'"):
        page_of(stored, '{{ cell("two", "bottle", "AUROC") }}')


def test_the_runs_of_a_variant_have_a_row_for_each_seed(stored: Path) -> None:
    assert page_of(stored, '{{ runs("some", "full") }}').splitlines() == [
        "| seed | min | AUROC |",
        "| --- | --: | --: |",
        "| 3 | 1.5 | 0.9000 |",
    ]


def test_points_are_the_mean_over_the_seeds_that_both_variants_have(stored: Path) -> None:
    values = {
        ("full", 0): 0.9,
        ("full", 1): 0.8,
        ("full", 2): 0.1,
        ("half", 0): 0.85,
        ("half", 1): 0.79,
    }
    outcomes = [
        {"variant": variant, "seed": seed, "figures": {"AUROC": value}}
        for (variant, seed), value in values.items()
    ]
    store_table(stored / "grid.json", ["variant"], [["full"], ["half"]], outcomes=outcomes)
    assert page_of(stored, '{{ points("grid", "half", "full", "AUROC") }}') == "-3.0"


def test_epochs_are_the_training_curves_of_a_card(stored: Path) -> None:
    shown = page_of(stored, '{{ epochs("card", ["total"]) }}')
    assert shown.splitlines()[2:] == ["| 1 | 0.2500 |"]


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ('{{ table("other") }}', "other.json does not exist"),
        ('{{ cell("some", "half", "min") }}', "0 rows 'half'"),
        ('{{ cell("some", "full", "hours") }}', "no column 'hours'"),
        ('{{ runs("some", "half") }}', "no run of 'half'"),
        ('{{ points("some", "half", "full", "AUROC") }}', "no run of 'half'"),
        ('{{ ledger("card", "deployable") }}', "no block 'deployable'"),
        ('{{ value("card", "paper", "Eq. 13") }}', "no 'Eq. 13' in block 'paper'"),
        ("{{ figure }}", "'figure' is undefined"),
        ("{{ table(", "page.md"),
    ],
)
def test_a_wrong_name_in_the_template_is_an_error(
    stored: Path, template: str, message: str
) -> None:
    with pytest.raises(DmadError, match=message):
        page_of(stored, template)


def test_a_folder_without_a_template_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DmadError, match=r"holds no page\.md"):
        write_page(tmp_path)
