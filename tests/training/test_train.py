"""Training end to end on generated frames: what a run holds, resuming, seeds."""

import csv
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from dmad.training.modules import PDMTraining
from safetensors.torch import load_file, save_file

from dmad.config import changed, plain, restore
from dmad.data.footage import fingerprint
from dmad.data.splits import load_split
from dmad.data.windows import Batch, to_model
from dmad.errors import DmadError
from dmad.hardware import compute_settings
from dmad.model.pdm import PDM
from dmad.runs import Run, find_model, new_run, read_weights
from dmad.training import modules as learning
from dmad.training import train as training
from dmad.training.train import batches, build, train

# Trains from settings on standard input and kills itself in the middle of the second epoch.
KILLED = """
import json, os, signal, sys
from pathlib import Path
from dmad import learning, training
from dmad.settings import restore

step = training.PDMTraining.training_step

def stepping(self, batch, index):
    if self.global_step == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self, batch, index)

training.PDMTraining.training_step = stepping
training.train(restore(json.load(sys.stdin)), Path(sys.argv[1]))
"""


def weights(run: Run) -> dict[str, torch.Tensor]:
    return read_weights(find_model(run.folder))


def card(run: Run) -> dict:
    return json.loads((run.folder / "model.json").read_text())


def last(run):
    """The figures of the last epoch, but for the time it took."""
    return {name: value for name, value in card(run)["history"][-1].items() if name != "seconds"}


def differ(a: Run, b: Run) -> bool:
    other = weights(b)
    return any(not torch.equal(value, other[name]) for name, value in weights(a).items())


def same(a: Run, b: Run) -> None:
    torch.testing.assert_close(weights(a), weights(b), rtol=1e-5, atol=1e-6)


@pytest.fixture(scope="module")
def long(tmp_path_factory, normal_data, tiny) -> Run:
    """Three epochs of two steps without interruption."""
    return train(tiny(normal_data, epochs=3), tmp_path_factory.mktemp("long"))


def stop_at(monkeypatch, step: int, error: BaseException) -> None:
    whole = training.PDMTraining.training_step

    def stepping(self, batch, index):
        if self.global_step == step:
            raise error
        return whole(self, batch, index)

    monkeypatch.setattr(training.PDMTraining, "training_step", stepping)


def test_a_run_folder_is_complete(long):
    assert long.folder.parent.name == "video"
    names = {path.name for path in long.folder.iterdir()}
    assert names == {
        "config.yaml",
        "model.safetensors",
        "model.json",
        "checkpoints",
        "logs",
        "tensorboard",
    }
    assert [path.name for path in long.checkpoint.parent.iterdir()] == ["last.ckpt"]
    assert list(long.folder.glob("tensorboard/*/events.out.tfevents.*"))
    with (long.folder / "logs" / "version_0" / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows if row["total"]] == ["0", "1", "2"]


def test_config_on_disk_is_the_config(long, normal_data, tiny):
    assert restore(yaml.safe_load(long.config.read_text())) == tiny(normal_data, epochs=3)


def test_model_card(long, normal_data, tiny):
    config = tiny(normal_data, epochs=3)
    data = load_split(config.data, "train")
    found = card(long)
    assert found["config"] == plain(config)
    assert found["scenes"] == [""]
    assert found["data"] == {"sha256": fingerprint(data.footage), "frames": 16, "samples": 8}
    assert found["versions"].keys() == {"dmad", "torch", "lightning", "python"}
    assert [epoch["epoch"] for epoch in found["history"]] == [1, 2, 3]
    for epoch in found["history"]:
        assert 1 <= epoch["perplexity"] <= epoch["items_used"] <= 5
        assert epoch["total"] >= epoch["reconstruction"] > 0
        assert epoch["seconds"] > 0


def test_each_epoch_reports_its_own_memory_usage(tmp_path, normal_data, tiny, monkeypatch):
    """Not that of the epoch before."""
    monkeypatch.setattr(learning, "perplexity", lambda counts: counts.sum().float() + next(ticks))
    ticks = iter(range(100))
    run = train(tiny(normal_data, epochs=3), tmp_path)
    found = [epoch["perplexity"] for epoch in card(run)["history"]]
    assert [value - found[0] for value in found] == [0, 1, 2]


def test_training_learns(tmp_path, normal_data, tiny):
    history = card(train(tiny(normal_data, epochs=12, lr=5e-3), tmp_path))["history"]
    assert history[-1]["reconstruction"] < 0.9 * history[0]["reconstruction"]


def test_killed_in_an_epoch_and_resumed(tmp_path, normal_data, tiny, long):
    config = tiny(normal_data, epochs=3)
    child = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        input=json.dumps(plain(config)),
        text=True,
        capture_output=True,
        check=False,
    )
    assert child.returncode == -signal.SIGKILL, child.stderr
    (folder,) = (tmp_path / "video").iterdir()
    run = Run(folder)
    assert run.checkpoint.exists()
    with pytest.raises(DmadError, match="--resume"):
        find_model(folder)
    run.checkpoint.with_name("last.ckpt.part").write_bytes(b"half a checkpoint")
    assert train(config, resume=folder) == run
    assert [epoch["epoch"] for epoch in card(run)["history"]] == [1, 2, 3]
    assert last(run) == pytest.approx(last(long), rel=1e-4)
    same(run, long)


def test_killed_at_ten_random_moments(tmp_path, normal_data, tiny):
    """Wherever it is killed, in a step or while it writes, it ends as if it had not been."""
    config = tiny(normal_data, epochs=100)
    whole = train(config, tmp_path / "whole")
    run = new_run(config, tmp_path / "killed")
    command = [sys.executable, "-m", "dmad.cli.main", "train", "--resume", str(run.folder)]
    for delay in np.random.default_rng(0).uniform(0, 0.2, 10):
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as child:
            child.stderr.readline()  # an epoch is done
            time.sleep(delay)
            child.kill()
        assert child.returncode == -signal.SIGKILL
        assert not (run.folder / "model.safetensors").exists()
    train(config, resume=run.folder)
    assert [epoch["epoch"] for epoch in card(run)["history"]] == list(range(1, 101))
    assert last(run) == pytest.approx(last(whole), rel=1e-4)
    same(run, whole)


def test_stopped_before_the_first_checkpoint_and_resumed(
    tmp_path, normal_data, tiny, long, monkeypatch
):
    config = tiny(normal_data, epochs=3)
    with monkeypatch.context() as patch:
        stop_at(patch, 1, RuntimeError("power cut"))
        with pytest.raises(RuntimeError, match="power cut"):
            train(config, tmp_path)
    (folder,) = (tmp_path / "video").iterdir()
    assert not Run(folder).checkpoint.exists()
    with pytest.raises(DmadError, match="--resume"):
        find_model(folder)
    same(train(config, resume=folder), long)


def test_a_log_says_how_long_it_will_take(tmp_path, normal_data, tiny, monkeypatch, logged):
    monkeypatch.setattr("dmad.training.progress.SETTLED", -1.0)
    train(tiny(normal_data, epochs=2), tmp_path)
    begun, first, last = logged().splitlines()
    time_left = r"about \d+:\d\d:\d\d left$"
    assert re.match(rf"training: \d+ steps, {time_left}", begun)
    assert re.search(time_left, first)
    assert "left" not in last


def test_a_finished_run_is_left_as_it_is(tmp_path, normal_data, tiny, long, logged):
    shutil.copytree(long.folder, tmp_path / "run")
    card = json.loads((tmp_path / "run" / "model.json").read_text())
    kept = json.dumps(card | {"calibration": "mine"})
    (tmp_path / "run" / "model.json").write_text(kept)
    config = restore(yaml.safe_load((tmp_path / "run" / "config.yaml").read_text()))
    train(config, resume=tmp_path / "run")
    assert (tmp_path / "run" / "model.json").read_text() == kept
    assert "has all its" in logged()


def test_other_settings_are_refused_on_resuming(tmp_path, long):
    shutil.copytree(long.folder, tmp_path / "run")
    config = restore(yaml.safe_load((tmp_path / "run" / "config.yaml").read_text()))
    with pytest.raises(DmadError, match=r"own settings hold.*--train\.start"):
        train(changed(config, epochs=9), resume=tmp_path / "run")
    assert card(Run(tmp_path / "run"))["config"]["train"]["epochs"] == 3


def test_a_run_without_its_weights_goes_on_and_a_damaged_checkpoint_is_told(tmp_path, long):
    shutil.copytree(long.folder, tmp_path / "run")
    config = restore(yaml.safe_load((tmp_path / "run" / "config.yaml").read_text()))
    run = Run(tmp_path / "run")
    (run.folder / "model.safetensors").unlink()
    same(train(config, resume=run.folder), long)
    (run.folder / "model.safetensors").unlink()
    run.checkpoint.write_bytes(run.checkpoint.read_bytes()[:-900])
    with pytest.raises(DmadError, match=r"last\.ckpt is damaged"):
        train(config, resume=run.folder)


def test_other_data_are_refused_on_resuming(tmp_path, normal_data, tiny, long, write_clip):
    shutil.copytree(long.folder, tmp_path / "run")
    (tmp_path / "run" / "model.json").unlink()
    write_clip(tmp_path / "other" / "clip", 9, 12)
    config = restore(yaml.safe_load((tmp_path / "run" / "config.yaml").read_text()))
    config = replace(config, data=replace(config.data, root=tmp_path / "other"))
    with pytest.raises(DmadError, match="begun on other data"):
        train(config, resume=tmp_path / "run")


def test_paths_hold_from_any_folder(tmp_path, normal_data, tiny, monkeypatch):
    monkeypatch.chdir(normal_data.parent)
    run = train(tiny(Path(normal_data.name)), tmp_path)
    assert yaml.safe_load(run.config.read_text())["data"]["root"] == str(normal_data)


def test_resuming_a_finished_run_changes_nothing(tmp_path, normal_data, tiny):
    config = tiny(normal_data)
    run = train(config, tmp_path)
    before = weights(run)
    assert train(config, resume=run.folder) == run
    torch.testing.assert_close(weights(run), before, rtol=0, atol=0)
    assert len(card(run)["history"]) == 1


def test_ctrl_c_names_the_way_on(tmp_path, normal_data, tiny, monkeypatch):
    handler = signal.getsignal(signal.SIGINT)
    stop_at(monkeypatch, 3, KeyboardInterrupt())
    try:
        with pytest.raises(DmadError, match="dmad train --resume"):
            train(tiny(normal_data, epochs=3), tmp_path)
    finally:
        signal.signal(signal.SIGINT, handler)  # Lightning ignores it from then on


def test_the_seed_decides(tmp_path, normal_data, tiny, long):
    config = tiny(normal_data, epochs=3)
    same(train(config, tmp_path), long)
    other = replace(config, train=replace(config.train, seed=1))
    assert differ(train(other, tmp_path), long)


def test_the_learning_rate_rises_over_the_warm_up_and_falls_to_zero():
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=0.6)
    schedule = learning.rise_and_fall(optimizer, 3, 9)
    rates = []
    for _ in range(9):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert rates[:4] == pytest.approx([0.2, 0.4, 0.6, 0.6])
    assert rates[3:] == sorted(rates[3:], reverse=True)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("warmup", [0, 1])
def test_hardly_any_warm_up_is_none(warmup):
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=0.6)
    learning.rise_and_fall(optimizer, warmup, 4)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.6)


def test_a_warm_up_longer_than_the_training_takes_half_of_it(tmp_path, normal_data, tiny):
    config = tiny(normal_data, epochs=3, warmup=1000)
    half = replace(config, train=replace(config.train, warmup=3))  # of six steps
    same(train(config, tmp_path / "long"), train(half, tmp_path / "half"))


def test_training_clips(tmp_path, normal_data, tiny, long):
    assert differ(train(tiny(normal_data, epochs=3, clip=1e-4), tmp_path), long)


@pytest.mark.parametrize("name", ["warmup", "clip"])
def test_less_than_nothing_is_refused(normal_data, tiny, name):
    with pytest.raises(DmadError, match=f"train.{name} is -1; give 0 or more"):
        tiny(normal_data, **{name: -1})


@pytest.mark.parametrize(("clip", "expected"), [(0.0, 5.0), (1.0, 1.0), (10.0, 5.0)])
def test_gradients_are_clipped_to_a_norm_of_all_weights_together(normal_data, tiny, clip, expected):
    config = tiny(normal_data, clip=clip)
    model = build(config, load_split(config.data, "train"))
    module = PDMTraining(config, model, compute_settings(config.train, "cpu"))
    one, other, *_ = model.parameters()
    one.grad, other.grad = torch.zeros_like(one), torch.zeros_like(other)
    one.grad.flatten()[0], other.grad.flatten()[0] = 3.0, 4.0
    module.configure_gradient_clipping(torch.optim.AdamW(model.parameters()))
    norm = torch.cat((one.grad.flatten(), other.grad.flatten())).norm()
    assert norm.item() == pytest.approx(expected, rel=1e-4)


def test_only_the_template_of_its_view_learns_from_a_batch(tiny, frames_of):
    config = tiny(None)
    model = PDM(config.model, 32, 1, 4, scenes=2)
    module = PDMTraining(config, model, compute_settings(config.train, "cpu"))
    frames = torch.from_numpy(np.stack([frames_of(seed, 5) for seed in (1, 2)]))
    batch = Batch(frames, torch.tensor([1, 1]))
    _, terms = module.judged(batch, *to_model(frames))
    terms.total.backward()
    assert not model.background.grad[0].any()
    assert model.background.grad[1].any()


def test_the_template_learns_faster_and_is_not_drawn_to_zero(tiny, monkeypatch):
    config = tiny(None, lr=0.1, background_lr=3.0, weight_decay=0.2, betas=(0.8, 0.9), warmup=0)
    model = PDM(config.model, 32, 1, 4)
    trainer = SimpleNamespace(estimated_stepping_batches=9)
    monkeypatch.setattr(PDMTraining, "trainer", trainer)
    module = PDMTraining(config, model, compute_settings(config.train, "cpu"))
    rest, template = module.configure_optimizers()["optimizer"].param_groups
    assert [p is model.background for p in template["params"]] == [True]
    assert len(rest["params"]) == len(list(model.parameters())) - 1
    assert (rest["lr"], rest["weight_decay"], rest["betas"]) == (0.1, 0.2, (0.8, 0.9))
    assert template["lr"] == pytest.approx(0.3)
    assert (template["weight_decay"], template["betas"]) == (0, (0.8, 0.9))


def test_order_depends_on_seed_and_epoch(normal_data, tiny):
    config = tiny(normal_data)
    data = load_split(config.data, "train")

    def order(epoch: int, seed: int = 0) -> list[int]:
        chosen = replace(config, train=replace(config.train, seed=seed))
        sampler = batches(chosen, data).sampler
        sampler.set_epoch(epoch)
        return list(sampler)

    assert order(0) == order(0) != order(1)
    assert order(0) != order(0, seed=1)
    assert sorted(order(0)) == list(range(8))


def test_begins_with_a_trained_model_at_another_size(tmp_path, normal_data, tiny, long):
    config = tiny(normal_data, lr=1e-9, start=long.folder)
    config = replace(config, data=replace(config.data, size=64))
    found, before = weights(train(config, tmp_path)), weights(long)
    assert found.pop("background").shape[-2:] == (64, 64)
    for name, value in found.items():
        if not any(count in name for count in ("running", "num_batches")):
            torch.testing.assert_close(value, before[name], rtol=0, atol=1e-6)


@pytest.mark.parametrize("other", [{"memory_items": 7}, {"displacements": (2.0, 2.0)}])
def test_a_start_of_another_network_is_refused(tmp_path, normal_data, tiny, long, other):
    config = tiny(normal_data, start=long.folder)
    config = replace(config, model=replace(config.model, **other))
    with pytest.raises(DmadError, match=rf"another network, by its model\.{next(iter(other))};"):
        train(config, tmp_path)
    assert not [*tmp_path.iterdir()]


def test_resuming_needs_no_start(tmp_path, normal_data, tiny, long, monkeypatch):
    start = shutil.copytree(long.folder, tmp_path / "start")
    config = tiny(normal_data, epochs=3, start=start)
    with monkeypatch.context() as patch:
        stop_at(patch, 3, RuntimeError("power cut"))
        with pytest.raises(RuntimeError, match="power cut"):
            train(config, tmp_path)
    shutil.rmtree(start)
    (folder,) = (tmp_path / "video").iterdir()
    assert last(train(config, resume=folder))["epoch"] == 3


def test_weights_of_another_version_are_refused(tmp_path, normal_data, tiny, long):
    shutil.copytree(long.folder, tmp_path / "old")
    path = tmp_path / "old" / "model.safetensors"
    tensors = load_file(path)
    del tensors["memory.items"]
    save_file(tensors, path)
    with pytest.raises(DmadError, match="comes from another version"):
        train(tiny(normal_data, start=tmp_path / "old"), tmp_path / "new")


def test_processes_of_torchrun_share_an_epoch(tmp_path):
    shared = "-m torch.distributed.run --standalone --nproc_per_node 2 -m dmad.cli.main"
    task = "train digits --train.epochs 1 --data.limit 128 --model.revive_after 1"
    task = f"{task} --out {tmp_path}"
    subprocess.run([sys.executable, *shared.split(), *task.split()], check=True)
    (folder,) = (tmp_path / "digits").iterdir()
    kept = torch.load(Run(folder).checkpoint, weights_only=True)
    assert kept["global_step"] == 128 // 2 // 16
    assert find_model(folder).weights.is_file()


def test_what_was_used_of_late_is_known_after_a_resume(tmp_path, normal_data, tiny):
    config = tiny(normal_data)
    run = train(replace(config, model=replace(config.model, revive_after=1000)), tmp_path)
    kept = torch.load(run.checkpoint, weights_only=True)["recent"]
    assert kept.sum() > 0
    module = PDMTraining(
        config, build(config, load_split(config.data, "train")), compute_settings(config.train, "cpu")
    )
    module.on_load_checkpoint({"history": [], "recent": kept})
    assert (module.recent == kept).all()


def test_unused_items_are_revived(tmp_path, normal_data, tiny):
    config = tiny(normal_data)
    model = replace(config.model, memory_items=40)
    never, always = (
        card(train(replace(config, model=replace(model, revive_after=every)), tmp_path))
        for every in (0, 1)
    )
    assert always["history"][0]["items_used"] > never["history"][0]["items_used"]


def test_the_same_items_are_revived_after_a_resume(tmp_path, normal_data, tiny, monkeypatch):
    config = tiny(normal_data, epochs=3)
    config = replace(config, model=replace(config.model, memory_items=40, revive_after=1))
    whole = train(config, tmp_path / "whole")
    with monkeypatch.context() as patch:
        stop_at(patch, 4, RuntimeError("power cut"))
        with pytest.raises(RuntimeError, match="power cut"):
            train(config, tmp_path / "stopped")
    (folder,) = (tmp_path / "stopped" / "video").iterdir()
    assert Run(folder).checkpoint.exists()
    same(train(config, resume=folder), whole)


def test_limit_takes_fewer_windows(normal_data, tiny):
    config = tiny(normal_data, data={"limit": 5})
    loader = batches(config, load_split(config.data, "train"))
    assert len(loader.dataset) == 5
    assert len(loader) == 1


def test_a_batch_larger_than_the_data_is_cut(normal_data, tiny):
    config = tiny(normal_data, batch_size=500)
    (batch,) = batches(config, load_split(config.data, "train"))
    assert batch.frames.shape == (8, 5, 32, 32, 1)


def test_each_scene_has_its_template_from_training_footage(tmp_path, write_clip, tiny):
    for scene, seed in (("east", 1), ("west", 2)):
        write_clip(tmp_path / "data" / "train" / scene / "clip", seed)
    write_clip(tmp_path / "data" / "test" / "east" / "clip", 7)
    config = tiny(tmp_path / "data")
    data = load_split(config.data, "train")
    assert data.scenes == ("east", "west")
    background = build(config, data).background
    assert background.shape == (2, 1, 32, 32)
    pixels = torch.from_numpy(data.footage.frames[[0, 8]]).permute(0, 3, 1, 2) / 127.5 - 1
    corner = (..., slice(20, 32), slice(0, 32))  # where nothing moves
    torch.testing.assert_close(background.detach()[corner], pixels[corner])
    run = train(config, tmp_path / "runs")
    assert card(run)["scenes"] == ["east", "west"]
    assert weights(run)["background"].shape == (2, 1, 32, 32)


def test_images_train_without_history(tmp_path, normal_data, tiny):
    run = train(tiny(normal_data, data={"history": 0}), tmp_path)
    assert card(run)["config"]["data"]["history"] == 0
