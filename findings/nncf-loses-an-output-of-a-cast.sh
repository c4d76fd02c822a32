#!/usr/bin/env bash
# What most people expect: a valid ONNX model, which onnx.checker accepts and ONNX Runtime runs, can
# be quantised. A cast from float to float changes nothing, so it can do no harm.
#
# What is true: NNCF removes casts that change nothing before it quantises a model. It connects the
# nodes behind the cast with the nodes before it, but not the outputs of the model. If a cast
# computes an output, nothing computes this output afterwards, and nncf.quantize fails with a
# KeyError that contains the name of the output. An Identity behind the cast avoids this.
#
# Where it matters: torch.onnx.export writes such a cast for `x.to(dtype)`, also where x already has
# this type. If it is the last operation of an output, the model cannot be quantised.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet nncf==3.4.0 onnx==1.23.2 onnxruntime==1.32.0 openvino==2026.4.1
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import logging
import sys

import nncf
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

nncf.set_log_level(logging.ERROR)
print("nncf", nncf.__version__, "onnx", onnx.__version__, "onnxruntime", onnxruntime.__version__)

IMAGE = np.ones((1, 4, 8, 8), np.float32)


def model(last):
    """A convolution, and behind it a cast from float to float and the nodes `last`."""
    weight = numpy_helper.from_array(np.eye(4, dtype=np.float32)[:, :, None, None], "weight")
    nodes = [
        helper.make_node("Conv", ["image", "weight"], ["features"], "conv"),
        helper.make_node("Cast", ["features"], ["score" if not last else "cast"], "cast", to=1),
        *last,
    ]
    shape = [1, 4, 8, 8]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("image", "score")
    ]
    graph = helper.make_graph(nodes, "graph", ends[:1], ends[1:], [weight])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(made, full_check=True)
    session = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    assert session.run(None, {"image": IMAGE})[0].shape == IMAGE.shape
    return made


def quantised(made):
    """What nncf.quantize does with a model, as text."""
    try:
        result = nncf.quantize(made, nncf.Dataset([{"image": IMAGE}]), subset_size=1)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return f"quantised, outputs {[one.name for one in result.graph.output]}"


alone = quantised(model([]))
followed = quantised(model([helper.make_node("Identity", ["cast"], ["score"], "identity")]))
print("a cast computes the output:       ", alone)
print("an Identity follows the cast:     ", followed)
as_described = alone == "KeyError: 'score'" and followed.startswith("quantised")
print("as described" if as_described else "the behaviour has changed")
sys.exit(not as_described)
PYTHON
