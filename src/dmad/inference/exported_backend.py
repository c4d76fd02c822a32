"""An exported graph as a backend, run by ONNX Runtime or OpenVINO on the CPU, without torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmad.errors import DmadError, require
from dmad.inference.backend import SCORES_AND_MAPS
from dmad.inference.runtimes import import_runtime

Graph = Callable[[Mapping[str, np.ndarray]], dict[str, np.ndarray]]  # inputs to outputs, by name


class ExportedBackend:
    """Scores windows with an exported graph, one window at a time.

    Args:
        graph: The graph, as `load_graph` returns it.
        templates: Background templates (S, C, H, W) in [-1, 1]. None if the model has none.
    """

    def __init__(self, graph: Graph, templates: NDArray[np.float32] | None) -> None:
        self.graph, self.templates = graph, templates

    def __call__(
        self, windows: NDArray[np.uint8], backgrounds: NDArray[np.float32] | None
    ) -> Mapping[str, np.ndarray]:
        """Score a batch; see `Backend.__call__`.

        The result has one more entry: `map` (B, H, W), the score of every pixel.
        """
        if backgrounds is None and self.templates is not None:
            backgrounds = self.templates[:1]
        rows = []
        for index in range(len(windows)):
            inputs: dict[str, np.ndarray] = {"frames": windows[index : index + 1]}
            if backgrounds is not None:
                own = index if len(backgrounds) > 1 else 0
                inputs["background"] = backgrounds[own : own + 1]
            rows.append(self.graph(inputs))
        if len(rows) == 1:
            return rows[0]
        return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}


def load_graph(path: Path, precision: str, threads: int = 0) -> Graph:
    """Load a graph: `.onnx` with ONNX Runtime, `.xml` with OpenVINO.

    Args:
        path: The file.
        precision: Used only by OpenVINO. "fp32": it computes in float32. "bf16" or "int8": it
            computes in bf16 if the processor supports bf16, else in float32. Layers that are stored
            in int8 stay in int8.
        threads: Number of processor cores to use. 0: all.

    Raises:
        DmadError: The package is missing, the file is damaged, or an old version of dmad wrote it
            without the outputs for pictures.
    """
    openvino = path.suffix == ".xml"
    package = "openvino" if openvino else "onnxruntime"
    load = load_openvino if openvino else _load_onnx
    try:
        graph, names = load(path, precision, threads)
    except ImportError as error:
        raise DmadError(f"{path} needs {package}; pip install {package}") from error
    except Exception as error:  # each package raises other errors
        reason = " ".join(str(error).split())[:160]
        raise DmadError(f"{path} cannot be read ({reason}); export it again") from error
    has_drawings = len(names) > len(SCORES_AND_MAPS)
    require(has_drawings, f"{path} has no outputs for pictures; export it again")
    return graph


def _load_onnx(path: Path, precision: str, threads: int) -> tuple[Graph, list[str]]:
    onnxruntime = import_runtime("onnxruntime")

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def run(inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return dict(zip(names, session.run(names, inputs), strict=True))

    return run, names


def load_openvino(path: Path, precision: str, threads: int) -> tuple[Graph, list[str]]:
    """Return a graph of OpenVINO and the names of its outputs.

    The arguments are those of `load_graph`.
    """
    openvino = import_runtime("openvino")

    core = openvino.Core()
    has_bf16 = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    hints: dict[str, Any] = {
        "INFERENCE_PRECISION_HINT": "bf16" if precision != "fp32" and has_bf16 else "f32",
        "PERFORMANCE_HINT": "LATENCY",
    }
    if threads:
        hints["INFERENCE_NUM_THREADS"] = threads
    compiled = core.compile_model(str(path), "CPU", hints)
    # an output can have a second name, of a layer, such as /model/GridSample_1_output_0
    names = [min(output.names, key=_slashes) for output in compiled.outputs]

    def run(inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        outputs = compiled(dict(inputs)).values()
        return {name: np.array(value) for name, value in zip(names, outputs, strict=True)}

    return run, names


def _slashes(name: str) -> int:
    return name.count("/")
