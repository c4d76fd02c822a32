"""Files that are written completely or not at all, names that do not repeat, large arrays."""

import csv
import io
import os
from pathlib import Path

import numpy as np
import pytest

from dmad.errors import DmadError
from dmad.files import (
    csv_text,
    first_names,
    make_folder,
    size_text,
    temporary_array,
    unfinished_folder,
    unique_names,
    write_atomically,
)


def test_a_file_is_written_into_a_new_folder_and_nothing_is_left_beside_it(tmp_path) -> None:
    path = tmp_path / "new" / "folder" / "a.txt"
    write_atomically(path, "naïve")
    write_atomically(path, "second")
    assert path.read_text() == "second"
    assert list(path.parent.iterdir()) == [path]


def test_bytes_are_written_as_they_are(tmp_path) -> None:
    write_atomically(tmp_path / "a.bin", b"\x00\xff")
    assert (tmp_path / "a.bin").read_bytes() == b"\x00\xff"


def test_a_text_may_hold_a_file_name_that_is_not_utf8(tmp_path) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    write_atomically(tmp_path / "names.csv", name)
    assert (tmp_path / "names.csv").read_bytes() == b"caf\xe9.png"


def test_a_file_that_cannot_be_replaced_stays_and_nothing_is_left_beside_it(tmp_path) -> None:
    path = tmp_path / "a.txt"
    path.mkdir()
    (path / "inside").touch()
    with pytest.raises(OSError, match=r"a\.txt"):
        write_atomically(path, "new")
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_made_with_its_parents_and_may_exist(tmp_path) -> None:
    for _ in range(2):
        make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()


def test_a_folder_below_a_file_is_refused(tmp_path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DmadError, match=r"cannot write to .*Not a directory.*--out DIR"):
        make_folder(tmp_path / "file" / "folder")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_refused(tmp_path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(DmadError, match="no permission"):
        make_folder(tmp_path / "locked")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], []),
        (["a", "b"], ["a", "b"]),
        (["gate", "gate", "gate"], ["gate", "gate-2", "gate-3"]),
        (["gate", "gate-2", "gate"], ["gate", "gate-2", "gate-3"]),
        (["gate", "gate", "gate-2"], ["gate", "gate-2", "gate-2-2"]),
    ],
)
def test_names_that_repeat_get_numbers(names: list[str], expected: list[str]) -> None:
    assert unique_names(names) == expected


def test_a_temporary_array_starts_at_zero_and_holds_values() -> None:
    array = temporary_array((2, 3), np.float32)
    assert (array.shape, array.dtype) == ((2, 3), np.float32)
    assert not array.any()
    array[1, 2] = 5
    assert array.sum() == 5


def test_a_table_is_a_csv_text_that_can_be_read_again() -> None:
    text = csv_text(["name", "score"], [["a, b", 1.5], ['"c"', ""]])
    rows = list(csv.reader(io.StringIO(text)))
    assert rows == [["name", "score"], ["a, b", "1.5"], ['"c"', ""]]


def test_a_relative_path_is_written_in_the_working_folder(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_atomically(Path("a.txt"), "here")
    assert (tmp_path / "a.txt").read_text() == "here"


@pytest.mark.parametrize("cell", ["=1+1", "+a", "-a", "@a", "\t=1"])
def test_a_cell_that_looks_like_a_formula_is_text(cell) -> None:
    assert csv_text(["name"], [[cell]]).splitlines()[1] == f"'{cell}"


@pytest.mark.parametrize("cell", ["-1.5", "+2", "-inf", "a=b", ""])
def test_numbers_and_other_texts_stay_as_they_are(cell) -> None:
    assert next(csv.reader([csv_text(["x", "y"], [[cell, -1.5]]).splitlines()[1]])) == [
        cell,
        "-1.5",
    ]


def test_a_private_file_is_readable_for_its_user_only(tmp_path) -> None:
    write_atomically(tmp_path / "a", "text", private=True)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600


def test_the_error_of_a_full_disk_names_the_folder_and_nothing_is_left(tmp_path, at_most) -> None:
    with at_most(10), pytest.raises(OSError, match=str(tmp_path)):
        write_atomically(tmp_path / "a", "x" * 100)
    assert list(tmp_path.iterdir()) == []


def test_an_array_that_does_not_fit_on_the_disk_is_refused(at_most) -> None:
    with pytest.raises(DmadError, match=r"too little space for an array of .* GB are missing"):
        temporary_array((2**20, 2**40), np.uint8)
    with at_most(1000), pytest.raises(DmadError, match="cannot hold an array of"):
        temporary_array((2000,), np.uint8)


def test_an_unfinished_folder_is_removed_unless_it_is_renamed(tmp_path) -> None:
    with unfinished_folder(tmp_path) as folder:
        (folder / "a").touch()
    assert list(tmp_path.iterdir()) == []
    with unfinished_folder(tmp_path) as folder:
        folder.rename(tmp_path / "done")
    assert list(tmp_path.iterdir()) == [tmp_path / "done"]


def test_the_first_names_are_listed() -> None:
    assert first_names(["a", "b", "c"]) == "a, b, c"
    assert first_names(["a", "b", "c", "d"]) == "a, b, c, …"
    assert first_names(["a", "b"], most=1) == "a, …"
    assert first_names([]) == ""


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0.0 MB"), (1.54e6, "1.5 MB"), (2.6e7, "26 MB"), (1.55e9, "1.6 GB")]
)
def test_a_size_is_given_in_megabytes_or_gigabytes(count: float, text: str) -> None:
    assert size_text(count) == text
