"""The trained model as a tool: frames or images in, scores and the maps behind them out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dmad.calibration.calibration import Calibration
from dmad.config import Config, DataConfig
from dmad.data.templates import PastFrames, template_index
from dmad.data.zones import Zone
from dmad.errors import require
from dmad.inference.backend import Backend
from dmad.inference.result import AnomalyResult, JudgedFrames
from dmad.inference.windowing import Window, WindowMaker

if TYPE_CHECKING:
    from dmad.form import Form
    from dmad.inference.streaming import JudgedFrame


class Detector:
    """A trained model, ready to judge.

    Args:
        backend: Computes the scores.
        config: The settings of the model.
        form: The form that the settings belong to.
        scenes: Names of the views that it has templates for, in their order.
        calibration: Its threshold, if one was set.
        levels: For images: thresholds for several false-positive rates, by their budgets.
    """

    def __init__(
        self,
        backend: Backend,
        config: Config,
        form: Form[Any, Any],
        scenes: Sequence[str] = ("",),
        calibration: Calibration | None = None,
        levels: Mapping[str, float] | None = None,
    ) -> None:
        self.backend, self.form = backend, form
        self.config: Any = config  # of the class that belongs to the form
        self.scenes = tuple(scenes)
        self.calibration, self.levels = calibration, levels or {}

    def with_calibration(self, calibration: Calibration | None) -> Detector:
        """Return a detector with another threshold that shares the network."""
        other = copy(self)
        other.calibration = calibration
        return other

    @property
    def fps(self) -> float:
        """Frames a second of the footage that its threshold was set on, else of its training.

        0 if that is unknown. A model of video only.
        """
        return float(self.calibration.fps if self.calibration else self.config.data.fps)

    def __call__(self, frames: np.ndarray, scene: str = "") -> AnomalyResult:
        """Score one clip, or a stack of images if the model was trained on images.

        If the threshold is for a zone, only the zone is scored.

        Args:
            frames: (N, H, W, C) uint8 at the model's size and channels, oldest first.
            scene: Name of the view. A view that was not trained on gets its template from its own
                past frames.

        Raises:
            DmadError: The frames do not have the shape or type that the model takes.
        """
        check_frames(frames, self.config.data)
        batches = self.judge(frames, scene)
        calibration = self.calibration
        if calibration:
            batches = (self.inside(calibration.zone, judged) for judged in batches)
        result = AnomalyResult.from_batches(batches, self.config.data.history)
        return result.with_threshold(calibration, self.form.judges) if calibration else result

    def judge(
        self, frames: Iterable[np.ndarray | None], scene: str = "", batch: int = 8
    ) -> Iterator[JudgedFrames]:
        """Judge whole frames as they come, from past frames alone, with constant memory.

        Args:
            frames: (H, W, C) uint8 each, oldest first; any number. None marks a gap: the next frame
                does not follow the last.
            scene: As in `__call__`.
            batch: Frames judged together; 1 for the shortest delay.

        Yields:
            The judged frames in order. The first T of a clip, and after a gap, are not judged.
        """
        windows = self.window_maker(scene).windows(frames)
        while chunk := list(islice(windows, batch)):
            yield self.judge_windows(chunk)

    def judge_windows(self, windows: Sequence[Window]) -> JudgedFrames:
        """Judge windows in one batch; they may be of several views."""
        frames = [frame for window in windows for frame in window.frames]
        stacked = np.stack(frames).reshape(len(windows), -1, *frames[0].shape)
        outputs = self.backend(stacked, _backgrounds(windows))
        index = np.array([window.index for window in windows])
        return JudgedFrames.from_outputs(index, stacked[:, -1], outputs)

    def inside(self, zone: Zone, judged: JudgedFrames) -> JudgedFrames:
        """Return judged frames with the maps and scores of a part of the view alone.

        The terms of the released code stay those of the whole view.
        """
        mask = zone.mask(self.config.data.size)
        if mask is None:
            return judged
        reconstruction_map = judged.reconstruction_map * mask
        deformation_map = judged.deformation_map * mask
        terms = self.form.rescore(reconstruction_map, deformation_map, self.config)
        score, reconstruction, deformation = (term.astype(np.float64) for term in terms)
        return replace(
            judged,
            score=score,
            reconstruction=reconstruction,
            deformation=deformation,
            reconstruction_map=reconstruction_map,
            deformation_map=deformation_map,
        )

    def stream(self, source: str | Path, scene: str = "") -> Iterator[JudgedFrame]:
        """Judge a video, folder of frames, camera or stream as its frames come.

        Args:
            source: As `dmad.data.reading.sources.open_source` takes it.
            scene: As in `__call__`.

        Yields:
            Each judged frame. The first T, and those after a gap, are not judged.
        """
        from dmad.inference.streaming import follow

        return follow(self, str(source), scene)

    def window_maker(self, scene: str) -> WindowMaker:
        """Return a maker of the windows of one view, with no frame yet."""
        past = PastFrames() if self.needs_template(scene) else None
        return WindowMaker(self.config.data.history, self.template(scene), past)

    def needs_template(self, scene: str) -> bool:
        """True if the template of a view must come from its own past: it was not trained on."""
        return self.backend.templates is not None and template_index(scene, self.scenes) is None

    def template(self, scene: str) -> NDArray[np.float32] | None:
        """Return the background template x_bg of a view, (C, H, W) in [-1, 1].

        None if the model has no templates, or the view was not trained on.
        """
        index = template_index(scene, self.scenes)
        templates = self.backend.templates
        return None if templates is None or index is None else templates[index]


def check_frames(frames: np.ndarray, data: DataConfig) -> None:
    """Check that frames are (N, H, W, C) uint8 as a model with these settings takes them.

    Raises:
        DmadError: They are not, or there are fewer than T + 1.
    """
    shape = (data.size, data.size, data.channels)
    advice = f"give uint8 (N, {data.size}, {data.size}, {data.channels}), as "
    advice += "dmad.data.reading.decode.decode"
    require(
        isinstance(frames, np.ndarray),
        f"frames are a {type(frames).__name__}; {advice} reads them from a file, or use stream",
    )
    require(
        frames.ndim == 4 and frames.shape[1:] == shape and frames.dtype == np.uint8,
        f"frames are {frames.dtype} {frames.shape}; {advice} reads them",
    )
    least = data.history + 1
    require(len(frames) >= least, f"{len(frames)} frames are given, and {least} are needed")


def _backgrounds(windows: Sequence[Window]) -> NDArray[np.float32] | None:
    """The templates of windows, (B, C, H, W), or (1, C, H, W) if all have the same."""
    backgrounds = [window.background for window in windows]
    first = backgrounds[0]
    if first is None:
        return None
    if all(background is first for background in backgrounds):
        return first[None]
    return np.stack([background for background in backgrounds if background is not None])
