"""`dmad demo`: `tests/test_demo.py` runs it; here only its options are tested."""

from pathlib import Path

from dmad.cli.demo import demo_command
from dmad.cli.parsing import parser_of


def test_the_demo_writes_to_a_folder_named_demo_if_no_other_is_given():
    parser = parser_of("demo", demo_command)
    assert parser.parse_args([]).out == Path("demo")
    assert parser.parse_args(["--out", "x"]).out == Path("x")
