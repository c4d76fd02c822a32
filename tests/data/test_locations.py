"""Folders in the settings: absolute, and checked where they are needed."""

import pytest

from dmad.config import VideoDataConfig
from dmad.data.locations import required_root, with_locations
from dmad.errors import DmadError


def test_other_folders_are_stored_as_absolute_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = VideoDataConfig(root=tmp_path / "old", cache=tmp_path / "cache")
    moved = with_locations(data, "new", None)
    assert moved.root == tmp_path / "new"
    assert moved.cache == tmp_path / "cache"
    assert with_locations(VideoDataConfig(), None, None) == VideoDataConfig()


def test_a_root_that_is_not_given_or_missing_is_refused(tmp_path):
    with pytest.raises(DmadError, match=r"video needs a folder of data; give --data\.root PATH"):
        required_root(VideoDataConfig())
    with pytest.raises(DmadError, match="does not exist"):
        required_root(VideoDataConfig(root=tmp_path / "missing"))
    assert required_root(VideoDataConfig(root=tmp_path)) == tmp_path
