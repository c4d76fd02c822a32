"""Paths and addresses: listing, opening, and patterns."""

import os
import zipfile

import pytest

from dmad.errors import DmadError
from dmad.scan.addresses import (
    RemotePath,
    absolute,
    describe,
    entries_of,
    expanded,
    is_address,
    printable_path,
    readable_path,
)


@pytest.fixture
def store():
    """A store in memory, with an image in a folder."""
    import fsspec

    system = fsspec.filesystem("memory")
    system.pipe("/archive/gate/1.png", b"one")
    system.pipe("/archive/gate/10.png", b"ten")
    system.pipe("/archive/gate/2.png", b"two")
    yield "memory://archive"
    system.rm("/archive", recursive=True)


def test_an_address_is_told_from_a_path():
    assert is_address("s3://bucket/folder")
    assert not is_address("folder/film.mp4")
    assert not is_address("16:01:04.mp4")


def test_a_path_is_made_absolute_and_an_address_stays():
    assert absolute("film.mp4") == os.path.join(os.getcwd(), "film.mp4")
    assert absolute("s3://bucket/folder/") == "s3://bucket/folder"
    assert absolute("zip://*.png::a.zip") == f"zip://*.png::{os.path.join(os.getcwd(), 'a.zip')}"
    assert absolute("zip://*.png::s3://bucket/a.zip") == "zip://*.png::s3://bucket/a.zip"


def test_a_password_in_an_address_is_refused():
    with pytest.raises(DmadError, match="password"):
        absolute("sftp://me:secret@host/folder")


def test_entries_are_sorted_and_hidden_ones_left_out(tmp_path):
    for name in ("10.png", "2.png", ".hidden"):
        (tmp_path / name).write_text(name)
    (tmp_path / "inner").mkdir()
    found = entries_of(str(tmp_path))
    assert [entry.name for entry in found] == ["2.png", "10.png", "inner"]
    assert [entry.is_folder for entry in found] == [False, False, True]
    assert found[0].size == 5


def test_the_stamp_changes_with_the_file(tmp_path):
    path = tmp_path / "a"
    path.write_text("1")
    before = describe(str(path))
    os.utime(path, (1, 1))
    assert describe(str(path)).stamp != before.stamp
    assert describe(str(tmp_path / "nothing")) is None


def test_a_store_is_listed_as_a_folder(store):
    found = entries_of(f"{store}/gate")
    assert [entry.path for entry in found] == [
        f"memory://archive/gate/{name}.png" for name in (1, 2, 10)
    ]
    assert [entry.size for entry in found] == [3, 3, 3]
    assert found[0] == describe(found[0].path)  # with the same stamp
    assert describe(store).is_folder
    assert describe(f"{store}/nothing") is None


def test_a_file_of_a_store_has_the_methods_of_a_path(store):
    path = RemotePath(f"{store}/gate/1.png")
    assert (path.name, path.suffix, path.stem) == ("1.png", ".png", "1")
    assert (path.exists(), path.is_file(), path.is_dir()) == (True, True, False)
    assert sorted(one.name for one in path.parent.iterdir()) == ["1.png", "10.png", "2.png"]
    with path.open() as file:
        assert file.read() == b"one"
    with pytest.raises(OSError, match="not on this machine"):
        path.stat()


def test_an_unknown_kind_of_address_is_refused():
    with pytest.raises(DmadError, match="cannot be read"):
        readable_path("nonsense://host/film.mp4")


def test_patterns_are_expanded(store, tmp_path):
    for name in ("b.mp4", "a.mp4", "c.txt"):
        (tmp_path / name).write_text("x")
    assert expanded(f"{tmp_path}/*.mp4") == [f"{tmp_path}/a.mp4", f"{tmp_path}/b.mp4"]
    assert expanded(f"{store}/gate/1*.png") == [f"{store}/gate/1.png", f"{store}/gate/10.png"]
    with pytest.raises(DmadError, match="nothing matches"):
        expanded(f"{tmp_path}/*.avi")


def test_a_name_with_brackets_that_exists_is_no_pattern(tmp_path):
    (tmp_path / "a[1].mp4").write_text("x")
    assert expanded(f"{tmp_path}/a[1].mp4") == [f"{tmp_path}/a[1].mp4"]


def test_names_that_are_not_utf8_are_replaced():
    assert printable_path(os.fsdecode(b"a\xbc")) == "a\ufffd"


def test_a_chained_address_keeps_its_chain(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("gate/1.png", b"one")
        archive.writestr("2.png", b"two")
    address = f"zip://::file://{tmp_path}/a.zip"
    (image, folder) = entries_of(address)
    assert (image.name, image.is_folder, folder.name) == ("2.png", False, "gate")
    (inner,) = entries_of(folder.path)
    assert inner.path == f"zip://gate/1.png::file://{tmp_path}/a.zip"
    assert RemotePath(inner.path).parent.address == folder.path
    path = RemotePath(inner.path)
    with path.open() as file:
        assert file.read() == b"one"
    assert expanded(f"zip://gate/*.png::file://{tmp_path}/a.zip") == [inner.path]
    with pytest.raises(DmadError, match="password"):
        absolute("zip://::sftp://me:secret@host/a.zip")
