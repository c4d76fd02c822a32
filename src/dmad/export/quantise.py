"""Quantise an export to int8 with the library NNCF. Value ranges come from real inputs."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from dmad.console import only_errors_of
from dmad.data.footage import Footage, thin
from dmad.data.windows import window_starts
from dmad.inference.detector import Detector

SAMPLES = 128  # windows from which the value ranges are taken

CONVOLUTIONS = {"Convolution", "ConvolutionBackpropData", "Conv", "ConvTranspose"}

IN_INT8 = CONVOLUTIONS | {"Relu", "MaxPool", "Concat", "Constant", "Parameter", "Result"}

# Layers whose output is a deformation field, an image or the mask. They stay in float.
DRAWING_LAYERS = r".*/(heads\.\d+/final|final/final\.3|mask/layers/layers\.3)/.*"


def quantise(graph: object, inputs: Sequence[dict[str, np.ndarray]]) -> object:
    """Return a graph whose convolutions are in int8, except the `DRAWING_LAYERS`.

    Args:
        graph: A model of ONNX or OpenVINO.
        inputs: Real inputs from which the value ranges are taken.
    """
    import nncf

    scope = nncf.IgnoredScope(
        types=sorted(_operations(graph) - IN_INT8), patterns=[DRAWING_LAYERS], validate=False
    )
    with only_errors_of("nncf"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return nncf.quantize(
            graph,
            nncf.Dataset(list(inputs)),
            subset_size=len(inputs),
            preset=nncf.QuantizationPreset.MIXED,
            ignored_scope=scope,
        )


def _operations(graph: object) -> set[str]:
    """The types of operation in a graph."""
    if hasattr(graph, "graph"):  # a graph of ONNX
        return {node.op_type for node in graph.graph.node}
    return {operation.get_type_name() for operation in graph.get_ops()}  # type: ignore[attr-defined]


def sample_inputs(detector: Detector, footage: Footage) -> list[dict[str, np.ndarray]]:
    """Return inputs of the graph for windows spread over footage, at most `SAMPLES`."""
    history, templates = detector.config.data.history, detector.backend.templates
    windows = [
        (clip, start) for clip in footage.clips for start in window_starts([clip], history).tolist()
    ]
    samples = []
    for pick in thin(np.arange(len(windows)), SAMPLES):
        clip, start = windows[pick]
        inputs: dict[str, np.ndarray] = {
            "frames": np.array(footage.frames[start : start + history + 1])[None]
        }
        if templates is not None:
            template = detector.template(clip.scene)
            inputs["background"] = (templates[0] if template is None else template)[None]
        samples.append(inputs)
    return samples
