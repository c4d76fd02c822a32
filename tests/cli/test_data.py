"""`dmad data`."""


def test_a_folder_is_described(dmad, normal_data):
    code, out, err = dmad("data", normal_data)
    assert (code, err) == (0, "")
    assert "2 clips, 16 frames; labels: labels.npy" in out


def test_several_data_sets_in_a_folder_are_described_one_by_one(dmad, tmp_path):
    for name in ("mnist", "more"):
        raw = tmp_path / name / "MNIST" / "raw"
        raw.mkdir(parents=True)
        (raw / "train-images-idx3-ubyte").write_bytes(b"")
    _, out, _ = dmad("data", tmp_path)
    assert [line for line in out.splitlines() if line.endswith("holds")] == [
        f"{tmp_path / name} holds" for name in ("mnist", "more")
    ]
