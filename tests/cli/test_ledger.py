"""`dmad ledger`."""

import numpy as np


def test_ledger_prints_tables_and_writes_them(dmad, tmp_path):
    path, out_dir = tmp_path / "scores.npz", tmp_path / "out"
    labels = np.tile([0, 0, 0, 1], 10)
    np.savez(path, score=labels + np.arange(40) / 100, labels=labels, clip_lengths=[20, 20])
    code, out, err = dmad("ledger", path, "--out", out_dir)
    assert (code, err) == (0, "")
    assert "micro AUROC" in out
    assert (out_dir / "ledger.json").is_file()
    assert (out_dir / "ledger.md").is_file()


def test_a_file_that_holds_no_scores_is_one_line(refused, tmp_path):
    (tmp_path / "scores.npz").write_text("no archive")
    assert "not a readable .npz" in refused("ledger", tmp_path / "scores.npz")
