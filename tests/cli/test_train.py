"""`dmad train`: its settings, its run folder and its messages."""

import time
from pathlib import Path

import numpy as np
import pytest
import yaml

from dmad import recipes
from dmad.cli.train import parse_train
from dmad.config import restore
from dmad.drawing.video_writer import VideoWriter
from dmad.runs import read_config


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["ped3"], "did you mean ped2?"),
        (["xyzzy"], "known: ped2, "),
        (["video", "--train.epocs", "3"], "did you mean --train.epochs?"),
        (["video", "--root", "x"], "did you mean --data.root?"),
        (["video", "--lr", "1"], "did you mean --train.lr?"),
        (["--lr", "1", "video"], "did you mean --train.lr?"),
        (["video", "--train.seed", "-1"], "train.seed is -1; give 0 or more"),
        (["video", "--train.epochs", "many"], "--train.epochs is 'many'; give a whole number"),
        (["video", "--train.epochs", "0", "--data.root", "x"], "give 1 or more"),
        (["video", "--model.skips", "ful"], "give one of compressed, full, none"),
        (["video", "--data.size", "100", "--data.root", "x"], "give a multiple of"),
        (["video", "--train.betas", "[1.5,0.9]"], "train.betas is"),
        (["video", "--train.weight_decay", "-1"], "train.weight_decay is -1"),
        (["video", "--model.teacher", "resnet18"], "unknown argument --model.teacher"),
        (["video", "--form", "images"], "recipe video is of form video"),
        (["video"], "--data.root"),
        (["video", "--data.root", "/no/such/folder"], "give the folder"),
        ([], "dmad recipes"),
        (["--resume", "/no/such/run"], "that `dmad train` printed"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_settings_are_one_line_that_says_what_to_do(refused, arguments, hint):
    assert hint in refused("train", *arguments)


@pytest.mark.parametrize(
    ("recipe", "own", "of_the_other_form"),
    [("ped2", "--model.skips", "--model.teacher"), ("images", "--model.teacher", "--model.skips")],
)
def test_help_of_all_settings_shows_those_of_the_recipe(dmad, recipe, own, of_the_other_form):
    _, out, _ = dmad("train", recipe, "--help-all")
    assert own in out
    assert of_the_other_form not in out
    assert f"(default: {recipes.get(recipe).train.epochs})" in " ".join(out.split())


@pytest.mark.parametrize("recipe", ["ped2", "images"])
def test_help_shows_the_most_common_settings(dmad, recipe):
    _, out, _ = dmad("train", recipe, "--help")
    assert "--data.root" in out
    assert "--train.epochs" in out
    assert "--help-all" in out
    assert "--loss" not in out
    assert len(out.splitlines()) < 80


def test_settings_outside_the_help_still_exist(printed_settings):
    assert restore(printed_settings("ped2", "--loss.gamma2", 0.5)).loss.gamma2 == 0.5


def test_printed_settings_are_the_recipes_and_can_be_given_back(printed_settings, tmp_path):
    settings = printed_settings("ped2", "--train.epochs", 3)
    config = restore(settings)
    assert config.train.epochs == 3
    assert config.model == recipes.get("ped2").model
    (tmp_path / "ped2.yaml").write_text(yaml.safe_dump(settings))
    again = printed_settings("ped2", "--config", tmp_path / "ped2.yaml")
    assert restore(again) == config
    assert restore(printed_settings("--config", tmp_path / "ped2.yaml")) == config


def test_the_settings_of_a_run_can_be_given_back(printed_settings, trained):
    settings = printed_settings("--config", trained / "config.yaml")
    assert restore(settings) == read_config(trained)


def test_the_settings_of_an_image_run_can_be_given_back(printed_settings, trained_images):
    settings = printed_settings("--config", trained_images / "config.yaml")
    assert restore(settings) == read_config(trained_images)


@pytest.mark.parametrize(
    "arguments",
    [
        ["ped2", "--train.epochs", "3", "--train.start", "street"],
        ["--train.epochs", "3", "--train.start", "street", "ped2"],
        ["--train.epochs=3", "ped2", "--train.start", "street"],
    ],
)
def test_the_recipe_may_stand_anywhere(arguments):
    config, out, resume = parse_train(arguments)
    assert (config.recipe, config.train.epochs, config.train.start) == ("ped2", 3, Path("street"))
    assert (out, resume) == (Path("runs"), None)


def test_print_config_can_leave_out_the_settings_of_the_recipe(dmad) -> None:
    code, out, _ = dmad("train", "ped2", "--data.size", "64", "--print_config=skip_default")
    assert code == 0
    assert yaml.safe_load(out) == {"data": {"size": 64}}


def test_two_recipes_are_one_too_many(dmad, refused, tmp_path):
    _, settings, _ = dmad("train", "video", "--print_config")
    (tmp_path / "video.yaml").write_text(settings)
    assert "recipes ped2 and video" in refused("train", "ped2", "--config", tmp_path / "video.yaml")


@pytest.mark.parametrize("content", ["data: [", "- 1", "train: {epocs: 3}"])
def test_a_wrong_file_of_settings_is_one_line(refused, tmp_path, content):
    (tmp_path / "wrong.yaml").write_text(content)
    assert refused("train", "video", "--config", tmp_path / "wrong.yaml")


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


def test_resuming_a_finished_run_prints_the_same_folder(dmad, trained):
    code, out, err = dmad("train", "--resume", trained)
    assert (code, out) == (0, f"{trained}\n"), err


def test_a_run_cannot_be_resumed_as_another_recipe(refused, trained):
    assert "not of street" in refused("train", "street", "--resume", trained)


def test_a_folder_that_is_no_run_cannot_be_resumed(refused, tmp_path):
    assert "holds no config.yaml" in refused("train", "--resume", tmp_path)


def test_a_run_with_damaged_settings_cannot_be_resumed(refused, tmp_path):
    for content in ("", "data: [", "- 1"):
        (tmp_path / "config.yaml").write_text(content)
        assert "config.yaml is damaged" in refused("train", "--resume", tmp_path)


def test_an_empty_folder_is_refused(refused, training, tmp_path):
    (tmp_path / "empty").mkdir()
    line = refused(*training(tmp_path / "empty"))
    assert "found nothing; expected video files or folders of frame images" in line


def test_clips_that_are_all_too_short_are_refused(refused, training, write_clip, tmp_path):
    for index in range(2):
        write_clip(tmp_path / "short" / f"clip{index}", index, 4)
    assert "give longer or intact clips" in refused(*training(tmp_path / "short"))


def test_output_that_cannot_be_written_is_refused(refused, training, clips, tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    assert "choose another with --out DIR" in refused(*training(clips, "--out", file / "runs"))
    assert "--data.cache" in refused(*training(clips, "--data.cache", file / "cache"))


def test_a_loss_that_is_not_finite_ends_the_training(refused, training, clips):
    line = refused(*training(clips, "--train.lr", "1e30", "--train.epochs", 3))
    assert "lower --train.lr" in line


def test_damaged_footage_is_reported_and_left_out(dmad, training, clips, frames_of):
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
    assert "damaged frames" in notes[2]
    assert f"{video}: " in notes[2]
    assert Path(out.strip(), "model.safetensors").is_file()


def test_of_many_damaged_frames_ten_are_named_and_the_others_counted(
    dmad, training, clips, write_clip
):
    for path in write_clip(clips / "clip2", 2, 20).iterdir():
        if path.stem > "004":
            path.write_bytes(b"no image")
    code, _, err = dmad(*training(clips))
    assert code == 0, err
    assert err.count("is unreadable") == 10
    assert "note: and 5 more" in err


def test_settings_are_parsed_in_less_than_a_second():
    start = time.process_time()
    parse_train(["ped2", "--data.root", "x"])
    assert time.process_time() - start < 1
