"""Rules for the whole code base that no single module can test.

They cover the import order, import circles, and what the library may do to its process.
"""

import ast
import re
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "dmad"
FILES = sorted(SOURCE.rglob("*.py"))
# A module imports only from its own group and from groups above it. A folder is named for all
# modules in it.
ORDER = [
    {
        "errors",
        "files",
        "locks",
        "checked_files",
        "typed",
        "config",
        "recipes",
        "runs",
        "hardware",
        "console",
        "cluster",
    },
    {"model"},
    {"data"},
    {"calibration"},
    {"evaluation"},
    {"drawing"},
    {"form"},
    {"training"},
    {"inference"},
    {"forms"},
    {"predict"},
    {"watch"},
    {"export"},
    {"report"},
    {"api"},
    {"serve", "scan"},
    {"categories"},
    {"experiments"},
    {"demo", "bench"},
    {"cli"},
]
# Modules without a test file of their own name, and the reason.
WITHOUT_OWN_TESTS: dict[str, str] = {}
MOST_PARAMETERS = 7
ARRAY = re.compile(r"(tuple\[)?(NDArray|np\.ndarray|Tensor)\b")  # a type


def module_name(path: Path) -> str:
    """Dotted name of a source file: "dmad.data.cache"; of a package, the name of its folder."""
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in FILES}
TREES = {name: ast.parse(path.read_text()) for name, path in MODULES.items()}
INSIDE = [name for name in MODULES if name != "dmad"]  # all but the public names themselves


def level(module: str) -> int:
    """Index in `ORDER` of the group of a module, such as "dmad.data.cache"."""
    top = module.split(".")[1]
    found = [index for index, group in enumerate(ORDER) if top in group]
    assert found, f"{module} is in no group of ORDER; add its folder"
    return found[0]


def imported_modules(tree: ast.Module) -> set[str]:
    """Modules of the project that a file imports, at any depth: in functions and for types too."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "write imports in full, without leading dots"
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                found.add(submodule if submodule in MODULES else str(node.module))
    return found & set(MODULES)


def calls(tree: ast.Module) -> list[str]:
    """The name of every function that a file calls: "print", "sys.exit"."""
    return [ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]


@pytest.mark.parametrize("name", INSIDE)
def test_a_module_imports_only_from_groups_above_its_own(name: str) -> None:
    imported = imported_modules(TREES[name]) - {"dmad"}
    below = sorted(other for other in imported if level(other) > level(name))
    assert not below, f"{name} imports {below}, which come later in ORDER"


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {name: imported_modules(tree) - {name} for name, tree in TREES.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"these modules import each other: {' → '.join(error.args[1])}")


@pytest.mark.parametrize("name", INSIDE)
def test_only_the_command_line_prints_and_exits(name: str) -> None:
    if name.startswith("dmad.cli"):
        return
    called = set(calls(TREES[name]))
    assert not called & {"sys.exit", "os._exit", "exit", "quit", "SystemExit"}
    assert name == "dmad.demo" or "print" not in called


@pytest.mark.parametrize("name", MODULES)
def test_no_function_has_more_than_seven_parameters(name: str) -> None:
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            count = len(parameters(node))
            assert count <= MOST_PARAMETERS, f"{node.name} has {count}; pass a dataclass"


def parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """Names of a function's parameters without `self` and `cls`."""
    given = node.args
    listed = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    names = [argument.arg for argument in listed if argument is not None]
    return [name for name in names if name not in ("self", "cls")]


@pytest.mark.parametrize("name", MODULES)
def test_no_dataclass_with_arrays_is_compared_by_value(name: str) -> None:
    """An array has no single truth value, so such a comparison fails from Python 3.13 on."""
    for node in ast.walk(TREES[name]):
        if not isinstance(node, ast.ClassDef):
            continue
        fields = [part for part in node.body if isinstance(part, ast.AnnAssign)]
        has_arrays = any(ARRAY.match(ast.unparse(part.annotation)) for part in fields)
        for decorator in map(ast.unparse, node.decorator_list):
            is_compared = decorator.startswith("dataclass") and "eq=False" not in decorator
            assert not (is_compared and has_arrays), f"{node.name} needs eq=False"


@pytest.mark.parametrize("name", INSIDE)
def test_the_teacher_is_asked_only_where_the_two_forms_are_defined(name: str) -> None:
    if name == "dmad.config" or name.startswith(("dmad.forms", "dmad.model")):
        return
    attributes = [node.attr for node in ast.walk(TREES[name]) if isinstance(node, ast.Attribute)]
    assert "teacher" not in attributes, "ask the form instead; see dmad.form"


def test_grid_sample_is_called_in_one_place() -> None:
    users = [name for name, path in MODULES.items() if "grid_sample(" in path.read_text()]
    assert users == ["dmad.model.deformation"]


def run_python(code: str) -> str:
    """Output of a Python program that runs in a process of its own."""
    command = [sys.executable, "-c", code]
    process = subprocess.run(command, check=False, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    return process.stdout.strip()


def test_importing_the_package_does_not_load_torch() -> None:
    assert run_python("import sys, dmad, dmad.cli.main; print('torch' in sys.modules)") == "False"


def test_the_model_is_importable_without_lightning() -> None:
    names = ", ".join(name for name in MODULES if name.startswith("dmad.model"))
    assert run_python(f"import sys, {names}; print('lightning' in sys.modules)") == "False"


SETTINGS_OF_THE_PROCESS = """
import logging, os, warnings
import matplotlib, torch
from PIL import Image

def settings():
    tiny = torch.tensor([1e-40]) * 1.0  # 0 if denormal numbers are flushed
    return [
        tiny.item(), torch.get_num_threads(), torch.get_float32_matmul_precision(),
        torch.is_deterministic_algorithms_warn_only_enabled(), torch.backends.mkldnn.enabled,
        Image.MAX_IMAGE_PIXELS, matplotlib.rcParams._get("backend"), logging.root.level,
        list(logging.root.handlers), list(warnings.filters), dict(os.environ),
    ]
"""


def test_importing_every_module_changes_no_setting_of_the_process() -> None:
    """Other libraries may change settings when they are imported, so they are imported first."""
    names = [name for name in MODULES if not name.startswith(("dmad.cli", "dmad.demo"))]
    outside = sorted({package for name in names for package in packages_outside(TREES[name])})
    code = "\n".join(
        [
            SETTINGS_OF_THE_PROCESS,
            f"import importlib, importlib.util\nfor name in {outside}:",
            "    importlib.util.find_spec(name.split('.')[0]) and importlib.import_module(name)",
            "before = settings()",
            f"import {', '.join(names)}",
            "print([pair for pair in zip(before, settings()) if pair[0] != pair[1]])",
        ]
    )
    assert run_python(code) == "[]"


def packages_outside(tree: ast.Module) -> set[str]:
    """Modules of other packages that a file imports when it is imported itself."""
    found = set()
    for node in tree.body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(str(node.module))
    return {name for name in found if name.split(".")[0] not in ("dmad", "__future__")}


@pytest.mark.parametrize("name", MODULES)
def test_a_module_has_a_test_file_of_its_name(name: str) -> None:
    path = MODULES[name].relative_to(SOURCE)
    if path.name in ("__init__.py", "__main__.py") or name in WITHOUT_OWN_TESTS:
        return
    expected = Path("tests") / path.with_name(f"test_{path.name}")
    assert (ROOT / expected).is_file(), f"{name} has no {expected}"


def test_the_list_of_modules_without_tests_is_current() -> None:
    assert set(WITHOUT_OWN_TESTS) <= set(MODULES)


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
