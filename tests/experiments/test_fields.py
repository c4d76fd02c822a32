"""The displacement of moving things, and how well reference and prediction match them."""

import json

import numpy as np
import pytest
import torch

from dmad.config import VideoModelConfig
from dmad.data.footage import LabelledFootage, footage_from_arrays
from dmad.errors import DmadError
from dmad.experiments.fields import MovingPixels, fields, measured
from dmad.forms import form_of
from dmad.forms.video.form import Video
from dmad.training.train import train


def test_shares_are_of_the_difference_from_the_background():
    pixels = MovingPixels(
        displacement=np.array([0.0, 1.0]),
        motion=np.array([100.0, 100.0]),
        unexplained=np.array([10.0, 40.0]),
        error=np.array([0.0, 20.0]),
    )
    assert pixels.cells() == ("0.50 px", "0.90 px", "75%", "90%")
    twice = MovingPixels.join([pixels, pixels])
    assert twice.cells() == ("0.50 px", "1.00 px", "75%", "90%")


def test_nothing_that_moves_has_no_measurements():
    none = np.empty(0)
    assert MovingPixels(none, none, none, none).cells() == ("–",) * 4


@torch.no_grad()
def test_only_pixels_that_differ_from_the_background_are_measured(make_detector, tiny):
    config = tiny(None)
    model = form_of(config).network(config)
    torch.nn.init.uniform_(model.background, -0.9, 0.9)
    detector = make_detector(model, config)
    background = detector.template("")
    frame = np.round(127.5 * (np.clip(background, -1, 1) + 1)).transpose(1, 2, 0).astype(np.uint8)
    moving = frame.copy()
    moving[4:8, 4:10] = np.where(frame[4:8, 4:10] > 127, 20, 230)
    clip = np.stack([frame] * 4 + [moving] + [frame] * 3)
    split = LabelledFootage(footage_from_arrays([clip]), None, "")
    found = dict(measured(detector, split, detector.template, 100))
    assert sorted(found) == [4, 5, 6, 7]
    assert len(found[4].motion) == 24
    assert found[4].motion.min() > 20
    assert not len(found[5].motion)


def test_a_run_gives_a_table_of_held_out_and_test_frames(train_held_out, tmp_path):
    table = fields(train_held_out(20), tmp_path, count=6)
    assert table.rows[0][0] == "held-out normal frames"
    stored = json.loads((tmp_path / "fields.json").read_text())
    assert [line[0] for line in stored["lines"]] == [row[0] for row in table.rows]


def test_a_model_without_templates_is_measured_too(train_held_out, tmp_path):
    plain = VideoModelConfig(widths=(4, 8), memory_items=5, background=False)
    table = fields(train_held_out(20, model=plain), tmp_path / "fields", count=4)
    assert table.rows[0][1].endswith("px")


def test_a_model_without_fields_is_refused(tiny, write_clip, tmp_path):
    write_clip(tmp_path / "data" / "train" / "0")
    still = VideoModelConfig(widths=(4, 8), memory_items=5, reductions=(), displacements=())
    run = train(tiny(tmp_path / "data", model=still), Video(), tmp_path / "runs").folder
    with pytest.raises(DmadError, match="needs past frames and deformation heads"):
        fields(run, tmp_path)
