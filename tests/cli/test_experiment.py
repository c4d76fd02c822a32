"""`dmad experiment NAME`."""

import pytest

from dmad.cli.experiment import GridData, GridOptions, GridTraining, seconds
from dmad.errors import DmadError


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["ablation"], "missing: --run; see `dmad experiment ablation --help`"),
        (["video"], "write dmad experiment video --data.root DIR"),
        (["mvtec", "--data.root", "nowhere"], "nowhere is no folder"),
        (["peers", "--data.root", "nowhere"], "nowhere does not exist"),
        (["peers", "--methods", "[cooking]", "--data.root", "."], "no method is called"),
        (["toy", "--time-limit", "long"], "write a time such as 90s, 20m or 8h"),
        (["toy", "--variants", "[cooking]"], "no variant is called"),
        (["toy", "--recipe", "digit"], "did you mean digits?"),
        (["toy", "--run", "x"], "unknown argument --run"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_argument_is_one_line_that_says_what_to_do(refused, arguments, hint):
    assert hint in refused("experiment", *arguments)


def test_without_a_name_the_experiments_are_listed(dmad):
    code, out, err = dmad("experiment")
    assert (code, err) == (0, "")
    assert "  contamination Train models of video with abnormal events" in out


def test_options_become_the_effort_of_a_grid():
    options = GridOptions([0, 1], ["full"], "20m", None, GridData(size=64), GridTraining(epochs=2))
    effort = options.effort()
    assert (effort.epochs, effort.size, effort.time_limit) == (2, 64, 1200)
    assert (list(effort.seeds), list(effort.only)) == ([0, 1], ["full"])


def test_times_are_written_with_their_unit():
    assert [seconds(time) for time in ("90s", "20m", "1.5h")] == [90, 1200, 5400]
    for wrong in ("", "20", "m", "1.2.3h", "-1s"):
        with pytest.raises(DmadError, match="write a time"):
            seconds(wrong)
