"""`dmad evaluate`."""

import numpy as np


def test_evaluate_prints_the_ledger(dmad, trained, tmp_path):
    code, out, err = dmad("evaluate", trained, "--out", tmp_path)
    assert (code, err) == (0, "")
    for word in ("Eq. 14 raw", "frame position t/T", "micro AUROC", "labels.npy"):
        assert word in out
    assert (tmp_path / "report.html").is_file()


def test_a_run_that_is_not_finished_cannot_be_evaluated(refused, trained, tmp_path):
    (tmp_path / "config.yaml").write_bytes((trained / "config.yaml").read_bytes())
    assert f"dmad train --resume {tmp_path}" in refused("evaluate", tmp_path)


def test_test_data_without_labels_is_refused(refused, trained, clips):
    line = refused("evaluate", trained, "--data.root", clips)
    assert "has no labels" in line
    assert "dmad predict" in line


def test_labels_of_the_wrong_length_are_refused(refused, trained, write_clip, tmp_path):
    write_clip(tmp_path / "data" / "test" / "clip", 3, 8)
    np.save(tmp_path / "data" / "test" / "labels.npy", np.array([0, 1, 0, 1, 1]))
    line = refused("evaluate", trained, "--data.root", tmp_path / "data")
    for word in ("labels.npy", "5", "8"):
        assert word in line


def test_labels_of_one_kind_are_refused(refused, trained, write_clip, tmp_path):
    write_clip(tmp_path / "data" / "test" / "clip", 3, 8)
    np.save(tmp_path / "data" / "test" / "labels.npy", np.zeros(8, int))
    line = refused("evaluate", trained, "--data.root", tmp_path / "data")
    assert "is normal by its labels or folders" in line


def test_output_that_cannot_be_written_is_refused(refused, trained, tmp_path):
    (tmp_path / "file").write_text("")
    line = refused("evaluate", trained, "--out", tmp_path / "file" / "results")
    assert "choose another with --out DIR" in line
