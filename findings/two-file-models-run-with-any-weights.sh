#!/usr/bin/env bash
# What most people expect: a model that is stored as a graph and a file of weights (model.xml and
# model.bin of OpenVINO, ONNX with external data) can only be loaded if the two belong together.
#
# What is true: nothing connects the two files. If the weights of another training of the same
# network lie beside the graph, OpenVINO and ONNX Runtime load them without a message, and the
# results are those of the other training. onnx.checker accepts the pair, too. Only a file of weights
# that is too short is refused; one that is too long is accepted.
#
# Where it matters: a copy that was interrupted, two exports copied over each other, or one file
# restored from a backup. The model runs, and its scores and threshold belong to different trainings.
# Store the hash of each file with the model, and check it when the model is loaded.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet onnx==1.23.2 onnxruntime==1.32.0 openvino==2026.4.1
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import os
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import openvino
from onnx import TensorProto, helper, numpy_helper

print("onnx", onnx.__version__, "onnxruntime", onnxruntime.__version__)
print("openvino", openvino.__version__)

FRAME = np.ones((1, 20), np.float32)


def write(name, value):
    """Write NAME.onnx with NAME.weights, and NAME.xml with NAME.bin. All weights are `value`."""
    weights = numpy_helper.from_array(np.full((20, 100), value, np.float32), "weights")
    ends = [
        helper.make_tensor_value_info(end, TensorProto.FLOAT, [1, size])
        for end, size in (("frame", 20), ("score", 100))
    ]
    node = helper.make_node("MatMul", ["frame", "weights"], ["score"])
    graph = helper.make_graph([node], "graph", ends[:1], ends[1:], [weights])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(made, "whole.onnx")
    converted = openvino.Core().read_model("whole.onnx")
    openvino.save_model(converted, f"{name}.xml", compress_to_fp16=False)
    options = {"location": "weights", "size_threshold": 0, "save_as_external_data": True}
    onnx.save(made, f"{name}.onnx", **options)
    os.rename("weights", f"{name}.weights")


def openvino_score(weights):
    """Score of first.xml beside some weights; the reason if it is refused."""
    Path("first.bin").write_bytes(weights)
    try:
        return float(openvino.Core().compile_model("first.xml", "CPU")(FRAME)[0][0, 0])
    except RuntimeError:
        return "refused"


def onnx_score(weights):
    """Score of first.onnx beside some weights; the reason if it is refused."""
    Path("weights").write_bytes(weights)
    try:
        onnx.checker.check_model("first.onnx", full_check=True)
        session = onnxruntime.InferenceSession("first.onnx", providers=["CPUExecutionProvider"])
        return float(session.run(None, {"frame": FRAME})[0][0, 0])
    except Exception:
        return "refused"


write("first", 1.0)
write("other", -3.0)
same_graph = Path("first.xml").read_bytes() == Path("other.xml").read_bytes()
print("both trainings have the same model.xml:", same_graph)
results = {}
for runtime, score, ending in (("OpenVINO", openvino_score, "bin"), ("ONNX", onnx_score, "weights")):
    own, other = (Path(f"{name}.{ending}").read_bytes() for name in ("first", "other"))
    stored = {"its own": own, "another training's": other, "too long": other + bytes(500)}
    stored["too short"] = own[:-400]
    results[runtime] = [score(weights) for weights in stored.values()]
    for name, result in zip(stored, results[runtime], strict=True):
        print(f"{runtime:9} with weights that are {name + ':':20}", result)
expected = [20.0, -60.0, -60.0, "refused"]
as_described = same_graph and all(found == expected for found in results.values())
print("as described" if as_described else "the behaviour has changed")
sys.exit(not as_described)
PYTHON
