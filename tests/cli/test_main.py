"""The table of verbs: help, and one line with exit code 2 for every error."""

import resource
import subprocess
import sys

import pytest

from dmad import __version__
from dmad.cli import main as cli
from dmad.cli.experiment import EXPERIMENTS


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
