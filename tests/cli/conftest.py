"""Fixtures that run the command line in this process."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from PIL import Image

from dmad.cli import main as cli

SMALL = """
data: {size: 32, channels: 1}
model: {widths: [4, 8], memory_items: 5, skip_channels: 2, reductions: [4, 2], estimator_width: 4}
train: {epochs: 1, batch_size: 4, precision: fp32}
"""


@pytest.fixture
def dmad(monkeypatch, capfd) -> Callable[..., tuple[int, str, str]]:
    """Runs a command, and returns its exit code, standard output and standard error."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)  # restored afterwards

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
def refused(dmad) -> Callable[..., str]:
    """Runs a command that must fail with one line; returns the line."""

    def call(*arguments: object) -> str:
        code, out, err = dmad(*arguments)
        assert code == 2, err
        assert out == ""
        assert err.startswith("dmad: ")
        assert err.count("\n") == 1, err
        return err

    return call


@pytest.fixture
def training(tmp_path) -> Callable[..., list[object]]:
    """Makes the arguments of a tiny training on a folder. `more` arguments are added at the end."""
    settings = tmp_path / "small.yaml"
    settings.write_text(SMALL)

    def make(root: Path, *more: object) -> list[object]:
        here = ["--data.root", root, "--data.cache", tmp_path / "cache", "--out", tmp_path / "runs"]
        return ["train", "video", "--config", settings, *here, *more]

    return make


@pytest.fixture
def clips(tmp_path, write_clip) -> Path:
    """A folder of two normal clips without labels."""
    for index in range(2):
        write_clip(tmp_path / "clips" / f"clip{index}", index)
    return tmp_path / "clips"


@pytest.fixture
def printed_settings(dmad) -> Callable[..., dict]:
    """The settings that `dmad train ... --print_config` prints."""

    def call(*arguments: object) -> dict:
        code, out, err = dmad("train", *arguments, "--print_config")
        assert (code, err) == (0, "")
        return yaml.safe_load(out)

    return call
