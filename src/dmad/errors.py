"""Errors for users. A message says what is wrong, what was expected, and what to do."""

from __future__ import annotations

from functools import cache
from math import isfinite
from typing import Any, Literal, get_args, get_origin, get_type_hints

LONGEST_MESSAGE = 1500  # characters


class DmadError(Exception):
    """Wrong input or data. The message is one line. The command line exits with code 2.

    The middle of a very long message is left out.
    """

    def __init__(self, message: str) -> None:
        if len(message) > LONGEST_MESSAGE:
            message = f"{message[: LONGEST_MESSAGE // 2]} … {message[-LONGEST_MESSAGE // 2 :]}"
        super().__init__(message)


class StoppedError(DmadError):
    """The user stopped the program. The message says how to resume."""


def require(condition: bool, message: str) -> None:
    """Raise `DmadError(message)` if the condition is false."""
    if not condition:
        raise DmadError(message)


def one_line(error: BaseException) -> str:
    """Return the message of an exception in one line, or its type if it has no message."""
    message = getattr(error, "strerror", None) or str(error)
    return " ".join(message.split()) or type(error).__name__


def check_settings(settings: object, section: str, **minimum: float) -> None:
    """Check the settings of a dataclass.

    Args:
        settings: The dataclass. A field of type `Literal` must hold one of the values in this type.
            A float must be finite.
        section: Name of the settings in error messages, such as "data".
        **minimum: Smallest allowed value by field name. Other fields have no limit.

    Raises:
        DmadError: A value is not allowed.
    """
    kind: Any = type(settings)
    for name, allowed in _choices(kind).items():
        value, choices = getattr(settings, name), ", ".join(map(str, allowed))
        require(value in allowed, f"{section}.{name} is {value!r}; give one of {choices}")
    for name, value in vars(settings).items():
        numbers = value if isinstance(value, tuple) else (value,)
        infinite = any(isinstance(number, float) and not isfinite(number) for number in numbers)
        require(not infinite, f"{section}.{name} is {value}; give a finite number")
    for name, bound in minimum.items():
        value = getattr(settings, name)
        require(value >= bound, f"{section}.{name} is {value}; give {bound} or more")


@cache  # type hints are slow to read
def _choices(kind: type) -> dict[str, tuple[Any, ...]]:
    """Return the allowed values of each field of type `Literal`, by its name."""
    hints = get_type_hints(kind)
    return {name: get_args(hint) for name, hint in hints.items() if get_origin(hint) is Literal}
