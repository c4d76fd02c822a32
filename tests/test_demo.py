"""The pictures of `dmad demo`. Its trainings are those of the recipes."""

import numpy as np
import pytest
from PIL import Image

from dmad import categories, evaluate
from dmad.data.footage import LabelledFootage, footage_from_arrays
from dmad.data.synthetic.textures import write_textures
from dmad.demo import draw_clips, texture_settings
from dmad.forms import form_of
from dmad.inference.detector import Detector
from dmad.inference.torch_backend import TorchBackend


@pytest.fixture
def detector(random_model, tiny) -> Detector:
    config = tiny(None)
    form = form_of(config)
    return Detector(TorchBackend(random_model, config, form, "cpu"), config, form)


@pytest.fixture
def test_split(frames_of) -> LabelledFootage:
    """Two clips of nine frames; the last three of each are abnormal."""
    clips = [frames_of(seed, 9) for seed in range(2)]
    labels = np.tile([0] * 6 + [1] * 3, 2).astype(np.uint8)
    return LabelledFootage(footage_from_arrays(clips, 10.0), labels, "mine")


@pytest.fixture
def scores(detector, test_split) -> dict[str, np.ndarray]:
    footage = test_split.footage
    results = [detector(footage.frames[clip.span]) for clip in footage.clips]
    errors = np.concatenate([result.reconstruction for result in results])
    return {"score": errors, "eq12": errors, "eq13": errors}


def test_every_clip_gets_a_timeline_and_a_film(detector, test_split, scores, tmp_path) -> None:
    draw_clips(detector, test_split, scores, tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {
        "panel.png",
        "timeline-000.png", "annotated-000.mp4",
        "timeline-001.png", "annotated-001.mp4",
    }  # fmt: skip


def test_the_heat_is_relative_to_the_usual_error_of_all_clips(
    detector, test_split, scores, tmp_path
) -> None:
    colour = []
    for factor in (1, 100):
        out = tmp_path / str(factor)
        out.mkdir()
        draw_clips(detector, test_split, {**scores, "eq12": factor * scores["eq12"]}, out)
        with Image.open(out / "panel.png") as panel:
            pixels = np.asarray(panel.convert("RGB")).astype(float)
        colour.append(np.ptp(pixels, axis=2).mean())
    assert colour[1] < colour[0]  # errors are far below the usual one, so nothing is hot


def test_most_defects_of_the_hardest_texture_are_found(tmp_path) -> None:
    root = write_textures(tmp_path / "data")
    folder = categories.train_categories(texture_settings(root), ["grass"], tmp_path)
    ledger = evaluate(folder / "grass").ledger
    found = {(row.signal, row.metric): row.value for row in ledger.rows}
    assert found["at 5 %", "recall"] > 0.5
    assert found["at 5 %", "false_positive_rate"] < 0.25
    assert max(value for (_, metric), value in found.items() if metric == "image_AUROC") > 0.9
