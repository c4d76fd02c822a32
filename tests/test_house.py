"""The house rules: who may import whom, sizes, and what must load quickly."""

import ast
import re
import subprocess
import sys
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "dmad"
# Imports point up this list only; a folder stands for all in it.
ORDER = [
    "errors",
    "config",
    "settings",
    "recipes",
    "nn",
    "losses",
    "scoring",
    "data",
    "machine",
    "runs",
    "progress",
    "tracking",
    "teachers",
    "learning",
    "starting",
    "training",
    "visualize",
    "report",
    "evaluation",
    "inference",
    "weighing",
    "inspection",
    "summary",
    "summary_images",
    "judge",
    "normal",
    "thresholds",
    "categories",
    "experiments",
    "bench",
    "deployment",
    "demo",
    "parsing",
    "calibrate_verb",
    "experiment_verb",
    "train_verb",
    "watch_verb",
    "verbs",
    "cli",
]
FILES = sorted(SOURCE.rglob("*.py"))


def floor(module: str) -> int:
    return ORDER.index(module.split(".", maxsplit=1)[0])


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("dmad"):
            tail = node.module.removeprefix("dmad").removeprefix(".")
            found |= {tail} if tail else {alias.name for alias in node.names}
    return {name for name in found if name.split(".")[0] in ORDER}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_point_up_the_list(path: Path) -> None:
    own = ".".join(path.relative_to(SOURCE).with_suffix("").parts)
    if own == "__init__":
        return
    below = [name for name in imports(path) if floor(name) > floor(own)]
    assert not below, f"{own} imports {below}, which lie below it"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_files_and_functions_are_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 300
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef):
            assert body_lines(node) <= 40, f"{node.name} is long"


def body_lines(node: ast.FunctionDef) -> int:
    """Lines of a function without its docstring."""
    first = node.body[0]
    documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    doc = (first.end_lineno or 0) - first.lineno + 1 if documented else 0
    return (node.end_lineno or 0) - node.lineno + 1 - doc


def test_median_function_is_at_most_ten_lines() -> None:
    trees = [ast.parse(path.read_text()) for path in FILES]
    nodes = [n for tree in trees for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
    assert median(map(body_lines, nodes)) <= 10


def test_both_forms_of_the_paper_fit_in_1300_lines() -> None:
    paper = [*(SOURCE / "nn").glob("*.py"), SOURCE / "losses.py", SOURCE / "scoring.py"]
    assert sum(len(path.read_text().splitlines()) for path in paper) < 1300


def test_grid_sample_is_called_in_one_place() -> None:
    users = [path.name for path in FILES if "grid_sample(" in path.read_text()]
    assert users == ["deformation.py"]


def test_import_leaves_torch_alone() -> None:
    code = "import sys, dmad, dmad.cli.main; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_nn_imports_without_lightning() -> None:
    code = "import sys, dmad.model.pdm, dmad.model.losses, dmad.model.scoring; sys.exit('lightning' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_equations_page_names_functions_that_exist() -> None:
    """Every equation 1 to 23 has a row, and each row's function names its equation."""
    rows = re.findall(
        r"^\| (\d+) \|[^|]*\| `([\w.]+)`", (ROOT / "docs" / "equations.md").read_text(), re.M
    )
    assert {int(number) for number, _ in rows} >= set(range(1, 24))
    for number, name in rows:
        assert int(number) in equations(documented(name)), name


def test_numbers_of_equations_are_read() -> None:
    assert equations("Eq. 12 to 14, 20 to 23.") == {12, 13, 14, 20, 21, 22, 23}
    assert equations("(Eq. 3, 9), for 8 frames; Eq. 10 and 12") == {3, 9, 10, 12}
    assert equations("14 frames of 20") == set()


def documented(name: str) -> str:
    """Docstring of a function, or of a class and its methods, by dotted name."""
    module, _, attribute = name.rpartition(".")
    tree = ast.parse((SOURCE / (module.replace(".", "/") + ".py")).read_text())
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == attribute:
            methods = node.body if isinstance(node, ast.ClassDef) else []
            own = [node, *(m for m in methods if isinstance(m, ast.FunctionDef))]
            return "\n".join(ast.get_docstring(each) or "" for each in own)
    raise AssertionError(f"docs/equations.md names {name}, which does not exist")


def equations(text: str) -> set[int]:
    """The numbers that follow each "Eq.", those of every range included."""
    found = set()
    for listed in re.findall(r"Eq\. (\d+(?:(?:,| to| and) \d+)*)", text):
        for first, last in re.findall(r"(\d+)(?: to (\d+))?", listed):
            found |= set(range(int(first), int(last or first) + 1))
    return found
