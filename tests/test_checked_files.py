"""Files that are damaged, too large or of another kind are refused in one line."""

import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from dmad.checked_files import (
    LARGEST_YAML,
    read_bytes,
    read_json,
    read_mapping,
    read_npy,
    read_npz,
    read_yaml,
)
from dmad.errors import DmadError


def test_json_is_read(tmp_path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"a": [1, 2.5, "x"]}')
    assert read_json(path, "retry") == read_mapping(path, "retry") == {"a": [1, 2.5, "x"]}


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000, b"9" * 5000])
def test_damaged_json_is_one_line(tmp_path, content) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(DmadError, match=r"is not valid JSON .*; retry") as caught:
        read_json(path, "retry")
    assert "\n" not in str(caught.value)


def test_json_that_is_no_mapping_is_refused(tmp_path) -> None:
    (tmp_path / "a.json").write_text("[1]")
    with pytest.raises(DmadError, match="contains no mapping; retry"):
        read_mapping(tmp_path / "a.json", "retry")


def test_yaml_is_read(tmp_path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: {b: [1, 2]}\nc:\n- d\n- e: f\n")
    assert read_yaml(path) == {"a": {"b": [1, 2]}, "c": ["d", {"e": "f"}]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &x 1\nb: *x", "has an alias"),
        ("&x [*x]", "has an alias"),
        ("[" * 100_000, "has more than 20 levels"),
        ("- " * 30 + "a", "has more than 20 levels"),
        ("a: 1\na: 2", "has a twice in one mapping"),
        ("a: 2001-99-99", "is not readable as YAML"),
        ("a: !!python/object/apply:os.getcwd []", "is not readable as YAML"),
        ("a: \0", "is not readable as YAML"),
        ("? [a]\n: 1", "is not readable as YAML"),
        ("#" * (LARGEST_YAML + 1), "has more than 1048576 bytes"),
    ],
)
def test_unusable_yaml_is_refused_at_once(tmp_path, text, message) -> None:
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(DmadError, match=message) as caught:
        read_yaml(tmp_path / "a.yaml")
    assert "\n" not in str(caught.value)


def test_an_array_is_read(tmp_path) -> None:
    np.save(tmp_path / "a.npy", np.arange(6).reshape(2, 3))
    assert read_npy(tmp_path / "a.npy").tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize(
    "values", [np.array([{}], object), np.array(["a"]), np.zeros(2, "i4,f4"), np.array([1j])]
)
def test_an_array_of_other_things_than_numbers_is_refused(tmp_path, values) -> None:
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(DmadError):
        read_npy(tmp_path / "a.npy")


def test_half_an_array_is_refused(tmp_path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.zeros(1000))
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(DmadError, match="is not a NumPy array"):
        read_npy(path)


def test_an_archive_is_no_array(tmp_path) -> None:
    with (tmp_path / "a.npy").open("wb") as file:
        np.savez(file, a=np.zeros(3))
    with pytest.raises(DmadError, match="is an archive"):
        read_npy(tmp_path / "a.npy")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_the_wanted_arrays_of_an_archive_are_read(tmp_path, save) -> None:
    save(tmp_path / "a.npz", a=np.arange(3), b=np.array(["x", "yz"]), c=np.array([{}], object))
    arrays, names = read_npz(tmp_path / "a.npz", ("a", "b", "d"), "retry")
    assert {name: values.tolist() for name, values in arrays.items()} == {
        "a": [0, 1, 2],
        "b": ["x", "yz"],
    }
    assert names == ["a", "b", "c"]
    with pytest.raises(DmadError, match=r"a\.npz: c holds Python objects"):
        read_npz(tmp_path / "a.npz", ("c",), "retry")


def write_entry(path: Path, header: bytes, size: int, declared: int = 0) -> None:
    """Write an archive with one array, whose header may differ from its content."""
    content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(size)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", content)
        if declared:  # the size in the list of files is larger than the array
            archive.infolist()[0].file_size = declared


HUGE = b"{'descr': '<f8', 'fortran_order': False, 'shape': (134217728,)}\n"


def test_an_array_is_not_allocated_if_the_file_is_too_small_for_it(tmp_path) -> None:
    for declared in (0, 128 + 2**30):
        write_entry(tmp_path / "a.npz", HUGE, 100, declared)
        with pytest.raises(DmadError, match="a is damaged: its size is wrong"):
            read_npz(tmp_path / "a.npz", ("a",), "retry")


def test_too_large_arrays_are_refused_before_they_are_read(tmp_path) -> None:
    write_entry(tmp_path / "a.npz", HUGE, 100, declared=2**31 + 1)
    with pytest.raises(DmadError, match="contains 2048 MB, more than 2048"):
        read_npz(tmp_path / "a.npz", ("a",), "retry")


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 half an archive"])
def test_a_damaged_archive_is_one_line(tmp_path, content) -> None:
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(DmadError, match=r"is not a readable \.npz file .*; retry"):
        read_npz(tmp_path / "a.npz", ("a",), "retry")


def test_only_regular_files_are_read(tmp_path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (
        tmp_path,
        tmp_path / "pipe",
        tmp_path / "missing",
        Path("a\0b"),
        Path("/dev/zero"),
    ):
        for read in (read_npy, read_yaml, lambda path: read_json(path, "")):
            with pytest.raises(DmadError, match="is not a file"):
                read(path)


def test_a_file_is_read_up_to_a_limit(tmp_path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    assert read_bytes(tmp_path / "a", 5) == b"12345"
    with pytest.raises(DmadError, match="has more than 4 bytes"):
        read_bytes(tmp_path / "a", 4)


def test_numbers_that_are_not_finite_are_read_from_json(tmp_path) -> None:
    """Tables of results may contain NaN. For settings, `typed` refuses NaN."""
    (tmp_path / "a.json").write_text(json.dumps({"value": float("nan")}))
    assert np.isnan(read_json(tmp_path / "a.json", "")["value"])
