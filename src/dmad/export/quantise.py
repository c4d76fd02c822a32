"""Quantise an export to int8 with the library NNCF. Value ranges come from real inputs.

Values outside a range are clipped. With normal inputs alone, abnormal values would be clipped. So
some inputs contain synthetic anomalies. For the same reason, a range covers the values of all
inputs. By default, a range of NNCF would end at the mean of the largest values of the inputs.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np

from dmad.console import only_errors_of
from dmad.data.footage import Footage, thin
from dmad.data.synthetic.anomalies import Sequences
from dmad.data.windows import window_starts
from dmad.inference.detector import Detector
from dmad.inference.runtimes import import_runtime

SAMPLES = 128  # normal windows from which the value ranges are taken

CONVOLUTIONS = {"Convolution", "ConvolutionBackpropData", "Conv", "ConvTranspose"}

# Types of operation that NNCF may change to int8.
IN_INT8 = CONVOLUTIONS | {"Relu", "MaxPool", "Concat", "Constant", "Parameter", "Result"}

# Names of layers whose output is a field, an image, the mask or features that are compared.
LAST_LAYERS = (
    r".*/(heads\.\d+/final|final/final\.3|mask/layers/layers\.[36]|student/outputs\.\d+)/.*"
)
OUTSIDE_THE_NETWORK = r"(?!/model/).*"  # names of layers for scores and maps, such as the blur


def quantise(graph: object, inputs: Sequence[dict[str, np.ndarray]]) -> object:
    """Return a graph in which the convolutions of the network are in int8, except `LAST_LAYERS`.

    Args:
        graph: A model of ONNX or OpenVINO.
        inputs: Real inputs from which the value ranges are taken.
    """
    nncf = import_runtime("nncf")
    ranges = import_module("nncf.quantization.range_estimator")
    if hasattr(graph, "graph"):
        _keep_outputs(graph)
    scope = nncf.IgnoredScope(
        types=sorted(_operations(graph) - IN_INT8),
        patterns=[LAST_LAYERS, OUTSIDE_THE_NETWORK],
        validate=False,
    )
    widest = nncf.AdvancedQuantizationParameters(
        activations_range_estimator_params=ranges.RangeEstimatorParametersSet.MINMAX
    )
    with only_errors_of("nncf"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return nncf.quantize(
            graph,
            nncf.Dataset(list(inputs)),
            subset_size=len(inputs),
            preset=nncf.QuantizationPreset.MIXED,
            ignored_scope=scope,
            advanced_parameters=widest,
        )


def _keep_outputs(graph: Any) -> None:
    """Add an `Identity` after each cast that computes an output of an ONNX graph.

    NNCF removes casts that change nothing. Without the `Identity`, it would also remove the output.
    """
    import onnx

    outputs = {output.name for output in graph.graph.output}
    for node in list(graph.graph.node):
        if node.op_type == "Cast" and node.output[0] in outputs:
            name, node.output[0] = node.output[0], f"{node.output[0]}_cast"
            graph.graph.node.append(onnx.helper.make_node("Identity", node.output[:], [name]))


def _operations(graph: object) -> set[str]:
    """Return the types of the operations in a graph."""
    if hasattr(graph, "graph"):  # a graph of ONNX
        return {node.op_type for node in graph.graph.node}
    return {operation.get_type_name() for operation in graph.get_ops()}  # type: ignore[attr-defined]


def normal_windows(footage: Footage, history: int, count: int = SAMPLES) -> Sequences:
    """Return at most `count` windows of `history` + 1 frames, spread over normal clips."""
    windows = [
        (start, clip.scene)
        for clip in footage.clips
        for start in window_starts([clip], history).tolist()
    ]
    chosen = [windows[pick] for pick in thin(np.arange(len(windows)), count)]
    frames = [footage.frames[start : start + history + 1] for start, _ in chosen]
    return Sequences(np.array(frames), tuple(scene for _, scene in chosen))


def graph_inputs(detector: Detector, windows: Sequences) -> list[dict[str, np.ndarray]]:
    """Return the inputs of the graph for windows of frames."""
    templates = detector.backend.templates
    samples = []
    for frames, scene in zip(windows.frames, windows.scenes, strict=True):
        inputs: dict[str, np.ndarray] = {"frames": frames[None]}
        if templates is not None:
            template = detector.template(scene)
            inputs["background"] = (templates[0] if template is None else template)[None]
        samples.append(inputs)
    return samples
