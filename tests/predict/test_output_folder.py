"""Results of an earlier prediction are removed, and nothing else, inside or outside the folder."""

import json
from pathlib import Path

import pytest

from dmad.errors import DmadError
from dmad.files import sha256_of
from dmad.locks import LOCK, locked
from dmad.predict.output_folder import MANIFEST, OutputFolder


def write(out: Path, *names: str, text: str = "result") -> None:
    """Write results as a prediction does."""
    with OutputFolder(out) as output:
        for name in names:
            path = output.path(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            output.add(path)
        output.remove_earlier()


def names(out: Path) -> set[str]:
    """The files in a folder, except the manifest and the lock."""
    files = {path.relative_to(out).as_posix() for path in out.rglob("*") if not path.is_dir()}
    return files - {MANIFEST, LOCK}


def test_results_that_are_not_written_again_are_removed(tmp_path) -> None:
    write(tmp_path, "a.csv", "maps/1.png", "maps/2.png")
    write(tmp_path, "a.csv", "maps/2.png", text="newer")
    assert names(tmp_path) == {"a.csv", "maps/2.png"}
    write(tmp_path, "maps/3.png")
    assert names(tmp_path) == {"maps/3.png"}


def test_other_files_and_changed_results_are_kept(tmp_path) -> None:
    write(tmp_path, "a.csv", "b.csv")
    (tmp_path / "a.csv").write_text("with notes of a user")
    (tmp_path / "mine.png").touch()
    write(tmp_path, "c.csv")
    assert names(tmp_path) == {"a.csv", "mine.png", "c.csv"}


@pytest.mark.parametrize("name", ["../precious", "{outside}/precious", "maps/precious", "maps"])
def test_nothing_outside_the_folder_is_removed(tmp_path, name) -> None:
    out, outside = tmp_path / "out", tmp_path / "outside"
    for folder in (out, outside):
        folder.mkdir()
    precious = outside / "precious"
    precious.write_text("precious")
    (tmp_path / "precious").write_text("precious")
    (out / "maps").symlink_to(outside)
    entry = [name.format(outside=outside), sha256_of(precious)]
    (out / MANIFEST).write_text(json.dumps(entry) + "\n")
    write(out, "a.csv")
    assert precious.exists()
    assert (tmp_path / "precious").exists()
    assert (out / "maps").is_symlink()


@pytest.mark.parametrize("name", ["../a.csv", "/tmp/a.csv", "maps/a.png", "", "a\0b"])
def test_nothing_is_written_outside_the_folder(tmp_path, name) -> None:
    (tmp_path / "outside").mkdir()
    out = tmp_path / "out"
    out.mkdir()
    (out / "maps").symlink_to(tmp_path / "outside")
    with OutputFolder(out) as output, pytest.raises(DmadError, match="nothing is written there"):
        output.path(name)


def test_results_of_a_process_that_was_killed_are_removed(tmp_path) -> None:
    with OutputFolder(tmp_path) as output:
        (tmp_path / "a.csv").touch()
        output.add(tmp_path / "a.csv")
    write(tmp_path, "b.csv")
    assert names(tmp_path) == {"b.csv"}


def test_a_damaged_manifest_removes_nothing(tmp_path) -> None:
    write(tmp_path, "a.csv")
    (tmp_path / MANIFEST).write_bytes(b'["a.csv"]\n["a.csv", 1]\n{}\n\xff\n["\\u0000", "x"]\n' * 2)
    write(tmp_path, "b.csv")
    assert names(tmp_path) == {"a.csv", "b.csv"}


def test_a_manifest_is_not_written_through_a_link(tmp_path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("precious")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / MANIFEST).symlink_to(precious)
    with pytest.raises(DmadError, match="is a link"):
        write(tmp_path / "out", "a.csv")
    assert precious.read_text() == "precious"


def test_a_folder_is_locked(tmp_path) -> None:
    with locked(tmp_path), pytest.raises(DmadError, match="is in use by process"):
        write(tmp_path, "a.csv")


def test_a_new_folder_without_results_is_removed(tmp_path) -> None:
    with OutputFolder(tmp_path / "out" / "clip"):
        pass
    assert not (tmp_path / "out").exists()
    (tmp_path / "out").mkdir()
    with OutputFolder(tmp_path / "out"):
        pass
    assert (tmp_path / "out").exists()
