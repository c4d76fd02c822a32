"""Settings of the process, which only the command line makes."""

import subprocess
import sys

import pytest

CODE = """
import logging, signal, sys
from dmad.cli.process import prepare_to_compute, set_up_streams
set_up_streams()
prepare_to_compute()
from PIL import Image
assert Image.MAX_IMAGE_PIXELS is None
assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler
assert logging.getLogger("lightning.pytorch.utilities.rank_zero").level == logging.ERROR
logging.getLogger("dmad.x").warning("one")
logging.getLogger("dmad.x").info("two")
sys.stdout.write("name \\udcbc")
"""


def run(code: str) -> tuple[bytes, bytes]:
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    return child.stdout, child.stderr


def test_the_process_is_quiet_and_stops_on_sigterm_and_prints_any_name():
    assert run(CODE) == (b"name \xbc", b"note: one\ntwo\n")


EXIT = """
import atexit, sys
from dmad.cli.process import quick_exit
with quick_exit():
    sys.modules.setdefault("torch", sys)  # as if it were imported
    atexit.register(print, "exit function")
    print("text without a flush")
    {end}
"""


@pytest.mark.parametrize(
    ("end", "code"),
    [("pass", 0), ("sys.exit(2)", 2), ("sys.exit()", 0), ("sys.exit('x')", 1), ("1 / 0", 1)],
)
def test_a_quick_exit_keeps_the_output_the_exit_functions_and_the_exit_code(end, code):
    command = [sys.executable, "-c", EXIT.format(end=end)]
    child = subprocess.run(command, capture_output=True, text=True, check=False)
    assert child.stdout == "text without a flush\nexit function\n"
    assert child.returncode == code
    assert ("ZeroDivisionError" in child.stderr) == (end == "1 / 0")
