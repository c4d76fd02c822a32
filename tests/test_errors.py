"""Errors for users: conditions, messages of one line, and checked settings."""

from dataclasses import dataclass
from typing import Literal

import pytest

from dmad.errors import DmadError, StoppedError, check_settings, one_line, require


@dataclass
class Settings:
    mode: Literal["fast", "exact"] = "fast"
    count: int = 3


def test_require_raises_the_message_unless_the_condition_holds() -> None:
    require(True, "never seen")
    with pytest.raises(DmadError, match="give a file"):
        require(False, "give a file")


def test_a_message_that_quotes_a_very_long_value_keeps_its_beginning_and_its_end() -> None:
    with pytest.raises(DmadError) as caught:
        require(False, f"cannot read {'x' * 10_000}; give three corners")
    message = str(caught.value)
    assert message.startswith("cannot read xxx")
    assert message.endswith("xxx; give three corners")
    assert len(message) < 2000


def test_a_stopped_program_is_an_error_for_users() -> None:
    assert issubclass(StoppedError, DmadError)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError("first\n  second\tthird"), "first second third"),
        (FileNotFoundError(2, "No such file or directory", "a.png"), "No such file or directory"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
    ],
)
def test_a_message_has_one_line(error: BaseException, expected: str) -> None:
    assert one_line(error) == expected


def test_allowed_settings_pass() -> None:
    check_settings(Settings("exact", 2), "data", count=2)


def test_a_word_that_is_not_allowed_is_refused_with_the_choices() -> None:
    with pytest.raises(DmadError, match=r"data\.mode is 'quick'; give one of fast, exact"):
        check_settings(Settings("quick"), "data")  # type: ignore[arg-type]


def test_a_number_below_its_minimum_is_refused() -> None:
    with pytest.raises(DmadError, match=r"data\.count is 3; give 4 or more"):
        check_settings(Settings(), "data", count=4)


@dataclass(frozen=True)
class Numbers:
    rate: float = 1.0
    pair: tuple[float, float] = (0.0, 1.0)


@pytest.mark.parametrize(
    "values",
    [{"rate": float("inf")}, {"rate": float("nan")}, {"pair": (0.0, float("-inf"))}],
)
def test_numbers_of_settings_are_finite(values):
    check_settings(Numbers(), "data")
    with pytest.raises(DmadError, match=r"data\.(rate|pair) is .*; give a finite number"):
        check_settings(Numbers(**values), "data")
