import re

import numpy as np
import pytest
import torch

from dmad import recipes
from dmad.data.footage import Clip, Footage
from dmad.data.synthetic.anomalies import Sequences
from dmad.export.export import write_graph
from dmad.export.quantise import LAST_LAYERS, SAMPLES, graph_inputs, normal_windows, quantise
from dmad.forms import form_of
from dmad.inference.detector import Detector
from dmad.inference.torch_backend import TorchBackend
from dmad.model.ppdm import PPDM


@pytest.mark.parametrize("layer", ["heads.0/final", "final/final.3", "mask/layers/layers.3"])
def test_last_layers_are_found_by_their_names_in_the_graph(exported, layer):
    import onnx

    nodes = onnx.load(exported["onnx"] / "model.onnx").graph.node
    kept = [node.name for node in nodes if re.fullmatch(LAST_LAYERS, node.name)]
    assert any(f"/{layer}/" in name for name in kept)


@pytest.fixture
def images_in_onnx(tmp_path, shaken):
    """The ONNX graph and the detector of a model of images with `student_widths`."""
    onnx = pytest.importorskip("onnx", reason="needs pip install '.[export]'")
    torch.manual_seed(0)
    small = {"memory_items": 5, "reductions": (16, 8), "estimator_width": 4}
    config = recipes.recipe("images", size=64, student_widths=(16, 16, 16), **small)
    form = form_of(config)
    backend = TorchBackend(shaken(PPDM(config.model)), config, form, "cpu", fast=False)
    write_graph(backend, "onnx", "fp32", tmp_path, [])
    return onnx.load(tmp_path / "model.onnx"), Detector(backend, config, form)


def test_of_images_only_convolutions_of_the_network_are_in_int8(images_in_onnx):
    """The blur of the score map and the features that are compared stay in float."""
    pytest.importorskip("nncf", reason="needs pip install '.[export]'")
    graph, detector = images_in_onnx
    outputs = [output.name for output in graph.graph.output]
    windows = Sequences(np.zeros((2, 1, 64, 64, 3), np.uint8), ("", ""))
    quantised = quantise(graph, graph_inputs(detector, windows))
    assert [output.name for output in quantised.graph.output] == outputs
    computed_by = {name: node.op_type for node in quantised.graph.node for name in node.output}
    assert set(outputs) <= set(computed_by)
    kept, in_int8 = [], []
    for node in quantised.graph.node:
        if node.op_type == "Conv":
            source = computed_by.get(node.input[0])
            (in_int8 if source == "DequantizeLinear" else kept).append(node.name)
    assert any(name.startswith("/model/teacher/") for name in in_int8)
    assert any(name.startswith("/model/student/stages") for name in in_int8)
    assert not [name for name in in_int8 if not name.startswith("/model/")]
    assert not [name for name in in_int8 if "student/outputs" in name]
    assert [name for name in kept if not name.startswith("/model/")]  # the blur of Eq. 22


def test_windows_are_inside_one_clip_and_their_input_has_the_template_of_their_view(
    random_model, tiny, make_detector
):
    frames = np.arange(18, dtype=np.uint8)[:, None, None, None] * np.ones((32, 32, 1), np.uint8)
    footage = Footage(frames, (Clip("a", "", 0, 8, 0.0), Clip("b", "", 8, 10, 0.0)), ())
    detector = make_detector(random_model, tiny(None))
    samples = graph_inputs(detector, normal_windows(footage, history=4))
    firsts = [int(sample["frames"][0, 0, 0, 0, 0]) for sample in samples]
    assert firsts == [0, 1, 2, 3, 8, 9, 10, 11, 12, 13]
    for sample in samples:
        assert sample["frames"].shape == (1, 5, 32, 32, 1)
        np.testing.assert_array_equal(sample["background"], detector.backend.templates)


def test_at_most_so_many_windows_are_used():
    footage = Footage(np.zeros((300, 32, 32, 1), np.uint8), (Clip("a", "", 0, 300, 0.0),), ())
    assert len(normal_windows(footage, history=4).frames) == SAMPLES
