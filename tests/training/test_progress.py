"""The log of a training without a terminal: a line for each epoch, and the time left."""

import re
from types import SimpleNamespace

import pytest

from dmad.api import train_network
from dmad.training.progress import EpochLine, StepBar

TIME_LEFT = r"about \d+:\d\d:\d\d left$"


def bar_after(step: int, first: int = 0, **options: float) -> StepBar:
    """The bar of a training of 10 steps that starts after `first` steps, when `step` are done."""
    bar = StepBar(epochs=2, steps=5, **options)
    trainer = SimpleNamespace(is_global_zero=True, global_step=first)
    bar.on_train_start(trainer, None)
    for reached in range(first + 1, step + 1):
        trainer.global_step = reached
        bar.on_train_batch_end(trainer)
    return bar


def test_a_training_logs_a_line_for_each_epoch(tmp_path, normal_data, tiny, logged) -> None:
    train_network(tiny(normal_data, epochs=2), tmp_path)
    first, last = (line for line in logged().splitlines() if line.startswith("epoch"))
    assert re.match(r"epoch 1/2  loss \d\.\d{4}  reconstruction \d\.\d{4}  memory \d items", first)
    assert re.search(TIME_LEFT, first)
    assert last.startswith("epoch 2/2")
    assert "left" not in last


def test_the_time_is_estimated_once(logged) -> None:
    bar = bar_after(4, estimate_after=-1.0)
    line = logged()
    assert re.fullmatch(f"training: 10 steps, {TIME_LEFT}", line)
    assert bar.bar.tasks[0].completed == 4


def test_a_short_training_has_no_estimate(logged) -> None:
    bar_after(4)
    assert logged() == ""


@pytest.mark.parametrize(("first", "left"), [(0, "0:00:06"), (2, "0:00:12")])
def test_the_estimate_counts_only_the_steps_since_the_start(first: int, left: str) -> None:
    """The training starts after `first` of ten steps. Four steps are done after four seconds."""
    bar = bar_after(4, first)
    task = bar.bar.tasks[0]
    task.stop_time, task.start_time = 4.0, 0.0
    assert bar.time_left() == f"about {left} left"


def test_other_processes_show_nothing(logged) -> None:
    bar = StepBar(epochs=2, steps=5, estimate_after=-1.0)
    trainer = SimpleNamespace(is_global_zero=False, global_step=1)
    bar.on_train_start(trainer, None)
    bar.on_train_batch_end(trainer)
    assert not bar.bar.tasks
    assert logged() == ""


def test_an_epoch_without_memory_has_no_perplexity(logged) -> None:
    line = EpochLine(1, bar_after(10))
    line({"epoch": 1.0, "total": 0.25, "reconstruction": 0.125})
    assert logged() == "epoch 1/1  loss 0.2500  reconstruction 0.1250"
