"""The folder of an export is replaced as a whole."""

import hashlib
import shutil
from pathlib import Path

import pytest

from dmad.errors import DmadError
from dmad.export.export_folder import check_folder, finish_export, hashes, replace_export


def parts(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_other_files_beside_an_export_are_kept(tmp_path):
    new, out = tmp_path / "new", tmp_path / "out"
    for folder, content in ((new, b"new"), (out, b"old")):
        folder.mkdir()
        for name in ("model.onnx", "model.json"):
            (folder / name).write_bytes(content)
    (out / "model.npz").write_bytes(b"old")
    (out / "evaluation").mkdir()
    (out / "evaluation" / "report.html").write_bytes(b"kept")
    (out / "notes.txt").write_bytes(b"kept")
    replace_export(new, out)
    assert parts(out / "evaluation") == {"report.html": b"kept"}
    shutil.rmtree(out / "evaluation")
    assert parts(out) == {"model.onnx": b"new", "model.json": b"new", "notes.txt": b"kept"}
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("renamed", [True, False])
def test_a_replacement_that_was_killed_is_finished(tmp_path, renamed):
    out = tmp_path / "out"
    for folder in [tmp_path / ".out.earlier", *([out] if renamed else [])]:
        folder.mkdir()
        (folder / "model.onnx").write_bytes(folder.name.encode())
    finish_export(out)
    assert parts(out) == {"model.onnx": b"out" if renamed else b".out.earlier"}
    assert list(tmp_path.iterdir()) == [out]


def test_each_part_but_the_card_has_a_hash(tmp_path):
    for name in ("model.json", "model.onnx"):
        (tmp_path / name).write_bytes(b"x")
    assert hashes(tmp_path) == {"model.onnx": hashlib.sha256(b"x").hexdigest()}


@pytest.mark.parametrize("card", [None, "{}", "[]", "damaged", "[" * 100_000])
def test_files_of_another_program_are_not_replaced(tmp_path, card):
    (tmp_path / "model.onnx").touch()
    if card is not None:
        (tmp_path / "model.json").write_text(card)
    with pytest.raises(DmadError, match=r"contains model\.onnx.*, but is no export"):
        check_folder(tmp_path)
    (tmp_path / "model.json").write_text('{"export": {}}')
    check_folder(tmp_path)
