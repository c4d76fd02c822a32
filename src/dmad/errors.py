"""The one error that is meant for people: what was found, what was expected, what to do."""

from __future__ import annotations

from typing import Literal, get_args, get_origin, get_type_hints


class DmadError(Exception):
    """Bad input. The message is one line; the command line prints it and exits with code 2."""


class StoppedError(DmadError):
    """Stopped by hand; says how to go on."""


def require(holds: bool, message: str) -> None:
    """Raise `DmadError(message)` unless the condition holds."""
    if not holds:
        raise DmadError(message)


def brief(error: BaseException) -> str:
    """What an exception says, in one line."""
    told = getattr(error, "strerror", None) or str(error)
    return " ".join(told.split()) or type(error).__name__


def checked(settings: object, section: str, **least: float) -> None:
    """Raise `DmadError` where a setting is none of its type's words, or below its least value."""
    for name, hint in get_type_hints(type(settings)).items():
        words, value = get_args(hint), getattr(settings, name)
        known = get_origin(hint) is not Literal or value in words
        require(known, f"{section}.{name} is {value!r}; give one of {', '.join(map(str, words))}")
    for name, bound in least.items():
        value = getattr(settings, name)
        require(value >= bound, f"{section}.{name} is {value}; give {bound} or more")
