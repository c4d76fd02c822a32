"""Abnormal test events among the training data."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dmad.config import DataConfig
from dmad.errors import DmadError
from dmad.experiments.contamination import first_abnormal_frames, mix_data
from dmad.runs import read_config


@pytest.fixture
def data(trained) -> DataConfig:
    """Two training clips of 8 frames; the last two frames of each test clip are abnormal."""
    return read_config(trained).data


def test_the_first_abnormal_frames_are_taken_event_by_event() -> None:
    abnormal = np.array([0, 1, 1, 0, 0, 1, 1, 1], bool)
    assert first_abnormal_frames(abnormal, 3) == [range(1, 3), range(5, 6)]
    assert first_abnormal_frames(abnormal, 9) == [range(1, 3), range(5, 8)]


def test_events_become_training_clips_of_links(data, tmp_path) -> None:
    mixed = mix_data(data, 0.6, tmp_path / "0.6")  # 24 abnormal frames: 12 of each clip
    clips = sorted(path.name for path in (mixed / "train").iterdir())
    assert clips == ["clip0", "clip1", "mixed-clip0-0", "mixed-clip1-0"]
    frames = sorted((mixed / "train" / "mixed-clip0-0").iterdir())
    originals = [Path(data.root).resolve() / "test" / "clip0" / f"00{n}.png" for n in (6, 7)]
    assert [path.resolve() for path in frames] == originals
    assert all(path.is_symlink() for path in frames)
    assert (mixed / "test" / "labels.npy").exists()


def test_a_small_share_takes_events_of_fewer_clips(data, tmp_path) -> None:
    mixed = mix_data(data, 0.1, tmp_path / "0.1")
    assert len(list((mixed / "train").glob("mixed-*"))) == 1


def test_mixing_again_keeps_the_folder(data, tmp_path) -> None:
    mixed = mix_data(data, 0.2, tmp_path / "0.2")
    assert mix_data(data, 0.2, tmp_path / "0.2") == mixed


def test_links_to_another_data_set_are_refused(data, tmp_path) -> None:
    mix_data(data, 0.2, tmp_path / "0.2")
    shutil.copytree(data.root, tmp_path / "other")
    with pytest.raises(DmadError, match="is a link to other data"):
        mix_data(replace(data, root=tmp_path / "other"), 0.2, tmp_path / "0.2")
