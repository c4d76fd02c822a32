"""Pictures of scored frames: heat, deformation, and the panels of the paper's Figs. 2 and 7."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from string import ascii_lowercase
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects, label

from dmad.calibration.calibration import Calibration
from dmad.config import VideoConfig, VideoScoreConfig
from dmad.data.footage import Clip, Footage
from dmad.drawing import pictures as drawing
from dmad.drawing.video_writer import annotate
from dmad.form import Explanation, ToExplain
from dmad.inference.detector import Detector
from dmad.inference.maps import TOUCHING, averaged, box_of_maximum, composed, in_pixels
from dmad.inference.result import JudgedFrames

if TYPE_CHECKING:
    from torch import Tensor

Image = NDArray[np.uint8]
Values = NDArray[np.floating[Any]]
LEAST_HEIGHT = 256  # px of a picture, so that its text does not cover everything
READABLE = 160  # smallest side in px in which a number is readable
FULL_HEAT = 3.0  # this many times the usual peak of a frame is drawn in full colour
FULL_THRESHOLD = 2.0  # if there is a threshold, this many times the threshold is in full colour
SMALLEST_LIMIT = 1.0  # smallest calibrated score that is drawn in full colour
FULL_DIFFERENCE = 64  # grey levels of 255; difference that is drawn in full colour in a panel
FULL_ERROR = 3.0  # the error of a pixel can be this many times the average error around it
NEGLIGIBLE = 0.05  # px; a shorter deformation is not visible
CLEAR = 0.2  # px; if a deformation is longer, an arrow shows its direction
FULL_FIELD = 1.0  # px; length that is drawn in full colour, if no other is given
RECENT_PEAKS = 500  # frames from which the usual peak is estimated

# Titles of pictures.
FRAME = "frame"
PREDICTION = "prediction"
REFERENCE = "reference\nfrom the memory"
DEFORMATION = "deformation\nof the reference"
ERROR = "difference\nframe - prediction"
HEAT = "heat\npart of the score"
PANEL_HEAT = "how unusual each place is"
PANEL_DIFFERENCE = "difference of frame and prediction"


class ColourScale:
    """The values that are drawn in full colour.

    Heat is the contribution of each place to the score. With a calibration, heat has the unit of
    the threshold. Without a calibration, heat is scaled by the usual peak. The peak of a frame is
    the highest value of its averaged error.

    Args:
        config: The settings of the model.
        usual_peak: Peak of a usual frame. None: the median peak of the frames so far, which needs
            no labels and no future frames.
        longest_field: A deformation vector of this length in pixels is drawn in full colour.
        calibration: The threshold. None: heat is scaled by the usual peak.
    """

    def __init__(
        self,
        config: VideoConfig,
        usual_peak: float | None = None,
        longest_field: float = FULL_FIELD,
        calibration: Calibration | None = None,
    ) -> None:
        self.usual_peak = usual_peak
        self.score = config.score
        self.longest_field = longest_field
        self.calibration = calibration
        self._recent_peaks: deque[float] = deque(maxlen=RECENT_PEAKS)

    @classmethod
    def from_detector(cls, detector: Detector) -> ColourScale:
        """Return the scale for a model. With a threshold, heat has the unit of the threshold."""
        return cls(detector.config, calibration=detector.calibration)

    @property
    def threshold(self) -> float | None:
        """The threshold of the calibrated score; None without a calibration."""
        return self.calibration.threshold if self.calibration else None

    def heat(self, reconstruction: Values, deformation: Values) -> tuple[Values, float]:
        """Return heat (the contribution of each place to the score), and a limit for errors.

        Args:
            reconstruction: Averaged error map (H, W).
            deformation: Averaged map of the deformation (H, W), in grid units.

        Returns:
            Heat (H, W), where 1 is drawn in full colour, and the limit for errors: the averaged
            error (Eq. 12) that is drawn in full colour.
        """
        if self.calibration is None:
            full = FULL_HEAT * self._usual_peak(float(reconstruction.max()))
            return (reconstruction + self.score.alpha * deformation) / full, full
        scorer, limit = self.calibration.scorer, self._limit(self.calibration)
        error = np.maximum(scorer.reconstruction(reconstruction), 0)
        shift = scorer.weight * np.maximum(scorer.deformation(deformation), 0)
        full = scorer.reconstruction.centre + limit * scorer.reconstruction.scale
        return (error + shift) / limit, full

    def heat_marks(self) -> dict[str, float]:
        """Return the marks of the legend of heat: the text of each mark, and its value of heat."""
        if self.calibration is None:
            return {"0": 0.0, "usual peak": 1 / FULL_HEAT, f"{FULL_HEAT:g} times": 1.0}
        threshold, limit = self.calibration.threshold, self._limit(self.calibration)
        middle = self.heat_of_threshold(self.calibration)
        return {"0": 0.0, f"threshold {threshold:.1f}": middle, f"{limit:.1f}": 1.0}

    def heat_of_threshold(self, calibration: Calibration) -> float:
        """Return the heat of a place that reaches the threshold alone."""
        return calibration.threshold / self._limit(calibration)

    def legends(self) -> drawing.Legends:
        """Return the legends of a panel.

        The keys are titles of columns that have a legend. The values are functions that draw the
        legend with a given width.
        """
        return {
            DEFORMATION: lambda width: drawing.field_legend(width, self.longest_field),
            HEAT: lambda width: drawing.heat_legend(width, self.heat_marks()),
        }

    def frame_scores(self, judged: JudgedFrames) -> Values:
        """Return the score (B,) of each frame alone, without the frames before it.

        With a calibration, it has the unit of the threshold. Otherwise, it is the raw score.
        """
        if self.calibration is None:
            return judged.raw
        return self.calibration.scorer.combine(judged.reconstruction, judged.deformation)

    def _limit(self, calibration: Calibration) -> float:
        return max(FULL_THRESHOLD * calibration.threshold, SMALLEST_LIMIT)

    def _usual_peak(self, peak: float) -> float:
        """Return the peak of a usual frame: the highest value of its averaged error.

        The result is the attribute `usual_peak`. If this attribute is None, the result is the
        median of the last `RECENT_PEAKS` peaks. They include `peak`, the peak of the next frame.
        """
        self._recent_peaks.append(peak)
        usual = self.usual_peak
        if usual is None:
            usual = float(np.median(self._recent_peaks))
        return max(usual, 1e-6)


@dataclass(frozen=True, eq=False)
class Picture:
    """One scored frame. Its pictures, (h, w, 3), have the proportions of the camera's frames."""

    index: int
    score: float  # of this frame alone, see `ColourScale.frame_scores`
    frame: Image  # (H, W, C)
    reference: Image  # (H, W, C): the prototype
    stages: tuple[Image, ...]  # K x (H, W, C): reconstruction after each deformation
    error: Values  # (H, W): the error map
    heat_map: Values  # (H, W): part of each place in the score; 1 is drawn in full colour
    field: Values  # (2, H, W) px: the deformation
    full_error: float  # averaged error that is drawn in full colour
    scale: ColourScale
    aspect: float = 1.0  # width divided by height of the camera's frames
    time: float = float("nan")  # seconds
    calibrated: float = float("nan")  # calibrated score; NaN: unknown
    averaged: int = 1  # number of frames in the mean that is the calibrated score
    until: str = ""  # number and time of the last frame in this mean; empty: this frame

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the pictures in pixels."""
        return true_size(len(self.frame), self.aspect)

    @property
    def heat(self) -> Image:
        """The frame, with the heat over it."""
        frame = drawing.resized(self.frame, *self.size)
        return drawing.heatmap(frame, drawing.resized_map(self.heat_map, *self.size), 1.0)

    @property
    def deformation(self) -> Image:
        """The faded frame in grey. Colours and arrows show how the deformation moves its parts.

        A negligible deformation is not drawn. If all of it is negligible, a text says so.

        A vector of the field says from where a pixel is taken. So what is visible moves in the
        opposite direction.
        """
        frame = drawing.resized(self.frame, *self.size)
        shift = np.stack([drawing.resized_map(-axis, *self.size) for axis in self.field])
        drawn = drawing.shift_image(frame, shift, self.scale.longest_field, NEGLIGIBLE, CLEAR)
        if self.longest_shift < NEGLIGIBLE:
            return annotate(drawn, [deformation_text(self.longest_shift)])
        return drawn

    @property
    def longest_shift(self) -> float:
        """Length of the longest vector of the deformation, in pixels of the model's image."""
        return float(np.hypot(*self.field).max())

    def titles(self) -> list[str]:
        """The titles of the pictures that `tiles` returns, in the same order."""
        stages = [PREDICTION]
        if len(self.stages) > 1:
            stages = [
                f"{PREDICTION}\nafter {name} deformation" for name in stage_names(len(self.stages))
            ]
        return [FRAME, REFERENCE, *stages, DEFORMATION, ERROR, HEAT]

    def tiles(self) -> list[Image]:
        """The pictures of one frame: a row as in the paper's Fig. 7.

        They are the frame, the reference, the K predictions, the deformation, the error and heat.
        """
        frames = [self.frame, self.reference, *self.stages]
        error = drawing.resized_map(self.error, *self.size)
        return [
            *(drawing.resized(frame, *self.size) for frame in frames),
            self.deformation,
            drawing.error_image(error, FULL_ERROR * self.full_error),
            self.heat,
        ]

    @property
    def main_score(self) -> float:
        """The calibrated score if it is known; else the score of this frame alone."""
        return self.score if np.isnan(self.calibrated) else self.calibrated

    def score_text(self) -> str:
        """The calibrated score and the threshold. Without a threshold: the score of this frame."""
        if self.scale.threshold is None or np.isnan(self.calibrated):
            return f"score {self.score:.3f}"
        return f"score {self.calibrated:.1f}, threshold {self.scale.threshold:.1f}"

    def label(self) -> str:
        """The number of the frame, its time and its score."""
        return f"{clock(self.index, self.time)}\n{self.score_text()}"

    def heading(self) -> str:
        """The text above a panel: time and score of the frame, and the mean score with threshold.

        If the calibrated score is a mean over several frames, the frame and the mean have a line
        each.
        """
        threshold = self.scale.threshold
        if threshold is None or np.isnan(self.calibrated):
            return f"{clock(self.index, self.time)}: score {self.score:.3f}"
        relation = "is below" if self.calibrated < threshold else "reaches"
        verdict = f"{self.calibrated:.1f} {relation} the threshold of {threshold:.1f}"
        if self.averaged == 1:
            return f"{clock(self.index, self.time)}: score {verdict}"
        return (
            f"{clock(self.index, self.time)}: score of this frame alone {self.score:.1f}\n"
            f"mean score of the {self.averaged} frames up to {self.until}: {verdict}"
        )

    def panel(self) -> Image:
        """Two rows of pictures with titles and legends, as one image.

        The first row shows whole frames: the frame, the heat, the prediction after the last
        deformation, and the deformation. A thick box marks the place with the highest heat. Thin
        boxes mark other places whose heat reaches the threshold. The second row shows the first
        place enlarged: in the frame, in the prediction, in the reference, and the difference of
        frame and prediction.
        """
        frame, reference, *_, predicted, deformation, _, heat = self.tiles()
        box = box_of_maximum(self.heat_map)
        marked = drawing.mark_box(frame, box)
        others = self.other_places(box)
        for other in others:
            marked = drawing.mark_box(marked, other, thin=True)
        thin_boxes = "\nthin box: unusual, too" if others else ""
        difference = np.abs(np.subtract(frame, predicted, dtype=np.float32)).mean(-1)
        shift = f"deformation\n{deformation_text(self.longest_shift)}"
        usual = self.scale.legends()
        legends = {
            PANEL_HEAT: usual[HEAT],
            shift: usual[DEFORMATION],
            PANEL_DIFFERENCE: difference_legend,
        }
        whole = {
            f"frame\nthick box: enlarged below{thin_boxes}": marked,
            PANEL_HEAT: heat,
            "prediction\nthe frame as the model draws it": drawing.mark_box(predicted, box),
            shift: drawing.mark_box(deformation, box),
        }
        place = {
            "frame": drawing.enlarged(frame, box),
            "prediction": drawing.enlarged(predicted, box),
            "reference\nbefore the deformation": drawing.enlarged(reference, box),
            PANEL_DIFFERENCE: drawing.enlarged(
                drawing.heat_colors(difference, FULL_DIFFERENCE), box
            ),
        }
        rows = {"the whole frame": whole, "the most unusual place, enlarged": place}
        drawn = [
            drawing.stacked([drawing.panel([list(row.values())], list(row), None, legends)], title)
            for title, row in rows.items()
        ]
        return drawing.stacked(drawn, self.heading())

    def other_places(self, box: drawing.Box) -> list[drawing.Box]:
        """Return a box around each place whose heat reaches the threshold.

        Places that overlap `box` are left out. The list is empty without a threshold.
        """
        if self.scale.calibration is None:
            return []
        height, width = self.heat_map.shape
        reaches = self.heat_map >= self.scale.heat_of_threshold(self.scale.calibration)
        regions, _ = label(reaches, TOUCHING)
        places = [
            (x.start / width, y.start / height, x.stop / width, y.stop / height)
            for y, x in find_objects(regions)
        ]
        return [
            (left, top, right, bottom)
            for left, top, right, bottom in places
            if left >= box[2] or right <= box[0] or top >= box[3] or bottom <= box[1]
        ]


def difference_legend(width: int) -> Image:
    """Draw the legend of the difference in a panel, `width` pixels wide."""
    return drawing.heat_legend(width, {"0": 0.0, f"{FULL_DIFFERENCE} of 255 grey levels": 1.0})


def true_size(height: int, aspect: float) -> tuple[int, int]:
    """Return width and height in pixels of a picture of a frame.

    Args:
        height: Height of the frame. The picture has at least the height `LEAST_HEIGHT`.
        aspect: Width divided by height of the picture.
    """
    height = max(height, LEAST_HEIGHT)
    return max(1, round(height * aspect)), height


def clock(index: int, time: float) -> str:
    """Return the number of a frame, and its time in seconds if it is known (not NaN)."""
    return f"frame {index}" if np.isnan(time) else f"frame {index}, {time:.1f} s"


def deformation_text(longest: float) -> str:
    """Describe a deformation by its longest vector in pixels."""
    if longest < NEGLIGIBLE:
        return f"no deformation: below {NEGLIGIBLE:g} px"
    return f"the reference is shifted by up to {longest:.1f} px"


def stage_names(count: int) -> list[str]:
    """The names of the K reconstructions, coarse first."""
    if count == 1:
        return ["reconstruction"]
    return ["coarse", *(f"stage {k}" for k in range(2, count)), "fine"]


def stages(judged: JudgedFrames) -> dict[str, list[Image]]:
    """Return pictures of every frame: the reference, and the result of each deformation.

    The keys are `reference` and the `stage_names`. Each list has one picture for each frame.
    """
    reconstructions = judged.drawings["reconstructions"]
    found = {"reference": [to_image(one) for one in judged.drawings["reference"]]}
    for k, name in enumerate(stage_names(reconstructions.shape[1])):
        found[name] = [to_image(one) for one in reconstructions[:, k]]
    return found


def to_image(x: np.ndarray) -> Image:
    """Convert (C, H, W) in [-1, 1] to (H, W, C) uint8."""
    scaled = ((x + 1) * 127.5).round().clip(0, 255)
    return np.asarray(scaled.transpose(1, 2, 0), np.uint8)


def total_fields(offsets: np.ndarray | None, like: np.ndarray) -> np.ndarray:
    """Compose all deformation fields into one.

    Args:
        offsets: Fields (B, K, 2, H, W) in grid units, in the order in which they are applied; None
            without heads.
        like: (B, C, H, W), for the shape of the result.

    Returns:
        (B, 2, H, W) in pixels; zero without heads.
    """
    if offsets is None:
        return np.zeros((len(like), 2, *like.shape[2:]), np.float32)
    return in_pixels(composed(offsets))


def pictures(judged: JudgedFrames, scale: ColourScale, aspect: float = 1.0) -> Iterator[Picture]:
    """Return the picture of every frame of a batch.

    Args:
        judged: The batch.
        scale: The values drawn in full colour.
        aspect: Width divided by height of the camera's frames.
    """
    drawings = judged.drawings
    maps = (judged.reconstruction_map, judged.deformation_map)
    errors, shifts = (averaged(one, scale.score.kernel) for one in maps)
    fields = total_fields(drawings.get("offsets"), drawings["reference"])
    scores = scale.frame_scores(judged)
    for b, frame in enumerate(judged.frames):
        heat, full_error = scale.heat(errors[b], shifts[b])
        yield Picture(
            index=int(judged.index[b]),
            score=float(scores[b]),
            frame=frame,
            reference=to_image(drawings["reference"][b]),
            stages=tuple(to_image(stage) for stage in drawings["reconstructions"][b]),
            error=judged.reconstruction_map[b],
            heat_map=heat,
            field=fields[b],
            full_error=full_error,
            scale=scale,
            aspect=aspect,
        )


def picture_of_frame(
    detector: Detector, footage: Footage, clip: Clip, frame: int, scale: ColourScale
) -> Picture:
    """Score one frame of some footage and draw it.

    `Picture.index` is counted from the start of the clip.

    Args:
        detector: The model.
        footage: The footage.
        clip: The clip that the frame belongs to.
        frame: Index of the frame in `footage.frames`.
        scale: The values drawn in full colour.
    """
    first = max(clip.start, frame - detector.config.data.history)
    if detector.needs_template(clip.scene):  # the template needs all frames before this one
        first = clip.start
    window = footage.frames[first : frame + 1]
    (judged,) = deque(detector.judge(window, clip.scene), maxlen=1)
    *_, picture = pictures(judged, scale, clip.aspect)
    return replace(picture, index=frame - clip.start)


def explain(detector: Detector, given: ToExplain) -> Explanation:
    """Score the last of the given frames, and return its map and pictures.

    If the threshold is for a zone, the map is zero outside the zone.
    """
    (judged,) = deque(detector.judge(given.frames, given.scene), maxlen=1)
    judged = judged.frame(len(judged.index) - 1)
    calibration = detector.calibration
    if calibration:
        judged = detector.inside(calibration.zone, judged, calibration.places)
    scale = ColourScale(detector.config, given.usual, calibration=calibration)
    (picture,) = pictures(judged, scale, given.aspect)
    drawn = {
        "input": drawing.to_rgb(drawing.resized(picture.frame, *picture.size)),
        "anomaly map": picture.heat,
        "deformation": picture.deformation,
    }
    return Explanation(detector.pixel_scores(judged)[0], drawn)


class HighestPictures:
    """Keeps the pictures of the highest scores, at least `apart` frames apart.

    A calibrated score is a mean over several frames. Its picture is the frame with the highest
    score of its own among these frames. Without a calibration, a score belongs to one frame.

    Args:
        size: Largest number of pictures.
        apart: Smallest distance between two pictures in frames. If it is below 1, it is 1: a frame
            is never kept twice.
        window: Largest number of frames in the mean of a calibrated score.
    """

    def __init__(self, size: int, apart: int = 1, window: int = 1) -> None:
        self.size, self.apart, self.window = size, max(1, apart), window
        self.pictures: list[Picture] = []  # highest first
        self._first = self._next = 0  # indices: first frame since a gap, and frame that is expected
        # The picture with the highest score of its own of the last `window` frames, then the
        # picture with the highest score of the frames after it, and so on.
        self._candidates: deque[Picture] = deque()

    def offer(self, picture: Picture) -> None:
        """Add the picture of the next frame. Its score is kept if it is among the highest.

        If a frame has no score, it is left out. The mean starts again after it.
        """
        if not self.size:
            return
        if picture.index != self._next:
            self._candidates.clear()
            self._first = picture.index
        self._next = picture.index + 1
        averaged = min(self.window, self._next - self._first)
        while self._candidates and self._candidates[-1].score <= picture.score:
            self._candidates.pop()
        self._candidates.append(picture)
        while self._candidates[0].index < self._next - averaged:
            self._candidates.popleft()
        self._keep(
            replace(
                self._candidates[0],
                calibrated=picture.calibrated,
                averaged=averaged,
                until=clock(picture.index, picture.time),
            )
        )

    def _keep(self, picture: Picture) -> None:
        """Keep a picture if its score is among the highest.

        If pictures are less than `apart` frames apart, only the picture with the highest score is
        kept.
        """
        near = [p for p in self.pictures if abs(p.index - picture.index) < self.apart]
        if any(p.main_score > picture.main_score for p in near):
            return
        kept = [p for p in self.pictures if all(p is not other for other in near)]
        ranked = sorted([*kept, picture], key=lambda p: (p.main_score, p.index), reverse=True)
        self.pictures = ranked[: self.size]


def reference_error(judged: JudgedFrames, config: VideoScoreConfig) -> tuple[Tensor, Tensor]:
    """Compute the pixel-wise error of Fig. 2: the squared error of the reference.

    Args:
        judged: A batch.
        config: The settings with the averaging kernel.

    Returns:
        The error (B, H, W), and the maximum (B,) of the averaged error, as in Eq. 14.
    """
    import torch

    from dmad.data.windows import to_model
    from dmad.model.losses import squared_error
    from dmad.model.scoring import box_filter

    _, x = to_model(torch.from_numpy(judged.frames)[:, None])
    error = squared_error(x, torch.from_numpy(judged.drawings["reference"]))
    return error, box_filter(error, config.kernel).amax((1, 2))


def diversity_panel(judged: JudgedFrames, config: VideoScoreConfig, names: Sequence[str]) -> Image:
    """Draw the paper's Fig. 2, one row for each image. Each column has one colour scale.

    Args:
        judged: A batch.
        config: The settings with kernel and α.
        names: The names of the rows.
    """
    error, plain = reference_error(judged, config)
    augmented = judged.reconstruction_map + config.alpha * judged.deformation_map
    columns: Mapping[str, Sequence[Image]] = {
        "input": list(judged.frames),
        **stages(judged),
        "diversity": same_scale(judged.deformation_map),
        "augmented\nerror": with_scores(same_scale(augmented), judged.raw),
        "pixel-wise\nerror": with_scores(same_scale(error.numpy()), plain.numpy()),
    }
    heads = [f"{letter}) {name}" for letter, name in zip(ascii_lowercase, columns, strict=False)]
    return drawing.panel(list(zip(*columns.values(), strict=True)), heads, names)


def with_scores(images: Sequence[Image], scores: np.ndarray) -> list[Image]:
    """Write scores (B,) on images. Small images are enlarged first."""
    zoom = max(1, READABLE // len(images[0]))
    found = []
    for image, score in zip(images, scores.tolist(), strict=True):
        large = image.repeat(zoom, 0).repeat(zoom, 1)
        found.append(annotate(large, [f"{score:.3f}"], len(large) // 8))
    return found


def same_scale(maps: np.ndarray) -> list[Image]:
    """Draw maps (B, H, W), 0 or more, on one colour scale that ends at the highest value."""
    limit = float(maps.max()) or 1.0
    return [drawing.error_image(one, limit) for one in maps]
