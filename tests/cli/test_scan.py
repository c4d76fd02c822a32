"""`dmad scan`."""

import shutil

import pytest

from dmad.runs import find_model, update_card


@pytest.fixture
def model(trained, calibration_of, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(trained, folder)
    update_card(find_model(folder), {"calibration": calibration_of(0.8).to_dict()})
    return folder


def test_scan_prints_its_folder_and_the_exit_code_tells_what_was_left_out(
    dmad, model, clips, tmp_path
):
    out_dir = tmp_path / "out"
    code, out, _ = dmad("scan", model, clips, "--out", out_dir, "--workers", 1)
    assert (code, out) == (0, f"{out_dir}\n")
    (clips / "notes.pdf").write_text("no clip")
    code, out, err = dmad("scan", "--resume", out_dir, "--workers", 1)
    assert (code, out) == (1, f"{out_dir}\n")
    assert err.count("notes.pdf") == 1
    assert "2 sources are finished, 0 are left" in err


def test_the_help_explains_the_exit_codes_and_options(dmad):
    code, out, _ = dmad("scan", "--help")
    assert code == 0
    for text in (
        "The exit code is 0 if",
        "--resume",
        "--limit-rate",
        "--threads-per-worker",
        "--ray",
    ):
        assert text in out


def test_a_scan_without_an_archive_is_refused(refused, model):
    assert "give a model, and one or several archives" in refused("scan", model)


def test_resume_takes_no_other_arguments(refused, model, tmp_path):
    assert "leave out model and archives" in refused("scan", model, "x", "--resume", tmp_path)
    assert "leave out --" in refused("scan", "--resume", tmp_path, "--strongest", 3)


def test_a_missing_model_or_archive_is_refused(refused, model, tmp_path):
    out = ("--out", tmp_path / "out", "--workers", 1)
    assert "no model at" in refused("scan", tmp_path / "nothing", tmp_path, *out)
    assert "does not exist" in refused("scan", model, tmp_path / "nothing", *out)
    (tmp_path / "empty").mkdir()
    assert "no files are there" in refused("scan", model, tmp_path / "empty", *out)
    (tmp_path / "empty" / "a.pdf").write_text("x")
    assert "1 file left out; the first is" in refused("scan", model, tmp_path / "empty", *out)
