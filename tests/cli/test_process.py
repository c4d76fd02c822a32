"""Settings of the process, which only the command line makes."""

import subprocess
import sys

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
