"""How much an experiment does, and how a time limit shortens it."""

import json
from pathlib import Path

import pytest

from dmad.config import changed
from dmad.errors import DmadError
from dmad.experiments.effort import (
    Effort,
    fit_to_time,
    samples_per_epoch,
    seconds_per_sample,
    shortened_length,
)
from dmad.runs import read_config


def test_there_is_a_run_for_each_variant_and_seed(tiny) -> None:
    config = tiny(None)
    runs = Effort(seeds=[0, 1]).runs({"a/b": config, "c": config}, Path("out"))
    assert [str(run.folder) for run in runs] == [
        "out/a-b/seed0", "out/a-b/seed1", "out/c/seed0", "out/c/seed1"
    ]  # fmt: skip
    assert [run.config.train.seed for run in runs] == [0, 1, 0, 1]


def test_without_seeds_the_settings_keep_theirs(tiny) -> None:
    (run,) = Effort().runs({"a": tiny(None, seed=7)}, Path("out"))
    assert run.seed == 7


def test_epochs_and_size_replace_those_of_the_settings(tiny, tmp_path) -> None:
    declared = {"a": tiny(None), "b": tiny(None)}
    kept = Effort(epochs=5, size=64, only=["b"]).variants(declared, tmp_path)
    assert list(kept) == ["b"]
    assert (kept["b"].train.epochs, kept["b"].data.size) == (5, 64)


def test_an_unknown_variant_is_refused(tiny, tmp_path) -> None:
    with pytest.raises(DmadError, match="no variant is called"):
        Effort(only=["cooking"]).variants({"a": tiny(None)}, tmp_path)


@pytest.mark.parametrize(
    ("share", "expected"), [(1.0, (8, 0)), (0.5, (4, 0)), (0.13, (1, 0)), (0.0625, (1, 50))]
)
def test_a_share_of_a_training_has_fewer_epochs_then_fewer_samples(
    share: float, expected: tuple[int, int]
) -> None:
    assert shortened_length(8, 100, share) == expected


def test_a_short_time_limit_shortens_all_variants_alike(trained, tmp_path) -> None:
    base = changed(read_config(trained), epochs=1000)
    shortened = fit_to_time({"a": base, "b": base}, 2.0, tmp_path)
    first, second = shortened.values()
    assert first == second
    assert 1 <= first.train.epochs < 1000


def test_a_long_time_limit_shortens_nothing(trained, tmp_path) -> None:
    base = read_config(trained)
    assert fit_to_time({"a": base}, 1e9, tmp_path) == {"a": base}


def test_shortened_lengths_are_stored_and_used_again(trained, tmp_path) -> None:
    base = changed(read_config(trained), epochs=10)
    stored = {"seconds": 60.0, "cuts": {"a": [3, 0], "b": [1, 5]}}
    (tmp_path / "shortened.json").write_text(json.dumps(stored))
    shortened = fit_to_time({"a": base, "b": base}, 60.0, tmp_path)
    assert shortened["a"] == changed(base, epochs=3)
    assert shortened["b"] == changed(base, epochs=1, limit=5)
    with pytest.raises(DmadError, match="another time limit"):
        fit_to_time({"a": base, "b": base}, 1e9, tmp_path)
    with pytest.raises(DmadError, match="other variants"):
        fit_to_time({"c": base}, 60.0, tmp_path)


def test_the_speed_of_training_is_measured_and_leaves_no_files(trained, tmp_path) -> None:
    assert 0 < seconds_per_sample(read_config(trained), tmp_path) < 10
    assert not list(tmp_path.iterdir())


def test_samples_of_an_epoch_are_windows_of_the_training_clips(trained) -> None:
    config = read_config(trained)
    assert samples_per_epoch(config) > samples_per_epoch(changed(config, limit=2)) == 2
