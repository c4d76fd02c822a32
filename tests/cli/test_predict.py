"""`dmad predict`."""

import os
import shutil

from dmad.config import VideoDataConfig
from dmad.data.splits import load_split


def test_predict_prints_one_folder_for_each_source(dmad, trained, clips, tmp_path):
    out_dir = tmp_path / "out"
    code, out, err = dmad("predict", trained, clips, "--out", out_dir, "--video", "false")
    assert code == 0
    assert [line.split(":")[0] for line in err.splitlines()] == ["clip0", "clip1"]
    assert out.splitlines() == [str(out_dir / "clip0"), str(out_dir / "clip1")]


def test_names_may_not_be_utf8(dmad, trained, clips, tmp_path):
    odd = shutil.copytree(clips / "clip0", tmp_path / "odd" / os.fsdecode(b"\xbc\xc6"))
    code, *_ = dmad("predict", trained, odd.parent, "--out", tmp_path / "out", "--video", "false")
    assert code == 0
    assert (tmp_path / "out" / odd.name / "scores.csv").is_file()
    data = VideoDataConfig(root=odd.parent, size=32, channels=1, cache=tmp_path, held_out=0)
    assert load_split(data, "train").footage.clips[0].name == odd.name


def test_a_folder_without_a_model_is_refused(refused, tmp_path, clips):
    assert "give a run folder" in refused("predict", tmp_path, clips)


def test_a_folder_of_several_models_names_them(refused, tmp_path):
    for name in ("brick", "grass"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.json").write_text("{}")
    line = refused("predict", tmp_path, "x.png")
    for name in ("brick", "grass"):
        assert f"{tmp_path}/{name}" in line


def test_a_damaged_model_is_refused(refused, trained, clips, tmp_path):
    (tmp_path / "model.json").write_bytes((trained / "model.json").read_bytes())
    whole = (trained / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    assert "train again or restore the file" in refused("predict", tmp_path, clips)


def test_a_missing_source_is_refused(refused, trained, tmp_path):
    line = refused("predict", trained, tmp_path / "nothing.mp4", "--out", tmp_path / "out")
    assert "nothing.mp4 does not exist; give a video" in line


def test_an_unreadable_source_is_refused(dmad, trained, tmp_path):
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"no video")
    code, out, err = dmad("predict", trained, bad, "--out", tmp_path / "out")
    assert (code, out) == (2, "")
    assert "Traceback" not in err
    assert err.splitlines()[-1].startswith(f"dmad: {bad} is not a readable video")


def test_output_that_cannot_be_written_is_refused(refused, trained, clips, tmp_path):
    (tmp_path / "file").write_text("")
    line = refused("predict", trained, clips, "--out", tmp_path / "file" / "results")
    assert "choose another with --out DIR" in line


def test_a_calibration_is_refused_for_a_model_of_images(
    refused, trained_images, image_data, tmp_path
):
    image = image_data / "discs" / "test" / "good" / "000.png"
    stored = tmp_path / "gate.json"
    refusal = refused("predict", trained_images, image, "--calibration", stored)
    assert refusal
