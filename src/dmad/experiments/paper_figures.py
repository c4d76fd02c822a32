"""Draws Figs. 2, 6 and 7 of the paper for a run.

A fixed rule chooses the examples, so that nobody can pick examples that look good.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dmad.api import load
from dmad.console import progress_bar
from dmad.data.footage import Clip, LabelledFootage, thin
from dmad.data.locations import with_locations
from dmad.data.series import intervals
from dmad.data.splits import load_split
from dmad.drawing import charts
from dmad.drawing import pictures as drawing
from dmad.errors import require
from dmad.evaluation.metrics import micro_auroc
from dmad.experiments.toy import LABELS, choose_examples, draw_fig6, example_titles, judge_examples
from dmad.files import make_folder
from dmad.forms.images.pictures import ImagePictures, JudgedImage, draw_outline, judge_image
from dmad.forms.images.summary import judged_tiles
from dmad.forms.video.evaluation import score_clips
from dmad.forms.video.pictures import (
    ColourScale,
    Image,
    diversity_panel,
    picture_of_frame,
    reference_error,
)
from dmad.inference.detector import Detector
from dmad.inference.result import AnomalyResult

# Rows of Fig. 2: the label, and the position in the sorted pixel-wise errors of images with this
# label (0: the lowest error, 1: the highest).
ROWS = {"normal": (0, 0.5), "unusual\nnormal": (0, 1.0), "abnormal": (1, 0.5)}
ROWS_WITHOUT_LABELS = {"median\nno labels": (0, 0.5), "strongest\nno labels": (0, 1.0)}
ABNORMAL_ROWS, NORMAL_ROWS = 4, 2  # rows of Fig. 7 of video
SHORTEST_SCALE = 0.1  # px; the full colour stands for at least this length
MASK_COLOUR = (0, 230, 90)


def draw_figures(
    run: str | Path, out: Path, root: Path | None = None, cache: Path | None = None
) -> list[Path]:
    """Draw examples of the test split of a run as in the paper, and write PNG files.

    Models of digits write `fig2.png`, `fig2-scores.png` and `fig6.png`. Models of video and of
    industrial images write `fig7.png` and `wheel.png`, the legend for the colours of fields.

    Args:
        run: Run folder, `.safetensors` file or the name of a model that comes with dmad.
        out: Folder to write to.
        root: Folder of the data set. None: the same folder as in training.
        cache: Folder for decoded frames.

    Returns:
        The paths of the files.

    Raises:
        DmadError: There is no such model or test data, or `out` cannot be written.
    """
    detector = load(run)
    require(detector.config.deforms, f"{run} has no deformation; give a run of video or images")
    data = with_locations(detector.config.data, root, cache)
    test = load_split(data, "test")
    require(bool(test.footage.clips), f"{data.root} holds no test data; give --data.root DIR")
    make_folder(out)
    pictures = DRAWERS[detector.config.form](detector, test)
    for name, image in pictures.items():
        drawing.save_png(image, out / name)
    return [out / name for name in pictures]


def draw_video_form(detector: Detector, test: LabelledFootage) -> dict[str, Image]:
    """Return pictures by file name: Fig. 7 for clips, or Figs. 2 and 6 for single images."""
    if detector.config.data.history:
        return draw_clips(detector, test)
    return draw_single_images(detector, test)


def draw_single_images(detector: Detector, test: LabelledFootage) -> dict[str, Image]:
    """Return the pictures of Figs. 2 and 6 for a model of single images, by file name."""
    plain, augmented = both_scores(detector, test)
    rows = rows_of_fig2(plain, test.labels)
    row_indices = list(rows.values())
    in_fig2 = judge_examples(detector, test.footage.frames[row_indices])
    examples = choose_examples(test)
    in_fig6 = judge_examples(detector, test.footage.frames[examples])
    return {
        "fig2.png": diversity_panel(in_fig2, detector.config.score, list(rows)),
        "fig2-scores.png": scatter_plot(plain, augmented, test.labels, row_indices),
        "fig6.png": draw_fig6({"": in_fig6}, example_titles(test, examples)),
    }


def both_scores(detector: Detector, test: LabelledFootage) -> np.ndarray:
    """Return two scores (2, N) of N images: the largest error of a pixel, and the score of Eq. 14.

    The error is the squared difference of image and reference, averaged as in Eq. 14.
    """
    scores = np.empty((2, len(test.footage.frames)))
    for clip in test.footage.clips:
        frames = test.footage.frames[clip.span]
        for judged in detector.judge(frames, clip.scene, batch=64):
            _, plain = reference_error(judged, detector.config.score)
            scores[0, clip.start + judged.index] = plain
            scores[1, clip.start + judged.index] = judged.raw
    return scores


def item_at_rank(scores: np.ndarray, among: np.ndarray, rank: float) -> int:
    """Return the index of the item at a position in the sorted scores.

    Args:
        scores: (N,).
        among: (N,) bool: True for the items to choose from.
        rank: Position in [0, 1]: 0 is the lowest score, 0.5 the median, 1 the highest.
    """
    places = np.flatnonzero(among)
    order = np.argsort(scores[places], kind="stable")
    return int(places[order[round(rank * (len(places) - 1))]])


def rows_of_fig2(errors: np.ndarray, labels: np.ndarray | None) -> dict[str, int]:
    """Return the indices of the images in Fig. 2, by the title of the row.

    Args:
        errors: (N,), the largest error of a pixel in each image.
        labels: (N,) 1 = abnormal. None if unknown.
    """
    rows = ROWS
    if labels is None:
        rows, labels = ROWS_WITHOUT_LABELS, np.zeros(len(errors))
    return {
        title: item_at_rank(errors, labels == label, rank)
        for title, (label, rank) in rows.items()
        if label in labels
    }


def scatter_plot(
    plain: np.ndarray, augmented: np.ndarray, labels: np.ndarray | None, circled: Sequence[int]
) -> Image:
    """Plot two scores of N images against each other, at 200 dpi.

    Args:
        plain: (N,), the largest error of a pixel in each image.
        augmented: (N,), the score of each image (Eq. 14).
        labels: (N,) 1 = abnormal. None if unknown.
        circled: Indices of the images of Fig. 2. These images get a circle.
    """
    figure, (axis,) = charts.make_axes(5.5, [4.5], 1)
    if labels is None:
        axis.scatter(plain, augmented, 12, charts.BLUE, alpha=0.6, lw=0, label="no labels")
    else:
        for label, colour in enumerate((charts.BLUE, charts.RED)):
            chosen = labels == label
            if chosen.any():
                points = (plain[chosen], augmented[chosen])
                axis.scatter(*points, 12, colour, alpha=0.6, lw=0, label=LABELS[label])
    axis.scatter(plain[circled], augmented[circled], 70, "none", edgecolors="k", label="in Fig. 2")
    axis.set_axisbelow(True)
    axis.set(xlabel="pixel-wise error", ylabel="deformation-augmented score")
    if labels is not None and 0 < labels.mean() < 1:
        before, after = micro_auroc(plain, labels), micro_auroc(augmented, labels)
        title = f"AUROC: {before:.3f} pixel-wise, {after:.3f} deformation-augmented"
        axis.set_title(title, loc="left", fontsize=10)
    axis.legend()
    return charts.render(figure, dpi=200)


def draw_clips(detector: Detector, test: LabelledFootage) -> dict[str, Image]:
    """Return Fig. 7 for video and the legend of its colours, by file name."""
    result = AnomalyResult.join(score_clips(detector, test.footage))
    frames = frames_of_fig7(result.raw, test)
    half_size = (detector.config.data.size - 1) / 2  # pixels in a grid unit
    longest = max(result.deformation[frames].max() * half_size, SHORTEST_SCALE)
    usual_peak = float(np.nanmedian(result.reconstruction))
    scale = ColourScale(detector.config, usual_peak, longest)
    pictures, names = [], []
    for frame in frames:
        clip = clip_of_frame(test, frame)
        picture = picture_of_frame(detector, test.footage, clip, frame, scale)
        kind = "no labels" if test.labels is None else LABELS[test.labels[frame]]
        pictures.append(picture)
        names.append(f"{kind}\n{clip.name}, {picture.label()}")
    rows = [picture.tiles() for picture in pictures]
    panel = drawing.panel(rows, pictures[0].titles(), names, scale.legends())
    return {"fig7.png": panel, "wheel.png": drawing.wheel_legend()}


def clip_of_frame(test: LabelledFootage, frame: int) -> Clip:
    """Return the clip that contains the frame with this index in the test split."""
    return next(clip for clip in test.footage.clips if frame < clip.start + clip.length)


def frames_of_fig7(scores: np.ndarray, test: LabelledFootage) -> list[int]:
    """Return the indices of the frames of Fig. 7: up to four abnormal frames and two normal frames.

    Each abnormal frame has the highest score of an event. Each normal frame has the median score of
    all normal frames of a clip. The chosen frames are spread over the clips. Without labels, each
    clip counts as an event, and the four clips with the highest scores are chosen.
    """
    scored = np.isfinite(scores)  # the first frames of a clip have no score, so events end there
    abnormal = normal = scored
    if test.labels is not None:
        abnormal, normal = scored & (test.labels > 0), scored & (test.labels == 0)
    lengths = [clip.length for clip in test.footage.clips]
    clip_index = np.repeat(np.arange(len(lengths)), lengths)
    peaks = [start + int(scores[start:stop].argmax()) for start, stop in intervals(abnormal)]
    if test.labels is None:
        peaks = sorted(peaks, key=lambda frame: -scores[frame])[:ABNORMAL_ROWS]
    first_peaks: dict[int, int] = {}  # by clip
    for frame in peaks:
        first_peaks.setdefault(int(clip_index[frame]), frame)
    firsts = list(first_peaks.values())
    others = [frame for frame in peaks if frame not in firsts]
    medians = [
        item_at_rank(scores, normal & (clip_index == index), 0.5)
        for index in np.unique(clip_index[normal])
    ]
    return [
        *thin(np.array(firsts, int), ABNORMAL_ROWS).tolist(),
        *others[: max(0, ABNORMAL_ROWS - len(firsts))],
        *thin(np.array(medians, int), NORMAL_ROWS).tolist(),
    ]


@dataclass(frozen=True, eq=False)
class ScoresAndFields:
    """The scores of N test images, and how long the vectors of their fields are.

    For each image, one length is stored: 99 % of the vectors of each field are at most so long.
    """

    scores: np.ndarray  # (N,)
    longest_fields: np.ndarray  # (N,) px


def draw_images(detector: Detector, test: LabelledFootage) -> dict[str, Image]:
    """Return Fig. 7 for images and the legend of its colours, by file name.

    For each class of the test split, the image with the median score is drawn.
    """
    assert test.labels is not None
    assert test.classes is not None
    images = scores_and_fields(detector, test)
    sorted_classes = test.classes[np.argsort(test.labels, kind="stable")]
    kinds = list(dict.fromkeys(sorted_classes.tolist()))
    chosen = [item_at_rank(images.scores, test.classes == kind, 0.5) for kind in kinds]
    draw = ImagePictures(detector)
    draw.longest_field = max(images.longest_fields[chosen].max(), SHORTEST_SCALE)
    rows, names = [], []
    for kind, index in zip(kinds, chosen, strict=True):
        judged, tiles = judged_tiles(detector, test, test.footage.clips[index], draw)
        rows.append(row_of_fig7(judged, tiles))
        names.append(f"{kind}\n{score_and_verdict(judged)}")
    scale = f"field\nfull colour: {draw.longest_field:.2g} px"
    titles = [title.replace("field", scale) for title in rows[0]]
    panel = drawing.panel([list(row.values()) for row in rows], titles, names)
    return {"fig7.png": panel, "wheel.png": drawing.wheel_legend()}


def scores_and_fields(detector: Detector, test: LabelledFootage) -> ScoresAndFields:
    """Score every test image, and measure how long the vectors of its fields are."""
    scores, longest_fields = [], []
    for clip in progress_bar(test.footage.clips, "scoring"):
        judged = judge_image(detector, list(test.footage.frames[clip.span]), clip.name)
        scores.append(judged.score)
        longest_fields.append(judged.reach)
    return ScoresAndFields(np.array(scores), np.array(longest_fields))


def score_and_verdict(judged: JudgedImage) -> str:
    """Return the score as text, with the verdict if the model has a threshold."""
    verdict = f"\njudged {judged.verdict}" if judged.verdict else ""
    return f"score {judged.score:.2f}{verdict}"


def row_of_fig7(judged: JudgedImage, tiles: dict[str, Image]) -> dict[str, Image]:
    """Return the pictures of an image in Fig. 7, by title.

    Args:
        judged: The result of the image.
        tiles: Other pictures of the image, by title. They are returned too. A picture of the mask
            is replaced by the image with the outline of the mask.
    """
    row = {title: tile for title, tile in tiles.items() if title != "marked"}
    row["bent forward"] = judged.deformed
    if "marked" in tiles:
        outlined = tiles["input"].copy()
        draw_outline(outlined, tiles["marked"][..., 0] > 0, MASK_COLOUR)
        row["marked"] = outlined
    return row


DRAWERS = {"video": draw_video_form, "images": draw_images}  # by form
