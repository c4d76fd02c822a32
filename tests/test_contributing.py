"""The recipes of CONTRIBUTING.md work: each is followed in a temporary module."""

import importlib.util
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from dmad.config import changed
from dmad.data import splits
from dmad.data.splits import load_split
from dmad.evaluation.ledger import Row
from dmad.evaluation.ledger_tables import ledger_tables
from dmad.evaluation.metrics import micro_auroc
from dmad.model.distillation import Teacher
from dmad.watch.cameras import Camera
from dmad.watch.watch import watch

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text()
RECIPES = re.findall(r"^## How to add (.*?)\n(.*?)(?=^## )", TEXT, re.M | re.S)
LONGEST = 10  # lines of code, or of steps


@pytest.fixture
def module(tmp_path, request) -> Callable[[str, str], ModuleType]:
    """Writes the code of a recipe into a module, after some imports, and imports it."""

    def make(title: str, imports: str) -> ModuleType:
        code = re.search(r"```python\n(.*?)```", dict(RECIPES)[title], re.S)
        assert code is not None
        path = tmp_path / "recipe.py"
        path.write_text(f"{imports}\n\n{code[1]}")
        spec = importlib.util.spec_from_file_location("recipe", path)
        assert spec is not None
        assert spec.loader is not None
        recipe = importlib.util.module_from_spec(spec)
        sys.modules["recipe"] = recipe
        request.addfinalizer(lambda: sys.modules.pop("recipe"))
        spec.loader.exec_module(recipe)
        return recipe

    return make


@pytest.mark.parametrize(("title", "text"), RECIPES, ids=[title for title, _ in RECIPES])
def test_a_recipe_is_short(title: str, text: str) -> None:
    code = "".join(re.findall(r"```python\n(.*?)```", text, re.S))
    prose = re.sub(r"```python\n.*?```", "", text, flags=re.S)
    for part in (code, prose):
        assert len([line for line in part.splitlines() if line.strip()]) <= LONGEST


def test_a_data_layout_is_a_loader(module, write_clip, tiny, tmp_path, monkeypatch) -> None:
    imports = (
        "from pathlib import Path\n"
        "from dmad.config import DataConfig\n"
        "from dmad.data.cache import decode_clips\n"
        "from dmad.data.footage import ClipSource, LabelledFootage, SplitName\n"
    )
    recipe = module("a data layout", imports)
    for seed, name in enumerate(("train-monday", "train-tuesday", "test-friday")):
        write_clip(tmp_path / "data" / name, seed)
    monkeypatch.setitem(splits.LOADERS, "video", recipe.load_days)
    data = replace(tiny(tmp_path / "data").data, held_out=0.5)
    names = {
        split: [clip.name for clip in load_split(data, split).footage.clips]
        for split in ("train", "held_out", "test")
    }
    assert names == {
        "train": ["train-monday"],
        "held_out": ["train-tuesday"],
        "test": ["test-friday"],
    }


def test_a_teacher_is_a_network_of_timm(module, tiny_images) -> None:
    imports = (
        "from typing import Any\n"
        "from timm.models import register_model, resnet\n"
        "from torch import nn\n"
    )
    module("a teacher", imports)
    features = Teacher("resnet6")(torch.zeros(1, 3, 64, 64))
    assert [tuple(one.shape[1:]) for one in features] == [
        (64, 16, 16), (128, 8, 8), (256, 4, 4)
    ]  # fmt: skip
    config = changed(tiny_images(), teacher="resnet6", teacher_weights=None)
    assert config.model.teacher == "resnet6"


def test_a_sink_gets_every_message(
    module, random_model, make_detector, tiny, calibration_of, write_clip, tmp_path, capsys
) -> None:
    recipe = module("a sink", "import json\nfrom collections import Counter\n")
    detector = make_detector(random_model, tiny(None)).with_calibration(calibration_of(1e9))
    sink = recipe.CountingSink()
    watch(detector, [Camera(str(write_clip(tmp_path / "gate", count=12)))], [sink])
    assert sink.counts["count"] >= 1
    assert "'count'" in capsys.readouterr().out


def test_a_metric_gets_a_column_of_the_ledger(module) -> None:
    imports = "import numpy as np\nfrom dmad.evaluation.metrics import scored_frames\n"
    metric = module("a metric", imports).recall_at_zero_false_alarms
    scores, labels = np.array([np.nan, 1, 2, 3, 4, 5]), np.array([1, 0, 1, 0, 1, 1])
    assert metric(scores, labels) == pytest.approx(2 / 3)
    rows = [
        Row("deployable", "Eq. 14 raw", "micro_AUROC", micro_auroc(scores, labels)),
        Row("deployable", "Eq. 14 raw", "recall_at_zero", metric(scores, labels)),
    ]
    (table,) = ledger_tables(rows)
    assert table.columns[-1] == "recall_at_zero"
    assert table.rows[0][-1] == "0.6667"


THIRD_FORM = """
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import dmad
from dmad.config import (
    TrainConfig, TrainedConfig, VideoDataConfig, VideoLossConfig, VideoModelConfig,
    VideoScoreConfig
)
from dmad.forms import FORMS
from dmad.forms.video.form import Video

@dataclass(frozen=True)
class SharpConfig(TrainedConfig):
    form: ClassVar[str] = "sharp"
    data: VideoDataConfig = field(default_factory=VideoDataConfig)
    model: VideoModelConfig = field(default_factory=VideoModelConfig)
    loss: VideoLossConfig = field(default_factory=VideoLossConfig)
    score: VideoScoreConfig = field(default_factory=VideoScoreConfig)

class Sharp(Video):
    name = "sharp"

    def losses(self, model, config, batch, x, target):
        output, losses = super().losses(model, config, batch, x, target)
        used.append("losses")
        return output, losses

used = []
FORMS["sharp"] = Sharp()
root, out = map(Path, sys.argv[1:])
config = SharpConfig(
    recipe="sharp",
    data=VideoDataConfig(root=root, size=32, channels=1, cache=out / "cache", held_out=0),
    model=VideoModelConfig(
        widths=(4, 8), memory_items=5, skip_channels=2, reductions=(4, 2), estimator_width=4
    ),
    train=TrainConfig(epochs=1, batch_size=4, precision="fp32"),
)
run = dmad.train(config, out)
detector = dmad.load(run.folder)
evaluation = dmad.evaluate(run.folder)
print(detector.form.name, type(detector.config).__name__, used[0], len(evaluation.ledger.rows) > 0)
"""


def test_a_third_form_is_trained_loaded_and_evaluated(normal_data, tmp_path) -> None:
    """In a process of its own, since the form stays known as long as the process runs."""
    program = tmp_path / "third_form.py"
    program.write_text(THIRD_FORM)
    command = [sys.executable, str(program), str(normal_data), str(tmp_path / "runs")]
    process = subprocess.run(command, check=False, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    assert process.stdout.split() == ["sharp", "SharpConfig", "losses", "True"]
