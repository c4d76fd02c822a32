"""An exported model on numpy and ONNX Runtime or OpenVINO alone: no torch is imported here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dmad.config import Config, config_of_card
from dmad.data.templates import Past, template_of
from dmad.errors import DmadError, require
from dmad.inference.result import AnomalyResult, check_frames
from dmad.inference.windowing import causal
from dmad.runs import find_model, is_exported, read_card

if TYPE_CHECKING:
    from dmad.calibration.calibration import Calibration

CARD, BACKGROUND = "model.json", "background.npy"

Run = Callable[[dict[str, np.ndarray]], list[np.ndarray]]


@dataclass(frozen=True)
class Found:
    """One judged frame or image."""

    index: np.ndarray  # (1,): its position in the clip
    frames: NDArray[np.uint8]  # (1, H, W, C): what was judged
    terms: NDArray[np.float32]  # (1, 3 or 6): score, its two terms, and the released ones
    map: NDArray[np.float32]  # (1, H, W): of Eq. 14, or Eq. 23
    reconstruction_map: NDArray[np.float32]  # (1, H, W): Eq. 12 or 20
    deformation_map: NDArray[np.float32]  # (1, H, W): Eq. 13 or 21; grid units

    def columns(self) -> list[np.ndarray]:
        """Score, its two terms and the released terms, (1,) float64 each."""
        return list(self.terms.T.astype(np.float64))


class Runtime:
    """An exported model, ready to judge; called as a `Detector` is.

    Args:
        run: Inputs by name to the graph's outputs.
        config: The settings it was trained with.
        scenes: Names of the views it has templates for.
        background: Their templates, (S, C, H, W) in [-1, 1]; None for a model without.
        calibration: Its threshold as the card holds it, where one was set.
        levels: Of images: thresholds for several false-positive rates.
    """

    def __init__(
        self,
        run: Run,
        config: Config,
        scenes: Iterable[str] = ("",),
        background: NDArray[np.float32] | None = None,
        calibration: dict[str, Any] | None = None,
        levels: Mapping[str, float] | None = None,
    ) -> None:
        self.run, self.config, self.scenes = run, config, tuple(scenes)
        self.templates, self._calibration, self.levels = background, calibration, levels or {}

    @property
    def calibration(self) -> Calibration | None:
        """Its threshold, where one was set; reading it needs scipy and scikit-learn."""
        from dmad.calibration.calibration import Calibration

        return Calibration.from_dict(self._calibration) if self._calibration else None

    def __call__(self, frames: np.ndarray, scene: str = "") -> AnomalyResult:
        """Score one clip, or a stack of images, as `Detector` does.

        Args:
            frames: (N, H, W, C) uint8 at the model's size and channels, oldest first.
            scene: Name of the view; one the model does not know gets its template from its own
                past frames.

        Raises:
            DmadError: Shape or type is not what the model takes.
        """
        data = self.config.data
        check_frames(frames, data)
        return AnomalyResult.of(self.explain(frames, scene), data.history)

    def explain(self, frames: Iterable[np.ndarray | None], scene: str = "") -> Iterator[Found]:
        """Score frames as they come, one at a time, causally, with constant memory.

        Args:
            frames: (H, W, C) uint8 each, oldest first; any number. A None stands where the next
                does not follow the last.
            scene: As in `__call__`.

        Yields:
            The judged frames in order; the first T of a clip are not judged.
        """
        unknown = self.templates is not None and template_of(scene, self.scenes) is None
        past = Past() if unknown else None
        for index, window in causal(frames, self.config.data.history, past):
            yield self._judge(window, index, self._background(scene, past))

    def _judge(
        self, window: list[np.ndarray], index: int, background: NDArray[np.float32] | None
    ) -> Found:
        outputs = self.outputs(np.stack(window), background)
        return Found(np.array([index]), window[-1][None], *outputs[:4])

    def outputs(
        self, window: NDArray[np.uint8], background: NDArray[np.float32] | None
    ) -> list[np.ndarray]:
        """All that the graph gives for (T + 1, H, W, C) and its template (C, H, W), one of each."""
        inputs: dict[str, np.ndarray] = {"frames": window[None]}
        if background is not None:
            inputs["background"] = background[None]
        return self.run(inputs)

    def _background(self, scene: str, past: Past | None) -> NDArray[np.float32] | None:
        if self.templates is None or past is not None:
            return past.median() if past else None
        known = template_of(scene, self.scenes)
        assert known is not None, "a view never trained on needs its past"
        template: NDArray[np.float32] = self.templates[known]
        return template


def load(folder: str | Path, threads: int = 0) -> Runtime:
    """An exported model by the folder that `dmad export` wrote.

    Args:
        folder: Which.
        threads: Processor cores to use; 0 is all.

    Raises:
        DmadError: Nothing exported lies there, or the package that runs it is missing.
    """
    require(
        is_exported(folder), f"{folder} holds no exported model; give a folder `dmad export` wrote"
    )
    files = find_model(folder)
    card = read_card(files)
    place = Path(folder) / BACKGROUND
    return Runtime(
        session(files.weights, card.get("export", {}).get("precision", "fp32"), threads),
        config_of_card(card),
        card["scenes"],
        np.load(place, allow_pickle=False) if place.is_file() else None,
        card.get("calibration"),
        card.get("levels"),
    )


def session(graph: Path, precision: str, threads: int = 0) -> Run:
    """A graph made ready to run: `.onnx` by ONNX Runtime, `.xml` by OpenVINO.

    Args:
        graph: File.
        precision: With bf16 and int8, OpenVINO computes in bf16 what is not in int8, where the
            processor has it; else in float32.
        threads: Processor cores to use; 0 is all.

    Raises:
        DmadError: The package is missing, or the file is damaged.
    """
    package, make = ("openvino", _openvino) if graph.suffix == ".xml" else ("onnxruntime", _onnx)
    try:
        return make(graph, precision, threads)
    except ImportError:
        problem = f"{graph} needs {package}; pip install {package}"
    except Exception as error:  # each package raises kinds of its own
        problem = f"{graph} cannot be read ({' '.join(str(error).split())[:160]}); export it again"
    raise DmadError(problem)


def _onnx(graph: Path, precision: str, threads: int) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 3
    ready = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    return lambda inputs: list(ready.run(None, inputs))


def _openvino(graph: Path, precision: str, threads: int) -> Run:
    import openvino

    core = openvino.Core()
    short = precision != "fp32" and "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    hints: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "bf16" if short else "f32"}
    hints["PERFORMANCE_HINT"] = "LATENCY"
    if threads:
        hints["INFERENCE_NUM_THREADS"] = threads
    ready = core.compile_model(str(graph), "CPU", hints)
    return lambda inputs: [np.array(out) for out in ready(inputs).values()]
