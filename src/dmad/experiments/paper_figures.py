"""The paper's Figs. 2, 6 and 7 of any run; what they show is never chosen by how it looks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dmad.console import progress_bar
from dmad.data.footage import thin
from dmad.data.series import runs
from dmad.data.splits import LabelledFootage, load_split, lying
from dmad.drawing import pictures as visualize
from dmad.errors import require
from dmad.evaluation.metrics import micro_auroc
from dmad.experiments.toy import NAMES, figure, pick, show, titles
from dmad.files import make_folder
from dmad.forms.images.pictures import Judged, Pictures, judge_image, outline
from dmad.forms.images.summary import tiles_of
from dmad.forms.video.evaluation import score_clips
from dmad.forms.video.pictures import Image, Limits, diversity_panel, reference_error
from dmad.forms.video.summary import draw
from dmad.inference.detector import Detector, load
from dmad.inference.result import AnomalyResult

# Rows of Fig. 2: label, and where in the order of pixel-wise errors the image is taken.
ROWS = {"normal": (0, 0.5), "unusual\nnormal": (0, 1.0), "abnormal": (1, 0.5)}
UNLABELLED = {"median\nno labels": (0, 0.5), "strongest\nno labels": (0, 1.0)}
EVENTS, ORDINARY = 4, 2  # rows of Fig. 7 of videos
FAINT = 0.1  # px: fields that are all shorter are not enlarged to full colour
MARKED = (0, 230, 90)


def figures(
    run: str | Path, out: Path, root: Path | None = None, cache: Path | None = None
) -> list[Path]:
    """Draw the test split of a run as the paper does; write PNG files and print their paths.

    Single images give `fig2.png`, `fig2-scores.png` and `fig6.png`. Videos, and images with a
    teacher, give `fig7.png`, and `wheel.png`: what the colours of its fields mean.

    Args:
        run: Run folder, `.safetensors` file or name of a shipped model.
        out: Where to write.
        root: Folder of the data set; the one trained on where None.
        cache: Folder for decoded frames.

    Raises:
        DmadError: No such model, no test data, or `out` cannot be written.
    """
    detector = load(run)
    data = lying(detector.config.data, root, cache)
    test = load_split(data, "test")
    require(bool(test.footage.clips), f"{data.root} holds no test data; give --data.root DIR")
    make_folder(out)
    of_frames = of_video if data.history else of_digits
    drawn = (of_images if detector.config.model.teacher else of_frames)(detector, test)
    for name, image in drawn.items():
        visualize.save(image, out / name)
    return [out / name for name in drawn]


def of_digits(detector: Detector, test: LabelledFootage) -> dict[str, Image]:
    """Figs. 2 and 6 of a PDM of single images, by file name."""
    plain, augmented = both_scores(detector, test)
    rows, chosen = rows_of_fig2(plain, test.labels), pick(test)
    shown = [show(detector, test.footage.frames[which]) for which in ([*rows.values()], chosen)]
    return {
        "fig2.png": diversity_panel(shown[0], detector.config.score, list(rows)),
        "fig2-scores.png": scatter(plain, augmented, test.labels, list(rows.values())),
        "fig6.png": figure({"": shown[1]}, titles(test, chosen)),
    }


def both_scores(detector: Detector, test: LabelledFootage) -> np.ndarray:
    """Pixel-wise error and Eq. 14 of N images, (2, N)."""
    found = np.empty((2, len(test.footage.frames)))
    for clip in test.footage.clips:
        for part in detector.explain(test.footage.frames[clip.span], clip.scene, batch=64):
            _, plain = reference_error(part, detector.config.score)
            found[:, clip.start + part.index] = plain, part.columns()[0]
    return found


def ranked(scores: np.ndarray, among: np.ndarray, share: float) -> int:
    """Which of some items lies at a share of their order: 0.5 the median, 1 the highest."""
    places = np.flatnonzero(among)
    order = np.argsort(scores[places], kind="stable")
    return int(places[order[round(share * (len(places) - 1))]])


def rows_of_fig2(errors: np.ndarray, labels: np.ndarray | None) -> dict[str, int]:
    """Title and index of the images that Fig. 2 shows, by their pixel-wise errors (N,)."""
    known, rows = (np.zeros(len(errors)), UNLABELLED) if labels is None else (labels, ROWS)
    shown = {name: place for name, place in rows.items() if place[0] in known}
    return {n: ranked(errors, known == label, share) for n, (label, share) in shown.items()}


def scatter(
    plain: np.ndarray, augmented: np.ndarray, labels: np.ndarray | None, ringed: Sequence[int]
) -> Image:
    """Both scores of all images (N,), 200 dpi; those of Fig. 2 are ringed."""
    drawing, (axis,) = visualize.lay_out(5.5, [4.5], 1)
    known = np.zeros(len(plain)) if labels is None else labels
    colors = (visualize.BLUE, visualize.RED)
    for label, (name, color) in enumerate(zip(NAMES, colors, strict=True)):
        some, text = known == label, "no labels" if labels is None else name
        if some.any():
            axis.scatter(plain[some], augmented[some], 12, color, alpha=0.6, lw=0, label=text)
    axis.scatter(plain[ringed], augmented[ringed], 70, "none", edgecolors="k", label="in Fig. 2")
    axis.set_axisbelow(True)
    axis.set(xlabel="pixel-wise error", ylabel="deformation-augmented score")
    if 0 < known.mean() < 1:
        areas = [micro_auroc(values, known) for values in (plain, augmented)]
        text = "AUROC: {:.3f} pixel-wise, {:.3f} deformation-augmented".format(*areas)
        axis.set_title(text, loc="left", fontsize=10)
    axis.legend()
    return visualize.rendered(drawing, dpi=200)


def of_video(detector: Detector, test: LabelledFootage) -> dict[str, Image]:
    """Fig. 7 of videos: abnormal events at their strongest, and ordinary frames."""
    found, config = AnomalyResult.join(score_clips(detector, test.footage)), detector.config
    frames = frames_of_fig7(found.score, test)
    reach = found.deformation[frames].max() * (config.data.size - 1) / 2
    limits = Limits(config, float(np.nanmedian(found.reconstruction)), max(reach, FAINT))
    rows, names = [], []
    for frame in frames:
        clip = next(c for c in test.footage.clips if frame < c.start + c.length)
        rows.append(draw(detector, test, clip, frame, limits))
        kind = "no labels" if test.labels is None else NAMES[test.labels[frame]]
        names.append(f"{kind}\n{clip.name}, {rows[-1].label()}")
    scales = {
        "deformation": f"full colour: {limits.field:.2g} px",
        "arrows": f"{limits.gain:.0f} times as long",
    }
    heads = [f"{head}\n{scales.get(head, '')}".strip() for head in rows[0].titles()]
    panel = visualize.panel([row.tiles() for row in rows], heads, names)
    return {"fig7.png": panel, "wheel.png": visualize.wheel_legend()}


def frames_of_fig7(scores: np.ndarray, test: LabelledFootage) -> list[int]:
    """The highest frame of some abnormal events, and the median normal one of some clips.

    Events are spread over the clips. Without labels every clip is one, and the highest are taken.
    """
    known, labels = np.isfinite(scores), test.labels  # a gap of unknown ones starts each clip
    abnormal, normal = (
        (known, known) if labels is None else (known & (labels > 0), known & (labels == 0))
    )
    clip_of = np.repeat(np.arange(len(test.footage.clips)), [c.length for c in test.footage.clips])
    peaks = [start + int(scores[start:stop].argmax()) for start, stop in runs(abnormal)]
    if labels is None:
        peaks = sorted(peaks, key=lambda frame: -scores[frame])[:EVENTS]
    firsts = list({clip_of[frame]: frame for frame in peaks[::-1]}.values())[::-1]
    later = [frame for frame in peaks if frame not in firsts]
    medians = [ranked(scores, normal & (clip_of == k), 0.5) for k in np.unique(clip_of[normal])]
    events = [*thin(np.array(firsts, int), EVENTS), *later[: max(0, EVENTS - len(firsts))]]
    return [int(frame) for frame in (*events, *thin(np.array(medians, int), ORDINARY))]


def of_images(detector: Detector, test: LabelledFootage) -> dict[str, Image]:
    """Fig. 7 of images: of each kind the one with the median score, good ones first."""
    assert test.labels is not None
    assert test.classes is not None
    clips, drawing = test.footage.clips, Pictures(detector)
    shown = progress_bar(clips, "judging")
    found = (judge_image(detector, [*test.footage.frames[c.span]], c.name) for c in shown)
    scores, reaches = np.array([(one.score, one.reach) for one in found]).T
    kinds = dict.fromkeys(test.classes[np.argsort(test.labels, kind="stable")].tolist())
    chosen = [ranked(scores, test.classes == kind, 0.5) for kind in kinds]
    drawing.field = max(reaches[chosen].max(), FAINT)
    rows = [row_of_fig7(*tiles_of(detector, test, clips[index], drawing)) for index in chosen]
    names = [f"{kind}\n{name}" for kind, (name, _) in zip(kinds, rows, strict=True)]
    scale = f"field\nfull colour: {drawing.field:.2g} px"
    heads = [head.replace("field", scale) for head in rows[0][1]]
    panel = visualize.panel([list(tiles.values()) for _, tiles in rows], heads, names)
    return {"fig7.png": panel, "wheel.png": visualize.wheel_legend()}


def row_of_fig7(found: Judged, tiles: dict[str, Image]) -> tuple[str, dict[str, Image]]:
    """Score and verdict; and the pictures, with the bent image and the defect's outline."""
    tiles = {**tiles, "bent forward": found.deformed}
    if "marked" in tiles:
        truth = tiles.pop("marked")[..., 0] > 0
        tiles["marked"] = tiles["input"].copy()
        outline(tiles["marked"], truth, MARKED)
    verdict = f"\njudged {found.verdict}" if found.verdict else ""
    return f"score {found.score:.2f}{verdict}", tiles
