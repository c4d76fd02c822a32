"""Runs a case script: `run_case.py SCRIPT FOLDER --check`.

Some scripts import functions of dmad from where an early build had them. Here they are found there.
"""

import runpy
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import dmad.config
import dmad.data.layouts
from dmad.data.layouts.videos import find_split
from dmad.data.reading.sources import source_name
from dmad.data.splits import load_split


def old_data_config(history: int, **settings: Any) -> dmad.config.ImageDataConfig:
    assert history == 0
    return dmad.config.ImageDataConfig(**settings)


def old_find_split(layout: str, root: Path, split: str) -> SimpleNamespace:
    """A split whose labels are arrays."""
    labels = find_split(layout, root, split).labels
    return SimpleNamespace(labels=[own and own.values for own in labels])


def old_module(name: str, **content: object) -> None:
    module = ModuleType(name)
    vars(module).update(content)
    sys.modules[name] = module


vars(dmad.config)["DataConfig"] = old_data_config
vars(dmad.data.layouts)["find_split"] = old_find_split
old_module("dmad.data.load", load_split=load_split)
old_module("dmad.inference.sources", plain_name=source_name)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
