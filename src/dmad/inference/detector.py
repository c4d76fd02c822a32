"""The detector: a trained model that computes scores and maps of frames or images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dmad.calibration.calibration import Calibration
from dmad.calibration.normal_places import NOWHERE, NormalPlaces
from dmad.config import Config, DataConfig
from dmad.data.templates import PastFrames, template_index
from dmad.data.zones import Zone
from dmad.errors import require
from dmad.form import Explanation, Form, ToExplain
from dmad.inference.backend import Backend
from dmad.inference.inputs import Given, aspect_of, frames_of_clip, frames_of_pictures, listed
from dmad.inference.result import AnomalyResult, JudgedFrames
from dmad.inference.windowing import Window, WindowMaker

if TYPE_CHECKING:
    from dmad.inference.streaming import JudgedFrame


class Detector:
    """A trained model that computes scores of frames or images.

    Args:
        backend: Computes the scores.
        config: The settings of the model.
        form: The form of the model.
        scenes: Names of the views (fixed cameras) in the training, in the order of the background
            templates.
        calibration: The threshold, and how the score that is compared with it is computed. None if
            no threshold was set.
        levels: For images: thresholds by the false-positive rates that they allow, such as
            "0.01/image".
        images: What the training images have in common, as `ImageTraits` stores it.
    """

    def __init__(
        self,
        backend: Backend,
        config: Config,
        form: Form[Any, Any],
        scenes: Sequence[str] = ("",),
        calibration: Calibration | None = None,
        levels: Mapping[str, float] | None = None,
        images: Mapping[str, Any] | None = None,
    ) -> None:
        self.backend, self.form = backend, form
        self.config: Any = config  # of the class that belongs to the form
        self.scenes = tuple(scenes)
        self.name = ""  # what a user calls the model, if it was loaded from a file
        self.calibration, self.levels, self.images = calibration, levels or {}, images

    def with_calibration(self, calibration: Calibration | None) -> Detector:
        """Return a detector with the same network and another threshold."""
        other = copy(self)
        other.calibration = calibration
        return other

    @property
    def fps(self) -> float:
        """Frames per second of the footage that the threshold was set on, or else of the training.

        0 if the rate is unknown. Only for video.
        """
        return float(self.calibration.fps if self.calibration else self.config.data.fps)

    def __call__(self, frames: Given, scene: str = "") -> AnomalyResult:
        """Score one clip, or one or several images if the model was trained on images.

        If the threshold is for a zone (a part of the view), only this zone is scored.

        Args:
            frames: (N, H, W, C) uint8 with the model's size and channels, oldest first. A model of
                video also takes a video file or a folder of frames. A model of images also takes
                an image or a list of images: files, Pillow images, or arrays (H, W) or (H, W, C) of
                any size. If the model cuts images into tiles, the score of an image is computed
                from the highest terms of its tiles.
            scene: Name of the view. For a view that was not in the training, the background
                template is the median of the past frames of this view.

        Raises:
            DmadError: The frames do not have the shape or type that the model takes.
        """
        data = self.config.data
        is_stack = isinstance(frames, np.ndarray) and frames.ndim == 4
        are_pictures = self.form.judges == "images" and not is_stack
        read = frames_of_pictures if are_pictures else frames_of_clip
        stack = read(frames, data)
        check_frames(stack, data)
        batches = self.judge(stack, scene)
        calibration = self.calibration
        if calibration:
            zone, places = calibration.zone, calibration.places
            batches = (self.inside(zone, judged, places) for judged in batches)
        result = AnomalyResult.from_batches(batches, data.history)
        if are_pictures:
            result = result.highest_of(data.tiles**2, self.config.score.alpha)
        if calibration:
            result = result.with_threshold(calibration, self.form.judges)
        usual = float(np.nanmedian(result.reconstruction))
        return replace(result, explain=partial(self.explain, frames, scene=scene, usual=usual))

    def explain(
        self, given: Given, row: int, scene: str = "", usual: float | None = None
    ) -> Explanation:
        """Score one frame or image again, and return its map and pictures.

        A file is read again.

        Args:
            given: The frames, files or images that the detector was called with.
            row: Index of the frame or image.
            scene: Name of the view.
            usual: First term of the score of a usual frame or image. If there is no threshold, it
                sets the scale of the colours.

        Raises:
            DmadError: The frame has no score, or a file cannot be read.
        """
        data = self.config.data
        is_stack = isinstance(given, np.ndarray) and given.ndim == 4
        if self.form.judges == "images" and not is_stack:
            picture = listed(given)[row]
            frames = frames_of_pictures(picture, data)
            return self.form.explain(self, ToExplain(frames, scene, aspect_of(picture), usual))
        stack = frames_of_clip(given, data)
        require(
            data.history <= row < len(stack),
            f"frame {row} of {len(stack)} has no score; give {data.history} to {len(stack) - 1}",
        )
        first = 0 if self.needs_template(scene) else row - data.history
        frames = stack[first : row + 1]
        return self.form.explain(self, ToExplain(frames, scene, aspect_of(given), usual))

    def judge(
        self, frames: Iterable[np.ndarray | None], scene: str = "", batch: int = 8
    ) -> Iterator[JudgedFrames]:
        """Score frames in batches, with constant memory. A score never depends on later frames.

        The whole view is scored, even if the threshold is for a zone.

        Args:
            frames: (H, W, C) uint8 each, oldest first; any number. None stands for missing frames
                (a gap).
            scene: Name of the view.
            batch: Number of frames that are scored together. 1 has the shortest delay.

        Yields:
            The scored frames in order. The first `history` frames get no score. The first `history`
            frames after a gap get none either.
        """
        windows = self.window_maker(scene).windows(frames)
        while chunk := list(islice(windows, batch)):
            yield self.judge_windows(chunk)

    def judge_windows(self, windows: Sequence[Window]) -> JudgedFrames:
        """Score windows in one batch. They can belong to different views."""
        frames = [frame for window in windows for frame in window.frames]
        stacked = np.stack(frames).reshape(len(windows), -1, *frames[0].shape)
        outputs = self.backend(stacked, _backgrounds(windows))
        index = np.array([window.index for window in windows])
        return JudgedFrames.from_outputs(index, stacked[:, -1], outputs)

    def inside(
        self, zone: Zone, judged: JudgedFrames, places: NormalPlaces = NOWHERE
    ) -> JudgedFrames:
        """Return scored frames whose maps and scores cover only a part of the view.

        The frame scores of the authors' released code (`released`) still cover the whole view.

        Args:
            zone: The part of the view.
            judged: Scored frames or tiles.
            places: Weights of the places of the view. Maps are multiplied by them before the scores
                are computed.
        """
        if not (zone or places):
            return judged
        data = self.config.data
        mask = zone.tile_masks(data.size, data.tiles)[judged.index % data.tiles**2]
        if places:  # only video, which has no tiles
            mask = mask * places.weights(data.size)
        reconstruction_map = judged.reconstruction_map * mask
        deformation_map = judged.deformation_map * mask
        reconstruction, deformation = (
            self.form.smoothed(one, self.config).max((1, 2)).astype(np.float64)
            for one in (reconstruction_map, deformation_map)
        )
        return replace(
            judged,
            raw=reconstruction + self.config.score.alpha * deformation,
            reconstruction=reconstruction,
            deformation=deformation,
            reconstruction_map=reconstruction_map,
            deformation_map=deformation_map,
        )

    def pixel_scores(self, judged: JudgedFrames) -> NDArray[np.float32]:
        """Return the score of every pixel, (B, H, W).

        For video, it is the weighted sum in Eq. 14 at each pixel. For images, it is Eq. 23.
        """
        mixed = judged.reconstruction_map + self.config.score.alpha * judged.deformation_map
        return np.asarray(self.form.smoothed(mixed, self.config), np.float32)

    def stream(self, source: str | Path, scene: str = "") -> Iterator[JudgedFrame]:
        """Score the frames of a video, a folder of frames, a camera or a stream one by one.

        Args:
            source: Video file, folder of images, URL or webcam; see
                `dmad.data.reading.sources.open_source`.
            scene: Name of the view.

        Yields:
            Each frame with a score. The first `history` frames have no score and are left out, also
            after a gap.
        """
        from dmad.inference.streaming import follow

        return follow(self, str(source), scene)

    def window_maker(self, scene: str) -> WindowMaker:
        """Return a new `WindowMaker` for a view. It has no frames yet."""
        past = PastFrames() if self.needs_template(scene) else None
        return WindowMaker(self.config.data.history, self.template(scene), past)

    def needs_template(self, scene: str) -> bool:
        """True if the background template of a view must be computed from past frames.

        This is so if the model has templates, but the view was not in the training.
        """
        return self.backend.templates is not None and template_index(scene, self.scenes) is None

    def template(self, scene: str) -> NDArray[np.float32] | None:
        """Return the background template x_bg of a view, (C, H, W) in [-1, 1].

        None if the model has no templates, or if the view was not in the training.
        """
        index = template_index(scene, self.scenes)
        templates = self.backend.templates
        return None if templates is None or index is None else templates[index]


def check_frames(frames: np.ndarray, data: DataConfig) -> None:
    """Check that frames are (N, H, W, C) uint8, with the size and channels of the settings.

    Raises:
        DmadError: Shape or type is wrong, or there are fewer than `history` + 1 frames.
    """
    shape = (data.size, data.size, data.channels)
    advice = f"give uint8 (N, {data.size}, {data.size}, {data.channels}), which "
    advice += "dmad.data.reading.decode.decode reads from a file"
    require(
        isinstance(frames, np.ndarray),
        f"frames are a {type(frames).__name__}; {advice}, or use the method stream",
    )
    require(
        frames.ndim == 4 and frames.shape[1:] == shape and frames.dtype == np.uint8,
        f"frames are {frames.dtype} {frames.shape}; {advice}",
    )
    least = data.history + 1
    require(len(frames) >= least, f"{len(frames)} frames are given, and {least} are needed")


def _backgrounds(windows: Sequence[Window]) -> NDArray[np.float32] | None:
    """Return the background templates of windows, (B, C, H, W).

    The result is (1, C, H, W) if all windows have the same template, and None if the model has no
    templates.
    """
    backgrounds = [window.background for window in windows]
    first = backgrounds[0]
    if first is None:
        return None
    if all(background is first for background in backgrounds):
        return first[None]
    return np.stack([background for background in backgrounds if background is not None])
