import numpy as np
import pytest

from dmad.inference.backend import LazyArrays


def test_an_array_is_read_once_and_only_when_asked_for():
    reads = []

    def read(name: str) -> np.ndarray:
        reads.append(name)
        return np.full(2, len(reads))

    arrays = LazyArrays(["a", "b"], read)
    assert (list(arrays), len(arrays), "b" in arrays) == (["a", "b"], 2, True)
    reads.clear()
    assert arrays["a"] is arrays["a"]
    assert reads == ["a"]


def test_other_names_are_missing():
    arrays = LazyArrays(["a"], lambda name: np.zeros(1))
    assert arrays.get("c") is None
    with pytest.raises(KeyError):
        arrays["c"]
