"""The command line: one line and exit code 2 for bad input, and what each verb prints."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from dmad import recipes
from dmad.cli import main as cli
from dmad.config import VideoDataConfig, restore
from dmad.data.splits import load_split
from dmad.drawing.video_writer import VideoWriter
from dmad.runs import read_config

SMALL = """
data: {size: 32, channels: 1}
model: {widths: [4, 8], memory_items: 5, skip_channels: 2, reductions: [4, 2], estimator_width: 4}
train: {epochs: 1, batch_size: 4, precision: fp32}
"""


@pytest.fixture
def dmad(monkeypatch, capfd):
    """Runs a command in this process: exit code, standard output, standard error."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["dmad", *map(str, arguments)])
        capfd.readouterr()
        try:
            cli.main()
            code = 0
        except SystemExit as stop:
            code = stop.code or 0
        return code, *capfd.readouterr()

    return call


@pytest.fixture
def refused(dmad):
    """Runs a command that must fail in one line; returns it."""

    def call(*arguments: object) -> str:
        code, out, err = dmad(*arguments)
        assert code == 2, err
        assert out == ""
        assert err.startswith("dmad: ")
        assert err.count("\n") == 1, err
        return err

    return call


@pytest.fixture
def training(tmp_path):
    """Arguments of a tiny training on a folder; `more` go behind."""
    settings = tmp_path / "small.yaml"
    settings.write_text(SMALL)

    def make(root: Path, *more: object) -> list[object]:
        here = ["--data.root", root, "--data.cache", tmp_path / "cache", "--out", tmp_path / "runs"]
        return ["train", "video", "--config", settings, *here, *more]

    return make


@pytest.fixture
def clips(tmp_path, write_clip) -> Path:
    """Two good clips, without labels."""
    for index in range(2):
        write_clip(tmp_path / "clips" / f"clip{index}", index)
    return tmp_path / "clips"


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["trian"], "did you mean train?"),
        (["xyzzy"], "known: demo, recipes"),
        (["train", "ped3"], "did you mean ped2?"),
        (["train", "xyzzy"], "known: ped2, avenue"),
        (["train", "video", "--train.epocs", "3"], "did you mean --train.epochs?"),
        (["predict", "run", "clip", "--panel-count", "3"], "did you mean --panels?"),
        (["train", "video", "--root", "x"], "did you mean --data.root?"),
        (["train", "video", "--lr", "1"], "did you mean --train.lr?"),
        (["train", "video", "--train.seed", "-1"], "train.seed is -1; give 0 or more"),
        (["train", "video", "--train.epochs", "many"], "train.epochs"),
        (["train", "video", "--train.epochs", "0", "--data.root", "x"], "give 1 or more"),
        (["train", "video", "--model.skips", "ful"], "'compressed', 'full', 'none'"),
        (["train", "video", "--data.size", "100", "--data.root", "x"], "give a multiple of"),
        (["train", "video"], "--data.root"),
        (["train", "video", "--data.root", "/no/such/folder"], "give the folder"),
        (["train"], "dmad recipes"),
        (["train", "video", "--config", "/no/such.yaml"], "/no/such.yaml"),
        (["train", "--resume", "/no/such/run"], "that `dmad train` printed"),
        (["data", "/no/such/folder"], "give a folder"),
        (["data"], "--help"),
        (["evaluate", "/no/such/run"], "give a run folder"),
        (["predict", "/no/such/run", "clip.mp4"], "give a run folder"),
        (["bench", "sleep"], "train"),
        (["experiment", "cooking"], "toy"),
        (["experiment", "ablation"], "dmad experiment ablation --run RUN"),
        (["experiment", "video"], "dmad experiment video --data.root DIR"),
        (["experiment", "mvtec", "--data.root", "nowhere"], "nowhere is no folder"),
        (["experiment", "toy", "--budget", "long"], "write 90s, 20m or 8h"),
        (["experiment", "toy", "--variants", "[cooking]"], "no variant is called"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_arguments(refused, arguments, hint):
    assert hint in refused(*arguments)


def test_a_child_process_exits_with_two_and_one_line():
    code = "import sys; sys.argv = ['dmad', 'train', 'ped3']; from dmad.cli import main; main()"
    child = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert (child.returncode, child.stdout) == (2, "")
    assert child.stderr == "dmad: unknown recipe 'ped3'; did you mean ped2?\n"


def test_an_empty_folder(refused, training, tmp_path):
    (tmp_path / "empty").mkdir()
    line = refused(*training(tmp_path / "empty"))
    assert "found nothing; expected video files or folders of frame images" in line


def test_all_clips_too_short(refused, training, write_clip, tmp_path):
    for index in range(2):
        write_clip(tmp_path / "short" / f"clip{index}", index, 4)
    assert "give longer or intact clips" in refused(*training(tmp_path / "short"))


def test_output_that_cannot_be_written(refused, training, clips, trained, tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    verbs = (
        training(clips, "--out", file / "runs"),
        ["evaluate", trained, "--out", file / "results"],
        ["predict", trained, clips, "--out", file / "results"],
    )
    for arguments in verbs:
        assert "choose another with --out DIR" in refused(*arguments)
    assert "--data.cache" in refused(*training(clips, "--data.cache", file / "cache"))


def test_a_loss_that_is_not_finite(refused, training, clips):
    assert "lower --train.lr" in refused(
        *training(clips, "--train.lr", "1e30", "--train.epochs", 3)
    )


def test_resuming_a_folder_that_is_no_run(refused, tmp_path):
    assert "holds no config.yaml" in refused("train", "--resume", tmp_path)


def test_an_unfinished_run(refused, trained, tmp_path):
    (tmp_path / "config.yaml").write_bytes((trained / "config.yaml").read_bytes())
    assert f"dmad train --resume {tmp_path}" in refused("evaluate", tmp_path)


def test_a_damaged_file_of_settings(refused, tmp_path):
    for content in ("", "data: [", "- 1"):
        (tmp_path / "config.yaml").write_text(content)
        assert "config.yaml is damaged" in refused("train", "--resume", tmp_path)


def test_a_folder_of_models_names_them(refused, tmp_path):
    for name in ("brick", "grass"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.json").write_text("{}")
    line = refused("predict", tmp_path, "x.png")
    assert f"it holds a model each in {tmp_path}/brick, {tmp_path}/grass; name one" in line


def test_resuming_a_run_of_another_recipe(refused, trained):
    assert "not of street" in refused("train", "street", "--resume", trained)


def test_settings_of_the_optimizer_out_of_range(refused, training, clips):
    assert "train.betas is" in refused(*training(clips, "--train.betas", "[1.5,0.9]"))
    assert "train.weight_decay is -1" in refused(*training(clips, "--train.weight_decay", "-1"))


def test_names_that_are_not_utf8(dmad, trained, clips, tmp_path):
    odd = shutil.copytree(clips / "clip0", tmp_path / "odd" / os.fsdecode(b"\xbc\xc6"))
    code, *_ = dmad("predict", trained, odd.parent, "--out", tmp_path / "out", "--video", "false")
    assert code == 0
    assert (tmp_path / "out" / odd.name / "scores.csv").is_file()
    data = VideoDataConfig(root=odd.parent, size=32, channels=1, cache=tmp_path, held_out=0)
    assert load_split(data, "train").footage.clips[0].name == odd.name


def test_a_folder_without_model(refused, tmp_path, clips):
    assert "give a run folder" in refused("predict", tmp_path, clips)


def test_a_damaged_model(refused, trained, clips, tmp_path):
    (tmp_path / "model.json").write_bytes((trained / "model.json").read_bytes())
    whole = (trained / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    assert "train again or restore the file" in refused("predict", tmp_path, clips)


def test_unlabelled_test_data(refused, trained, clips):
    line = refused("evaluate", trained, "--data.root", clips)
    assert "has no labels" in line
    assert "dmad predict" in line


def test_labels_of_the_wrong_length(refused, trained, write_clip, tmp_path):
    write_clip(tmp_path / "data" / "test" / "clip", 3, 8)
    np.save(tmp_path / "data" / "test" / "labels.npy", np.array([0, 1, 0, 1, 1]))
    line = refused("evaluate", trained, "--data.root", tmp_path / "data")
    assert "labels.npy" in line
    assert "5" in line
    assert "8" in line


def test_labels_of_one_kind(refused, trained, write_clip, tmp_path):
    write_clip(tmp_path / "data" / "test" / "clip", 3, 8)
    np.save(tmp_path / "data" / "test" / "labels.npy", np.zeros(8, int))
    assert "is normal by its labels or folders" in refused(
        "evaluate", trained, "--data.root", tmp_path / "data"
    )


def test_a_missing_source(refused, trained, tmp_path):
    line = refused("predict", trained, tmp_path / "nothing.mp4", "--out", tmp_path / "out")
    assert "nothing.mp4 does not exist; give a video" in line


def test_an_unreadable_source(dmad, trained, tmp_path):
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"no video")
    code, out, err = dmad("predict", trained, bad, "--out", tmp_path / "out")
    assert (code, out) == (2, "")
    assert "Traceback" not in err
    assert err.splitlines()[-1].startswith(f"dmad: {bad} is not a readable video")


def test_damaged_footage_is_told_and_left_out(dmad, training, clips, frames_of, tmp_path):
    image = clips / "clip0" / "003.png"
    image.write_bytes(image.read_bytes()[:200])
    headless, video = clips / "headless.mp4", clips / "street.avi"
    for path in (headless, video):
        with VideoWriter(path, 10) as writer:
            for frame in frames_of(3, 40):
                writer.write(np.kron(frame, np.ones((8, 8, 1), np.uint8)))
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 9 // 10])
    code, out, err = dmad(*training(clips))
    assert code == 0, err
    *notes, unset = [line for line in err.splitlines() if line.startswith("note: ")]
    assert unset.startswith("note: no threshold was set: nothing normal is left")
    assert len(notes) == 3
    assert f"{image} is unreadable" in notes[0]
    assert f"{headless} is not a readable video" in notes[1]
    assert "the rest is left out" in notes[2]
    assert f"{video} " in notes[2]
    assert Path(out.strip(), "model.safetensors").is_file()


def test_many_damaged_frames_are_counted(dmad, training, clips, write_clip):
    for path in write_clip(clips / "clip2", 2, 20).iterdir():
        if path.stem > "004":
            path.write_bytes(b"no image")
    code, _, err = dmad(*training(clips))
    assert code == 0, err
    assert err.count("is unreadable") == 10
    assert "note: and 5 more" in err


def test_train_prints_the_run_folder_alone(dmad, training, clips, tmp_path):
    code, out, err = dmad(*training(clips))
    assert code == 0, err
    assert out.count("\n") == 1
    run = Path(out.rstrip("\n"))
    assert run.parent == tmp_path / "runs" / "video"
    assert (run / "model.safetensors").is_file()
    epoch, note = err.splitlines()
    assert epoch.startswith("epoch 1/1")
    assert note.startswith("note: no threshold was set: nothing normal is left")


def test_resume_prints_the_same_folder(dmad, trained):
    code, out, err = dmad("train", "--resume", trained)
    assert (code, out) == (0, f"{trained}\n"), err


def test_evaluate_prints_the_ledger(dmad, trained, tmp_path):
    code, out, err = dmad("evaluate", trained, "--out", tmp_path)
    assert (code, err) == (0, "")
    for word in ("Eq. 14 raw", "frame position t/T", "micro AUROC", "labels.npy"):
        assert word in out


def test_predict_prints_a_folder_a_source(dmad, trained, clips, tmp_path):
    out_dir = tmp_path / "out"
    code, out, err = dmad("predict", trained, clips, "--out", out_dir, "--video", "false")
    assert code == 0
    assert [line.split(":")[0] for line in err.splitlines()] == ["clip0", "clip1"]
    assert out.splitlines() == [str(out_dir / "clip0"), str(out_dir / "clip1")]


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help_lists_all_verbs(dmad, arguments):
    code, out, err = dmad(*arguments)
    assert (code, err) == (0, "")
    assert {line.split()[0] for line in out.splitlines() if line.strip()} >= set(cli.VERBS)


@pytest.mark.parametrize("verb", cli.VERBS)
def test_every_verb_has_help(dmad, verb):
    code, out, err = dmad(verb, "--help")
    assert (code, err) == (0, "")
    assert f"dmad {verb}" in out


def test_version(dmad):
    from dmad import __version__

    assert dmad("--version") == (0, f"{__version__}\n", "")


def test_recipes_are_listed(dmad):
    code, out, _ = dmad("recipes")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == recipes.names()


def test_data_describes_a_folder(dmad, normal_data):
    code, out, err = dmad("data", normal_data)
    assert (code, err) == (0, "")
    assert "2 clips, 16 frames; labels: labels.npy" in out


def printed(dmad, *arguments: object) -> dict:
    code, out, err = dmad("train", *arguments, "--print_config")
    assert (code, err) == (0, "")
    return yaml.safe_load(out)


def test_printed_settings_are_the_recipes_and_can_be_given_back(dmad, tmp_path):
    settings = printed(dmad, "ped2", "--train.epochs", 3)
    config = restore(settings)
    assert config.train.epochs == 3
    assert config.model == recipes.get("ped2").model
    (tmp_path / "ped2.yaml").write_text(yaml.safe_dump(settings))
    again = printed(dmad, "ped2", "--config", tmp_path / "ped2.yaml")
    assert restore(again) == config
    assert restore(printed(dmad, "--config", tmp_path / "ped2.yaml")) == config


def test_settings_of_a_run_can_be_given_back(dmad, trained):
    assert restore(printed(dmad, "--config", trained / "config.yaml")) == read_config(trained)


def test_a_recipe_counts_wherever_it_stands(dmad, clips, monkeypatch):
    asked = []

    def record(config, out, resume):
        asked.append(config)
        raise SystemExit

    monkeypatch.setattr("dmad.training.train.train", record)
    root = ["--data.root", clips]
    dmad("train", "ped2", *root)
    dmad("train", *root, "ped2")
    assert asked[0] == asked[1]
    assert asked[0].data.layout == "ped2"


def test_two_recipes_are_one_too_many(dmad, refused, tmp_path):
    _, settings, _ = dmad("train", "video", "--print_config")
    (tmp_path / "video.yaml").write_text(settings)
    assert "recipes ped2 and video" in refused("train", "ped2", "--config", tmp_path / "video.yaml")


def test_what_cannot_be_written_is_one_line(refused, trained, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device", "scores.npz")

    monkeypatch.setitem(cli.VERBS, "evaluate", full)
    assert "scores.npz: No space left on device" in refused("evaluate", trained)


def test_several_data_sets_are_told_one_by_one(dmad, tmp_path):
    for name in ("mnist", "more"):
        raw = tmp_path / name / "MNIST" / "raw"
        raw.mkdir(parents=True)
        (raw / "train-images-idx3-ubyte").write_bytes(b"")
    _, out, _ = dmad("data", tmp_path)
    assert [line for line in out.splitlines() if line.endswith("holds")] == [
        f"{tmp_path / name} holds" for name in ("mnist", "more")
    ]
