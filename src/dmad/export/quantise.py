"""int8 for `dmad export`: what NNCF computes in 8 bit, and the real inputs that set its ranges."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from dmad.data.footage import Footage, thin
from dmad.data.templates import template_of
from dmad.inference.detector import Detector

SAMPLES = 128  # windows that set the ranges of int8

CONVOLUTIONS = {"Convolution", "ConvolutionBackpropData", "Conv", "ConvTranspose"}

KEPT = CONVOLUTIONS | {"Relu", "MaxPool", "Concat", "Constant", "Parameter", "Result"}

# Layers that draw fields, image and mask
FINE = r".*/(heads\.\d+/final|final/final\.3|mask/layers/layers\.3)/.*"


def quantised(graph: object, inputs: Sequence[dict[str, np.ndarray]]) -> object:
    """A graph with its convolutions in int8: all but those that draw fields, mask and image."""
    import logging

    import nncf

    logging.getLogger("nncf").setLevel(logging.ERROR)
    nodes = graph.graph.node if hasattr(graph, "graph") else ()
    types = {node.op_type for node in nodes} or {op.get_type_name() for op in graph.get_ops()}  # type: ignore[attr-defined]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return nncf.quantize(
            graph,
            nncf.Dataset(list(inputs)),
            subset_size=len(inputs),
            preset=nncf.QuantizationPreset.MIXED,
            ignored_scope=nncf.IgnoredScope(
                types=sorted(types - KEPT), patterns=[FINE], validate=False
            ),
        )


def inputs_of(detector: Detector, footage: Footage) -> list[dict[str, np.ndarray]]:
    """Inputs of the graph for windows spread over footage, at most `SAMPLES`."""
    history, templates = detector.config.data.history, detector.model.background
    found = []
    starts = [(c, s) for c in footage.clips for s in range(c.start, c.start + c.length - history)]
    for pick in thin(np.arange(len(starts)), SAMPLES):
        clip, start = starts[pick]
        inputs = {"frames": np.array(footage.frames[start : start + history + 1])[None]}
        if templates is not None:
            view = template_of(clip.scene, detector.scenes) or 0
            inputs["background"] = templates[view : view + 1].detach().numpy()
        found.append(inputs)
    return found
