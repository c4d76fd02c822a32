"""Turn values of JSON and YAML files into dataclasses, and check the type of every value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from math import isfinite
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from dmad.errors import require

T = TypeVar("T")

_type_hints = cache(get_type_hints)  # they are slow to read

EXPECTED = {
    int: "a whole number",
    float: "a finite number",
    bool: "true or false",
    str: "text",
    Path: "a path",
}


def dataclass_from(kind: type[T], tree: object, name: str) -> T:
    """Build a dataclass from a mapping, and check the names and types of its fields.

    A field that is a dataclass is built from a mapping, and a tuple from a list. A whole number is
    accepted where a float is expected. Floats must be finite.

    Args:
        kind: The dataclass.
        tree: The mapping. Fields with a default may be missing.
        name: Where the mapping comes from, for error messages.

    Raises:
        DmadError: `tree` is not a mapping; a field is unknown, missing or of a wrong type; or the
            dataclass refuses a value.
    """
    require(isinstance(tree, Mapping), f"{name} is {_short(tree)}; give a mapping")
    assert isinstance(tree, Mapping)
    known = {item.name: item for item in fields(kind)}  # type: ignore[arg-type]
    unknown = ", ".join(sorted(_short(key) for key in tree if key not in known))
    require(not unknown, f"{name} has the unknown entry {unknown}; known: {', '.join(known)}")
    missing = ", ".join(
        key
        for key, item in known.items()
        if key not in tree and item.default is MISSING and item.default_factory is MISSING
    )
    require(not missing, f"{name} has no entry {missing}")
    hints = _type_hints(cast(Any, kind))
    return kind(**{key: typed(hints[key], value, f"{name}.{key}") for key, value in tree.items()})


def typed(kind: Any, value: Any, name: str) -> Any:
    """Return a value with the type that a type hint states.

    Args:
        kind: The type hint: a plain type, a dataclass, a tuple, a list, a mapping, a `Literal` or a
            union of them.
        value: The value.
        name: Name of the value in error messages, such as "data.size".

    Raises:
        DmadError: The value has another type.
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if origin in (Union, UnionType):
        return _one_of(arguments, value, name)
    if origin is Literal:
        choices = ", ".join(map(str, arguments))
        found = any(type(value) is type(choice) and value == choice for choice in arguments)
        require(found, f"{name} is {_short(value)}; give one of {choices}")
        return value
    if origin in (tuple, list):
        return origin(_items(arguments, value, name))
    if origin is not None and issubclass(origin, Mapping):
        require(isinstance(value, Mapping), f"{name} is {_short(value)}; give a mapping")
        return {
            typed(arguments[0], key, name): typed(arguments[1], item, f"{name}.{key}")
            for key, item in value.items()
        }
    if is_dataclass(kind):
        return value if isinstance(value, kind) else dataclass_from(kind, value, name)  # type: ignore[arg-type]
    return _plain(kind, value, name)


def _one_of(kinds: tuple[Any, ...], value: Any, name: str) -> Any:
    """Return a value, converted to the first type of a union that fits the value."""
    if value is None and NoneType in kinds:
        return None
    others = [kind for kind in kinds if kind is not NoneType]
    classes = [(kind, get_origin(kind) or kind) for kind in others]
    fitting = [kind for kind, cls in classes if isinstance(cls, type) and isinstance(value, cls)]
    return typed((fitting or others)[0], value, name)


def _items(kinds: tuple[Any, ...], value: Any, name: str) -> list[Any]:
    require(isinstance(value, list | tuple), f"{name} is {_short(value)}; give a list")
    if len(kinds) == 1 or kinds[-1] is Ellipsis:
        kinds = (kinds[0],) * len(value)
    require(len(kinds) == len(value), f"{name} has {len(value)} entries; give {len(kinds)}")
    return [typed(kind, item, f"{name}[]") for kind, item in zip(kinds, value, strict=True)]


def _plain(kind: type, value: Any, name: str) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        fits = abs(value) < 2**1000
    elif kind is float:
        fits = isinstance(value, float) and isfinite(value)
    elif kind in (str, Path):
        fits = isinstance(value, str | Path if kind is Path else str)
        require("\0" not in str(value), f"{name} contains a null character; leave it out")
    else:
        fits = isinstance(value, kind) and not (kind is int and isinstance(value, bool))
    require(fits, f"{name} is {_short(value)}; give {EXPECTED.get(kind, kind.__name__)}")
    return value if isinstance(value, kind) else kind(value)


def _short(value: object) -> str:
    text = repr(value) if isinstance(value, str | int | float | bool | None) else str(type(value))
    names = {"<class 'dict'>": "a mapping", "<class 'list'>": "a list"}
    return names.get(text, text if len(text) < 60 else f"{text[:50]}…")
