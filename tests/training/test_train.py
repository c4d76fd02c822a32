"""Training from settings to a run: what the run holds, resuming, seeds."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from dmad.config import changed, plain, restore
from dmad.data.footage import fingerprint
from dmad.data.splits import load_split
from dmad.errors import DmadError, StoppedError
from dmad.forms.images.form import Images
from dmad.forms.video.form import Video
from dmad.locks import locked
from dmad.runs import Run, find_model, has_model, new_run, read_config, read_weights
from dmad.training.train import batches, is_finished, is_first_process, train

VIDEO = Video()

# Trains with settings from standard input, and kills itself in the middle of the second epoch.
KILLED = """
import json, os, signal, sys
from dmad.config import restore
from dmad.forms.video.form import Video
from dmad.training.train import train

class Killed(Video):
    steps = 0

    def losses(self, *arguments):
        if self.steps == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        self.steps += 1
        return super().losses(*arguments)

train(restore(json.load(sys.stdin)), Killed(), sys.argv[1])
"""


class Interrupted(Video):
    """The form of video, which raises an error in one step of the training."""

    def __init__(self, step: int, error: BaseException) -> None:
        self.left, self.error = step, error

    def losses(self, *arguments):
        if not self.left:
            raise self.error
        self.left -= 1
        return super().losses(*arguments)


class InterruptedImages(Images):
    """The form of images, which raises an error in the fifth step of the training."""

    left = 4

    def losses(self, *arguments):
        if not self.left:
            raise RuntimeError("power cut")
        self.left -= 1
        return super().losses(*arguments)


def interrupt(config, out: Path, step: int) -> Run:
    """The run of a training that is interrupted in a step, counted from 0."""
    with pytest.raises(RuntimeError, match="power cut"):
        train(config, Interrupted(step, RuntimeError("power cut")), out)
    (folder,) = (out / config.recipe).iterdir()
    return Run(folder)


def weights(run: Run) -> dict[str, torch.Tensor]:
    return read_weights(find_model(run.folder))


def card(run: Run) -> dict:
    return json.loads(run.card.read_text())


def last_epoch(run: Run) -> dict[str, float]:
    """The figures of the last epoch, without the time that it took."""
    return {name: value for name, value in card(run)["history"][-1].items() if name != "seconds"}


def assert_same_weights(first: Run, second: Run) -> None:
    torch.testing.assert_close(weights(first), weights(second), rtol=1e-5, atol=1e-6)


def weights_differ(first: Run, second: Run) -> bool:
    other = weights(second)
    return any(not torch.equal(value, other[name]) for name, value in weights(first).items())


@pytest.fixture(scope="module")
def three_epochs(tmp_path_factory, normal_data, tiny) -> Run:
    """A run of three epochs of two steps, without interruption."""
    return train(tiny(normal_data, epochs=3), VIDEO, tmp_path_factory.mktemp("three-epochs"))


@pytest.fixture
def copied(three_epochs, tmp_path) -> Run:
    """A copy of the run of three epochs."""
    return Run(shutil.copytree(three_epochs.folder, tmp_path / "run"))


def test_a_run_folder_holds_settings_model_checkpoint_and_logs(three_epochs) -> None:
    assert three_epochs.folder.parent.name == "video"
    assert {path.name for path in three_epochs.folder.glob("[!.]*")} == {
        "config.yaml",
        "model.safetensors",
        "model.json",
        "checkpoints",
        "logs",
        "tensorboard",
    }
    assert [path.name for path in three_epochs.checkpoint.parent.iterdir()] == ["last.ckpt"]
    assert list(three_epochs.folder.glob("tensorboard/*/events.out.tfevents.*"))
    logs = three_epochs.folder / "logs" / "version_0" / "metrics.csv"
    with logs.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows if row["total"]] == ["0", "1", "2"]


def test_the_settings_on_disk_are_those_of_the_training(three_epochs, normal_data, tiny) -> None:
    stored = restore(yaml.safe_load(three_epochs.config.read_text()))
    assert stored == tiny(normal_data, epochs=3)


def test_the_card_describes_the_model_and_its_training(three_epochs, normal_data, tiny) -> None:
    config = tiny(normal_data, epochs=3)
    data = load_split(config.data, "train")
    found = card(three_epochs)
    assert found["config"] == plain(config)
    assert found["scenes"] == [""]
    assert found["data"] == {"sha256": fingerprint(data.footage), "frames": 16, "samples": 8}
    assert found["versions"].keys() == {"dmad", "torch", "lightning", "python"}
    assert found["precision"] == "32-true"
    assert found["machine"]
    assert [epoch["epoch"] for epoch in found["history"]] == [1, 2, 3]
    for epoch in found["history"]:
        assert 1 <= epoch["perplexity"] <= epoch["items_used"] <= 5
        assert epoch["total"] >= epoch["reconstruction"] > 0
        assert epoch["seconds"] > 0


class OneMoreItemEachEpoch(Video):
    """The form of video. In epoch n, the memory uses only n items. An epoch has two steps."""

    steps = 0

    def losses(self, *arguments):
        output, losses = super().losses(*arguments)
        items = 1 + self.steps // 2
        self.steps += 1
        positions = torch.arange(output.memory.indices.numel())
        indices = (positions % items).reshape(output.memory.indices.shape)
        return replace(output, memory=replace(output.memory, indices=indices)), losses


def test_each_epoch_reports_its_own_use_of_the_memory(tmp_path, normal_data, tiny) -> None:
    run = train(tiny(normal_data, epochs=3), OneMoreItemEachEpoch(), tmp_path)
    history = card(run)["history"]
    assert [epoch["items_used"] for epoch in history] == [1, 2, 3]
    assert [epoch["perplexity"] for epoch in history] == pytest.approx([1, 2, 3], rel=1e-2)


def test_training_learns(tmp_path, normal_data, tiny) -> None:
    history = card(train(tiny(normal_data, epochs=12, lr=5e-3), VIDEO, tmp_path))["history"]
    assert history[-1]["reconstruction"] < 0.9 * history[0]["reconstruction"]


def same_threads() -> dict[str, str]:
    """Environment variables with which a process adds numbers in the same order as this one."""
    return {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}


def test_a_training_killed_in_an_epoch_is_resumed(
    tmp_path, normal_data, tiny, three_epochs
) -> None:
    config = tiny(normal_data, epochs=3)
    child = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        input=json.dumps(plain(config)),
        text=True,
        capture_output=True,
        check=False,
        env=same_threads(),
    )
    assert child.returncode == -signal.SIGKILL, child.stderr
    (folder,) = (tmp_path / "video").iterdir()
    run = Run(folder)
    assert run.checkpoint.exists()
    with pytest.raises(DmadError, match="--resume"):
        find_model(folder)
    run.checkpoint.with_name("last.ckpt.part").write_bytes(b"half a checkpoint")
    assert train(config, VIDEO, resume=folder) == run
    assert [epoch["epoch"] for epoch in card(run)["history"]] == [1, 2, 3]
    assert last_epoch(run) == pytest.approx(last_epoch(three_epochs), rel=1e-4)
    assert_same_weights(run, three_epochs)


def test_a_training_killed_at_random_moments_gives_the_same_model(
    tmp_path, normal_data, tiny
) -> None:
    """The process may be killed in a step, or while it writes a file."""
    config = tiny(normal_data, epochs=40)
    whole = train(config, VIDEO, tmp_path / "whole")
    run = new_run(config, tmp_path / "killed")
    command = [sys.executable, "-m", "dmad.cli", "train", "--resume", str(run.folder)]
    for delay in np.random.default_rng(0).uniform(0, 0.2, 4):
        with subprocess.Popen(
            command, stderr=subprocess.PIPE, text=True, env=same_threads()
        ) as child:
            child.stderr.readline()  # an epoch is done
            time.sleep(delay)
            child.kill()
        assert child.returncode == -signal.SIGKILL
        assert not (run.folder / "model.safetensors").exists()
    train(config, VIDEO, resume=run.folder)
    assert [epoch["epoch"] for epoch in card(run)["history"]] == list(range(1, 41))
    assert last_epoch(run) == pytest.approx(last_epoch(whole), rel=1e-4)
    assert_same_weights(run, whole)


def test_a_training_stopped_before_its_first_checkpoint_is_resumed(
    tmp_path, normal_data, tiny, three_epochs
) -> None:
    config = tiny(normal_data, epochs=3)
    run = interrupt(config, tmp_path, step=1)
    assert not run.checkpoint.exists()
    with pytest.raises(DmadError, match="--resume"):
        find_model(run.folder)
    assert_same_weights(train(config, VIDEO, resume=run.folder), three_epochs)


def test_a_training_of_images_stopped_and_resumed_gives_the_same_model(
    tmp_path, tiny_images
) -> None:
    config = tiny_images()
    whole = train(config, Images(), tmp_path / "whole")
    with pytest.raises(RuntimeError, match="power cut"):
        train(config, InterruptedImages(), tmp_path / "stopped")
    (folder,) = (tmp_path / "stopped" / "mvtec").iterdir()
    train(config, Images(), resume=folder)
    torch.testing.assert_close(weights(whole), weights(Run(folder)), rtol=1e-4, atol=1e-5)


def test_a_finished_run_stays_as_it_is(copied, logged) -> None:
    changed_card = json.dumps(card(copied) | {"calibration": {"mine": 1}})
    copied.card.write_text(changed_card)
    before = weights(copied)
    assert train(read_config(copied.folder), VIDEO, resume=copied.folder) == copied
    assert copied.card.read_text() == changed_card
    torch.testing.assert_close(weights(copied), before, rtol=0, atol=0)
    assert "is finished already (3 epochs)" in logged()


def test_a_run_is_finished_with_the_model_of_its_last_epoch(copied) -> None:
    assert is_finished(copied.folder, 3)
    assert not is_finished(copied.folder, 4)
    (copied.folder / "model.safetensors").unlink()
    assert not is_finished(copied.folder, 3)


def test_a_run_is_trained_by_one_process_at_a_time(tmp_path, normal_data, tiny) -> None:
    config = tiny(normal_data)
    run = new_run(config, tmp_path)
    with locked(run.folder), pytest.raises(DmadError, match="is in use by process"):
        train(config, VIDEO, resume=run.folder)
    assert not has_model(run.folder)


def test_other_settings_are_refused_on_resuming(copied) -> None:
    config = read_config(copied.folder)
    with pytest.raises(DmadError, match=r"settings of the run.*--train\.start"):
        train(changed(config, epochs=9), VIDEO, resume=copied.folder)
    assert card(copied)["config"]["train"]["epochs"] == 3


def test_a_run_that_lost_its_weights_makes_them_again(copied, three_epochs) -> None:
    (copied.folder / "model.safetensors").unlink()
    assert_same_weights(
        train(read_config(copied.folder), VIDEO, resume=copied.folder), three_epochs
    )


def test_a_damaged_checkpoint_is_refused(copied) -> None:
    (copied.folder / "model.safetensors").unlink()
    copied.checkpoint.write_bytes(copied.checkpoint.read_bytes()[:-900])
    with pytest.raises(DmadError, match=r"last\.ckpt is damaged .*; delete it, and start"):
        train(read_config(copied.folder), VIDEO, resume=copied.folder)


def test_other_data_are_refused_on_resuming(copied, write_clip, tmp_path) -> None:
    copied.card.unlink()
    write_clip(tmp_path / "other" / "clip", 9, 12)
    config = changed(read_config(copied.folder), root=tmp_path / "other")
    with pytest.raises(DmadError, match="this run was started with other data"):
        train(config, VIDEO, resume=copied.folder)


def test_stored_paths_hold_from_any_folder(tmp_path, normal_data, tiny, monkeypatch) -> None:
    monkeypatch.chdir(normal_data.parent)
    run = train(tiny(Path(normal_data.name)), VIDEO, tmp_path)
    assert yaml.safe_load(run.config.read_text())["data"]["root"] == str(normal_data)


def test_ctrl_c_names_the_command_that_resumes(tmp_path, normal_data, tiny) -> None:
    handler = signal.getsignal(signal.SIGINT)
    stopped = Interrupted(3, KeyboardInterrupt())
    try:
        with pytest.raises(StoppedError, match="dmad train --resume"):
            train(tiny(normal_data, epochs=3), stopped, tmp_path)
    finally:
        signal.signal(signal.SIGINT, handler)  # Lightning ignores it from then on


def test_resuming_needs_no_start(tmp_path, normal_data, tiny, three_epochs) -> None:
    start = shutil.copytree(three_epochs.folder, tmp_path / "start")
    config = tiny(normal_data, epochs=3, start=start)
    run = interrupt(config, tmp_path / "runs", step=3)
    shutil.rmtree(start)
    assert last_epoch(train(config, VIDEO, resume=run.folder))["epoch"] == 3


def test_the_seed_decides_the_weights(tmp_path, normal_data, tiny, three_epochs) -> None:
    assert_same_weights(train(tiny(normal_data, epochs=3), VIDEO, tmp_path), three_epochs)
    other = train(tiny(normal_data, epochs=3, seed=1), VIDEO, tmp_path)
    assert weights_differ(other, three_epochs)


def test_a_warm_up_longer_than_the_training_takes_half_of_it(tmp_path, normal_data, tiny) -> None:
    long, half = (  # of six steps
        train(tiny(normal_data, epochs=3, warmup=warmup), VIDEO, tmp_path / str(warmup))
        for warmup in (1000, 3)
    )
    assert_same_weights(long, half)


def test_clipped_gradients_give_other_weights(tmp_path, normal_data, tiny, three_epochs) -> None:
    clipped = train(tiny(normal_data, epochs=3, clip=1e-4), VIDEO, tmp_path)
    assert weights_differ(clipped, three_epochs)


def test_the_order_of_samples_depends_on_seed_and_epoch(normal_data, tiny) -> None:
    data = load_split(tiny(normal_data).data, "train")

    def order(epoch: int, seed: int = 0) -> list[int]:
        sampler = batches(tiny(normal_data, seed=seed), data).sampler
        sampler.set_epoch(epoch)
        return list(sampler)

    assert order(0) == order(0) != order(1)
    assert order(0) != order(0, seed=1)
    assert sorted(order(0)) == list(range(8))


def test_the_limit_takes_fewer_windows(normal_data, tiny) -> None:
    config = tiny(normal_data, data={"limit": 5})
    loader = batches(config, load_split(config.data, "train"))
    assert len(loader.dataset) == 5
    assert len(loader) == 1


def test_a_batch_size_above_the_number_of_samples_is_reduced(normal_data, tiny) -> None:
    config = tiny(normal_data, batch_size=500)
    (batch,) = batches(config, load_split(config.data, "train"))
    assert batch.frames.shape == (8, 5, 32, 32, 1)


def test_processes_of_torchrun_share_an_epoch(tmp_path) -> None:
    torchrun = "-m torch.distributed.run --standalone --nproc_per_node 2 -m dmad.cli"
    task = "train digits --train.epochs 1 --data.limit 128 --model.revive_after 1"
    command = [sys.executable, *torchrun.split(), *task.split(), "--out", str(tmp_path)]
    subprocess.run(command, check=True)
    (folder,) = (tmp_path / "digits").iterdir()
    checkpoint = torch.load(Run(folder).checkpoint, weights_only=True)
    assert checkpoint["global_step"] == 128 // 2 // 16
    assert find_model(folder).weights.is_file()


def test_without_torchrun_there_is_one_process(monkeypatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    assert is_first_process()
    monkeypatch.setenv("RANK", "1")
    assert not is_first_process()


def test_the_recent_use_of_the_memory_is_in_the_checkpoint(tmp_path, normal_data, tiny) -> None:
    run = train(changed(tiny(normal_data), revive_after=1000), VIDEO, tmp_path)
    recent = torch.load(run.checkpoint, weights_only=True)["recent"]
    assert recent.sum() > 0


def test_unused_memory_items_are_replaced(tmp_path, normal_data, tiny) -> None:
    never, always = (
        train(changed(tiny(normal_data), memory_items=40, revive_after=steps), VIDEO, tmp_path)
        for steps in (0, 1)
    )
    assert last_epoch(always)["items_used"] > last_epoch(never)["items_used"]


def test_the_same_items_are_replaced_after_resuming(tmp_path, normal_data, tiny) -> None:
    config = changed(tiny(normal_data, epochs=3), memory_items=40, revive_after=1)
    whole = train(config, VIDEO, tmp_path / "whole")
    run = interrupt(config, tmp_path / "stopped", step=4)
    assert run.checkpoint.exists()
    assert_same_weights(train(config, VIDEO, resume=run.folder), whole)


def test_each_view_has_a_template_in_the_model(tmp_path, write_clip, tiny) -> None:
    for scene, seed in (("east", 1), ("west", 2)):
        write_clip(tmp_path / "data" / "train" / scene / "clip", seed)
    write_clip(tmp_path / "data" / "test" / "east" / "clip", 7)
    run = train(tiny(tmp_path / "data"), VIDEO, tmp_path / "runs")
    assert card(run)["scenes"] == ["east", "west"]
    assert weights(run)["background"].shape == (2, 1, 32, 32)


def test_single_images_train_without_history(tmp_path, normal_data, tiny) -> None:
    run = train(tiny(normal_data, data={"history": 0}), VIDEO, tmp_path)
    assert card(run)["config"]["data"]["history"] == 0


def test_settings_are_required(tmp_path) -> None:
    with pytest.raises(DmadError, match=r"give settings, as dmad\.recipe"):
        train({"epochs": 3}, VIDEO, tmp_path)


def test_a_training_on_crops_stopped_and_resumed_gives_the_same_model(
    tmp_path, normal_data, tiny
) -> None:
    config = tiny(normal_data, data={"crop": 16}, epochs=3, averaging=0.5)
    whole = train(config, VIDEO, tmp_path / "whole")
    stopped = interrupt(config, tmp_path / "stopped", step=3)
    resumed = train(config, VIDEO, resume=stopped.folder)
    assert_same_weights(whole, resumed)
    assert weights_differ(whole, train(tiny(normal_data, epochs=3), VIDEO, tmp_path / "frames"))


def test_a_training_with_deformed_targets_stopped_and_resumed_gives_the_same_model(
    tmp_path, normal_data, tiny
) -> None:
    undeformed = changed(tiny(normal_data, data={"crop": 16}, epochs=3), estimator_sees="target")
    config = changed(undeformed, deform_target=2.0)
    whole = train(config, VIDEO, tmp_path / "whole")
    stopped = interrupt(config, tmp_path / "stopped", step=3)
    assert_same_weights(whole, train(config, VIDEO, resume=stopped.folder))
    assert weights_differ(whole, train(undeformed, VIDEO, tmp_path / "undeformed"))


def test_a_run_killed_after_its_last_epoch_gets_its_average_weights(
    tmp_path, normal_data, tiny
) -> None:
    run = train(tiny(normal_data, epochs=2, averaging=0.9), VIDEO, tmp_path)
    averaged = weights(run)
    find_model(run.folder).weights.unlink()
    torch.testing.assert_close(
        weights(train(read_config(run.folder), VIDEO, resume=run.folder)), averaged
    )
    plain_weights = weights(train(tiny(normal_data, epochs=2), VIDEO, tmp_path / "plain"))
    assert any(not torch.equal(value, averaged[name]) for name, value in plain_weights.items())


def test_crops_of_several_views_train_the_template_of_their_view(
    tmp_path, write_clip, tiny
) -> None:
    for seed, scene in enumerate(("gate", "yard")):
        write_clip(tmp_path / "data" / "train" / scene / "a", seed)
    config = tiny(tmp_path / "data", data={"crop": 16}, lr=0.1)
    start = VIDEO.prepare(config, load_split(config.data, "train")).background
    trained = weights(train(config, VIDEO, tmp_path / "runs"))["background"]
    for before, after in zip(start, trained, strict=True):
        assert 0 < (before != after).float().mean() < 1  # only where a crop was


def test_single_images_train_on_crops(tmp_path, normal_data, tiny) -> None:
    config = tiny(normal_data, data={"history": 0, "crop": 16})
    assert last_epoch(train(config, VIDEO, tmp_path))["total"] > 0
