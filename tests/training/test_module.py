"""The Lightning module: learning rates, clipping, and the use of the memory."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from dmad.config import VideoConfig
from dmad.data.windows import Batch
from dmad.errors import DmadError
from dmad.forms.video.form import Video
from dmad.hardware import compute_settings
from dmad.model.pdm import PDM
from dmad.training.module import TrainingModule, warmup_cosine

VIDEO = Video()


def make_module(config: VideoConfig, form: Video = VIDEO) -> TrainingModule:
    """A module as training makes it, without a trainer."""
    model = PDM(config.model, 32, 1, 4)
    return TrainingModule(form, config, model, compute_settings(config.train, "cpu"))


@pytest.fixture
def batch(frames_of) -> Batch:
    frames = np.stack([frames_of(seed, 5) for seed in (1, 2)])
    return Batch(torch.from_numpy(frames), torch.tensor([0, 0]))


@pytest.fixture
def optimizer() -> torch.optim.Optimizer:
    return torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=0.6)


def test_the_learning_rate_rises_over_the_warm_up_and_falls_to_zero(optimizer) -> None:
    schedule = warmup_cosine(optimizer, 3, 9)
    rates = []
    for _ in range(9):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert rates[:4] == pytest.approx([0.2, 0.4, 0.6, 0.6])
    assert rates[3:] == sorted(rates[3:], reverse=True)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("warmup", [0, 1])
def test_a_warm_up_of_at_most_one_step_starts_at_the_peak(optimizer, warmup) -> None:
    warmup_cosine(optimizer, warmup, 4)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.6)


@pytest.mark.parametrize(("clip", "expected"), [(0.0, 5.0), (1.0, 1.0), (10.0, 5.0)])
def test_the_gradient_of_all_weights_together_is_clipped(tiny, clip, expected) -> None:
    module = make_module(tiny(None, clip=clip))
    first, second, *_ = module.model.parameters()
    first.grad, second.grad = torch.zeros_like(first), torch.zeros_like(second)
    first.grad.flatten()[0], second.grad.flatten()[0] = 3.0, 4.0
    module.configure_gradient_clipping(torch.optim.AdamW(module.model.parameters()))
    norm = torch.cat((first.grad.flatten(), second.grad.flatten())).norm()
    assert norm.item() == pytest.approx(expected, rel=1e-4)


def optimizer_groups(config: VideoConfig, steps: int = 9):
    module = make_module(config)
    module.trainer = SimpleNamespace(estimated_stepping_batches=steps)
    return module, module.configure_optimizers()["optimizer"].param_groups


def test_the_template_learns_faster_and_does_not_decay(tiny) -> None:
    config = tiny(None, lr=0.1, background_lr=3.0, weight_decay=0.2, betas=(0.8, 0.9), warmup=0)
    module, (weights, template) = optimizer_groups(config)
    assert [p is module.model.background for p in template["params"]] == [True]
    assert len(weights["params"]) == len(list(module.model.parameters())) - 1
    assert (weights["lr"], weights["weight_decay"], weights["betas"]) == (0.1, 0.2, (0.8, 0.9))
    assert template["lr"] == pytest.approx(0.3)
    assert (template["weight_decay"], template["betas"]) == (0, (0.8, 0.9))


def test_a_model_without_templates_has_one_group(tiny) -> None:
    config = tiny(None)
    config = replace(config, model=replace(config.model, background=False))
    module, groups = optimizer_groups(config)
    (weights,) = groups
    assert len(weights["params"]) == len(list(module.model.parameters()))


class NanLoss(Video):
    """The form of video, with a loss that is not finite."""

    def losses(self, *arguments):
        output, losses = super().losses(*arguments)
        return output, replace(losses, total=losses.total * float("nan"))


def test_a_loss_that_is_not_finite_stops_the_training(tiny, batch) -> None:
    module = make_module(tiny(None), NanLoss())
    with pytest.raises(DmadError, match=r"the loss became nan in epoch 1; lower --train\.lr"):
        module.training_step(batch, 0)


def test_recent_use_of_the_memory_is_restored_from_a_checkpoint(tiny) -> None:
    module = make_module(tiny(None))
    counts = torch.arange(5)
    history = [{"epoch": 1.0}]
    module.on_load_checkpoint({"history": history, "recent": counts, "data": ""})
    assert module.recent_counts.tolist() == [0, 1, 2, 3, 4]
    assert module.history == history


def test_a_checkpoint_of_other_data_is_refused(tiny) -> None:
    module = make_module(tiny(None))
    module.data = "a1"
    with pytest.raises(DmadError, match="this run was started with other data"):
        module.on_load_checkpoint({"history": [], "data": "b2"})
    module.on_load_checkpoint({"history": [], "data": "a1"})
