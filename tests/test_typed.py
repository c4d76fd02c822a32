"""Values of JSON and YAML files get the types of a dataclass, or are refused in one line."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from dmad.errors import DmadError
from dmad.typed import dataclass_from, typed


@dataclass(frozen=True)
class Corner:
    x: float
    y: float = 0.0


@dataclass(frozen=True)
class Settings:
    size: int
    rate: float = 1.0
    kind: Literal["fast", "slow"] = "fast"
    corners: tuple[Corner, ...] = ()
    pair: tuple[int, int] = (1, 2)
    place: Path | None = None
    names: dict[str, int] = field(default_factory=dict)


def test_a_dataclass_is_built_with_the_types_of_its_fields() -> None:
    tree = {
        "size": 3,
        "rate": 2,
        "corners": [{"x": 1}],
        "pair": [4, 5],
        "place": "a/b",
        "names": {"one": 1},
    }
    settings = dataclass_from(Settings, tree, "data")
    assert settings == Settings(3, 2.0, "fast", (Corner(1.0),), (4, 5), Path("a/b"), {"one": 1})
    assert isinstance(settings.rate, float)


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ([], "data is a list; give a mapping"),
        ({}, "data has no entry size"),
        ({"size": 1, "width": 2}, "data has the unknown entry 'width'; known: size, rate"),
        ({"size": "1"}, "data.size is '1'; give a whole number"),
        ({"size": True}, "data.size is True; give a whole number"),
        ({"size": 1.0}, "data.size is 1.0; give a whole number"),
        ({"size": 1, "rate": float("inf")}, "data.rate is inf; give a finite number"),
        ({"size": 1, "rate": float("nan")}, "data.rate is nan; give a finite number"),
        ({"size": 1, "rate": 10**400}, "data.rate is 1000"),
        ({"size": 1, "kind": "old"}, "data.kind is 'old'; give one of fast, slow"),
        ({"size": 1, "kind": ["fast"]}, "data.kind is a list; give one of fast, slow"),
        ({"size": 1, "corners": {"x": 1}}, "data.corners is a mapping; give a list"),
        ({"size": 1, "corners": [{"x": None}]}, r"data.corners\[\].x is None; give a finite"),
        ({"size": 1, "pair": [1]}, "data.pair has 1 entries; give 2"),
        ({"size": 1, "place": 5}, "data.place is 5; give a path"),
        ({"size": 1, "place": "a\0b"}, "data.place contains a null character"),
        ({"size": 1, "names": {"one": "1"}}, "data.names.one is '1'; give a whole number"),
    ],
)
def test_a_wrong_value_is_named(tree: Any, message: str) -> None:
    with pytest.raises(DmadError, match=message):
        dataclass_from(Settings, tree, "data")


def test_a_union_takes_the_type_that_fits() -> None:
    assert typed(str | list[str], ["a"], "zone") == ["a"]
    assert typed(str | list[str], "a", "zone") == "a"
    assert typed(int | None, None, "count") is None
