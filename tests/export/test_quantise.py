import re

import numpy as np
import pytest

from dmad.data.footage import Clip, Footage
from dmad.export.quantise import DRAWING_LAYERS, SAMPLES, sample_inputs


@pytest.mark.parametrize("layer", ["heads.0/final", "final/final.3", "mask/layers/layers.3"])
def test_drawing_layers_are_found_by_their_names_in_the_graph(exported, layer):
    import onnx

    nodes = onnx.load(exported["onnx"] / "model.onnx").graph.node
    kept = [node.name for node in nodes if re.fullmatch(DRAWING_LAYERS, node.name)]
    assert any(f"/{layer}/" in name for name in kept)


def test_sample_inputs_are_windows_of_one_clip_with_the_template_of_its_view(
    random_model, tiny, make_detector
):
    frames = np.arange(18, dtype=np.uint8)[:, None, None, None] * np.ones((32, 32, 1), np.uint8)
    footage = Footage(frames, (Clip("a", "", 0, 8, 0.0), Clip("b", "", 8, 10, 0.0)), ())
    detector = make_detector(random_model, tiny(None))
    samples = sample_inputs(detector, footage)
    firsts = [int(sample["frames"][0, 0, 0, 0, 0]) for sample in samples]
    assert firsts == [0, 1, 2, 3, 8, 9, 10, 11, 12, 13]
    for sample in samples:
        assert sample["frames"].shape == (1, 5, 32, 32, 1)
        np.testing.assert_array_equal(sample["background"], detector.backend.templates)


def test_at_most_so_many_windows_are_sampled(random_model, tiny, make_detector):
    footage = Footage(np.zeros((300, 32, 32, 1), np.uint8), (Clip("a", "", 0, 300, 0.0),), ())
    assert len(sample_inputs(make_detector(random_model, tiny(None)), footage)) == SAMPLES
