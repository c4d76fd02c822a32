import numpy as np
import torch

from dmad.export.graph import FixedPositions, Graph, example_inputs, with_fixed_positions
from dmad.forms import form_of
from dmad.inference.folding import fold
from dmad.inference.torch_backend import TorchBackend
from dmad.model.ppdm import PPDM


def test_a_graph_of_video_has_the_outputs_of_the_backend_and_the_map(random_model, tiny, frames_of):
    config = tiny(None)
    form = form_of(config)
    frames = frames_of(3, 5)[None]
    graph = Graph(random_model, config, form)
    with torch.inference_mode():
        outputs = graph.outputs(torch.from_numpy(frames))
        values = graph(torch.from_numpy(frames))
    names = [
        "terms", "map", "reconstruction_map", "deformation_map",
        "reference", "reconstructions", "offsets",
    ]  # fmt: skip
    assert list(outputs) == names
    assert all(torch.equal(a, b) for a, b in zip(values, outputs.values(), strict=True))
    expected = TorchBackend(random_model, config, form, "cpu", fast=False)(frames, None)
    for name, array in expected.items():
        np.testing.assert_allclose(outputs[name].numpy(), array, rtol=1e-3, atol=1e-5)
    score = outputs["terms"][0, 0]
    assert outputs["map"].shape == (1, 32, 32)
    assert score / 2 < outputs["map"].max() <= score + 1e-5


def test_a_graph_of_images_has_their_drawings(tiny_images):
    config = tiny_images()
    graph = Graph(PPDM(config.model).eval(), config, form_of(config))
    with torch.inference_mode():
        outputs = graph.outputs(**example_inputs(config, has_background=False))
    assert list(outputs)[4:] == ["deformed", "forward", "backward"]
    assert outputs["terms"].shape == (1, 3)


def test_fixed_positions_change_nothing(random_model):
    folded, fixed = fold(random_model), with_fixed_positions(fold(random_model))
    assert any(isinstance(module, FixedPositions) for module in fixed.modules())
    x, target = torch.rand(1, 4, 32, 32), torch.rand(1, 1, 32, 32)
    with torch.inference_mode():
        plain, other = folded(x, target), fixed(x, target)
    torch.testing.assert_close(other.reference, plain.reference, atol=1e-5, rtol=1e-4)


def test_example_inputs_have_the_names_and_shapes_of_the_graph(tiny):
    inputs = example_inputs(tiny(None), has_background=True)
    assert {name: tuple(value.shape) for name, value in inputs.items()} == {
        "frames": (1, 5, 32, 32, 1),
        "background": (1, 1, 32, 32),
    }
    assert list(example_inputs(tiny(None), has_background=False)) == ["frames"]
