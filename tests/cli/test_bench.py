"""`dmad bench`: `tests/test_bench.py` measures; here only its options are tested."""

import pytest

from dmad.cli.bench import bench_command
from dmad.cli.parsing import parser_of


def test_two_sizes_are_measured_if_no_others_are_given():
    parser = parser_of("bench", bench_command)
    assert parser.parse_args(["predict"]).sizes == [128, 256]
    assert parser.parse_args(["predict", "--sizes", "[32]"]).sizes == [32]


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["train", "--sizes", "big"], "--sizes is 'big'; give a list"),
        (["sleep"], "give one of train, predict, images, deploy, peers"),
    ],
)
def test_a_wrong_argument_is_one_line(refused, arguments, hint):
    assert hint in refused("bench", *arguments)
