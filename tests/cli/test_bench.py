"""`dmad bench`."""

import json


def test_bench_prints_a_table_and_writes_it(dmad, tmp_path):
    code, out, err = dmad("bench", "predict", "--sizes", "[32]", "--out", tmp_path)
    assert code == 0, err
    assert "times faster" in out
    assert json.loads((tmp_path / "bench-predict.json").read_text())["machine"] in out


def test_sizes_are_a_list(refused):
    assert "--sizes is 'big'; give a list" in refused("bench", "train", "--sizes", "big")
