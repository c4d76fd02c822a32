"""The table of verbs: help, and one line with exit code 2 for every error."""

import resource
import subprocess
import sys

import pytest

from dmad import __version__
from dmad.cli import main as cli
from dmad.cli.experiment import EXPERIMENTS
from dmad.runs import find_model, update_card


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["trian"], "did you mean train?"),
        (["xyzzy"], "known: demo, recipes"),
        (["experiment", "cooking"], "known: toy, ablation"),
        (["experiment", "toi"], "did you mean toy?"),
        (["data"], "missing: PATH; see `dmad data --help`"),
        (["data", "/no/such/folder"], "give a folder"),
        (["bench", "sleep"], "give one of train, predict, images, deploy"),
        (["evaluate", "/no/such/run"], "give a run folder"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_command_is_one_line_that_says_what_to_do(refused, arguments, hint):
    assert hint in refused(*arguments)


def test_a_process_exits_with_code_2_and_one_line():
    command = [sys.executable, "-m", "dmad.cli", "train", "ped3"]
    child = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (child.returncode, child.stdout) == (2, "")
    assert child.stderr == "dmad: unknown recipe 'ped3'; did you mean ped2?\n"


def test_a_missing_file_is_one_line_that_names_it(refused):
    line = refused("train", "video", "--config", "/no/such.yaml")
    assert line == "dmad: /no/such.yaml is not a file\n"


def test_a_full_disk_is_one_line():
    command = [sys.executable, "-m", "dmad.cli", "recipes"]
    with open("/dev/full", "w") as full:
        child = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (child.returncode, child.stderr) == (2, "dmad: No space left on device\n")


def test_a_reader_that_goes_away_is_no_error_message():
    command = f"{sys.executable} -m dmad.cli recipes | head -0"
    child = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert (child.stdout, child.stderr) == ("", "")


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help_lists_all_verbs(dmad, arguments):
    code, out, err = dmad(*arguments)
    assert (code, err) == (0, "")
    assert {line.split()[0] for line in out.splitlines() if line.strip()} >= set(cli.VERBS)


@pytest.mark.parametrize("verb", [*cli.VERBS, *(f"experiment {name}" for name in EXPERIMENTS)])
def test_every_verb_explains_itself_in_full_sentences(dmad, verb):
    code, out, err = dmad(*verb.split(), "--help")
    assert (code, err) == (0, "")
    assert f"usage: dmad {verb}" in out
    assert "Example" in out or verb == "experiment"
    for unreadable in ("<class", "null", "Union", "typing.", "type:", "None"):
        assert unreadable not in out


def test_help_takes_less_than_a_second_of_processor_time():
    def processor_time() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    start = processor_time()
    subprocess.run([sys.executable, "-m", "dmad.cli"], stdout=subprocess.PIPE, check=True)
    assert processor_time() - start < 1


def test_help_of_a_verb_does_not_load_torch():
    code = """
import sys
from dmad.cli.main import run
for verb in sys.argv[1:]:
    try:
        run([*verb.split(), "--help"])
    except SystemExit:
        pass
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code, *cli.VERBS, "train images"], check=True)


def test_version(dmad):
    assert dmad("--version") == (0, f"{__version__}\n", "")


WITHOUT_TORCH = """
import sys


class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "torchvision", "lightning"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, NoTorch())
from dmad.cli.main import main

main()
"""


@pytest.fixture(scope="module")
def without_torch():
    """Runs a command without torch, and returns its exit code, standard output and error."""

    def call(*arguments: object) -> tuple[int, str, str]:
        command = [sys.executable, "-c", WITHOUT_TORCH, *map(str, arguments)]
        child = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        return child.returncode, child.stdout, child.stderr

    return call


@pytest.fixture(scope="module")
def exported(trained, export_run, tmp_path_factory, calibration_of):
    """The folder of an exported model of video with a threshold."""
    folder = export_run(trained, "onnx", out=tmp_path_factory.mktemp("export") / "onnx").folder
    update_card(find_model(folder), {"calibration": calibration_of(0.8).to_dict()})
    return folder


@pytest.mark.parametrize("verb", ["calibrate", "evaluate", "export", "bench", "train"])
def test_a_missing_torch_is_one_line_that_names_it(without_torch, exported, verb):
    arguments = {
        "export": ["ped2", "--format", "onnx"],
        "bench": ["predict"],
        "train": ["digits"],
    }.get(verb, [exported])
    assert without_torch(verb, *arguments) == (
        2,
        "",
        "dmad: this command needs the Python package torch; install it with pip\n",
    )


def test_an_exported_model_is_scanned_without_torch(without_torch, exported, clips, tmp_path):
    pytest.importorskip("pyarrow", reason="needs pip install '.[scan]'")
    out = tmp_path / "scan"
    options = ("--out", out, "--workers", 1)
    assert without_torch("scan", exported, clips, *options) == (0, f"{out}\n", "")


def test_a_scan_of_a_run_names_the_missing_torch(without_torch, trained, clips, tmp_path):
    pytest.importorskip("pyarrow", reason="needs pip install '.[scan]'")
    options = ("--out", tmp_path / "scan", "--workers", 1)
    code, _, errors = without_torch("scan", trained, clips, *options)
    assert (code, errors.count("\n")) == (2, 1)
    assert "needs the Python package torch" in errors


def test_a_module_of_dmad_that_cannot_be_found_is_a_mistake_in_dmad(monkeypatch):
    def fail(arguments):
        raise ModuleNotFoundError("No module named 'dmad.x'", name="dmad.x")

    monkeypatch.setattr(cli, "run", fail)
    with pytest.raises(ModuleNotFoundError):
        cli.main()
