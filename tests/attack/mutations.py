"""Random changes of bytes, and of the values in a JSON or YAML tree."""

from __future__ import annotations

import random
from typing import Any

ODD_VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 2**31, 2**63, -(2**70), 0.5, -0.0, 1e308, 1e-320, float("nan"),
    float("inf"), "", "a", "1", "nan", "\0", "../..", "/", "x" * 5000, "\x1b[2J", "=1+1", "\ud800",
    [], {}, [[]], [None], [1, 2], {"a": 1}, [[[[[[[[]]]]]]]], {"": None},
]  # fmt: skip


def changed_bytes(rng: random.Random, content: bytes) -> bytes:
    """Return content with one to four random changes: bits, stretches, cuts and repetitions."""
    changed = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        size = len(changed)
        start = rng.randrange(size + 1)
        length = min(rng.choice((1, 1, 2, 4, 8, 64, 4096)), size - start)
        stretch = slice(start, start + length)
        match rng.randrange(7):
            case 0 if size:
                changed[min(start, size - 1)] ^= 1 << rng.randrange(8)
            case 1:
                changed[stretch] = rng.randbytes(length)
            case 2:
                del changed[stretch]
            case 3:
                del changed[start:]
            case 4:
                changed[start:start] = changed[stretch]
            case 5:
                changed[stretch] = bytes((rng.choice((0, 255)),)) * length
            case _:
                changed[start:start] = rng.randbytes(rng.choice((1, 3, 100)))
    return bytes(changed)


def changed_tree(rng: random.Random, tree: Any) -> Any:
    """Return a tree of dicts and lists in which a random value was replaced, removed or added."""
    if isinstance(tree, dict) and tree and rng.random() < 0.85:
        key = rng.choice(list(tree))
        others = {name: value for name, value in tree.items() if name != key}
        choice = rng.random()
        if choice < 0.06:
            return others
        if choice < 0.12:
            return {**tree, rng.choice(("new", "", "\0", key + "x")): rng.choice(ODD_VALUES)}
        return {**tree, key: changed_tree(rng, tree[key])}
    if isinstance(tree, list) and tree and rng.random() < 0.85:
        position = rng.randrange(len(tree))
        copy = list(tree)
        if rng.random() < 0.15:
            del copy[position]
        else:
            copy[position] = changed_tree(rng, copy[position])
        return copy
    if isinstance(tree, int | float) and not isinstance(tree, bool) and rng.random() < 0.3:
        return tree * rng.choice((-1, 0, 2, 1000, 10**9, 0.5))
    return rng.choice(ODD_VALUES)
