"""From an evaluation of images to the page that people open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image as Pillow

from dmad.calibration.standardisation import Scorer
from dmad.config import plain
from dmad.data.footage import Clip
from dmad.data.series import runs
from dmad.data.splits import LabelledFootage
from dmad.evaluation.result import Evaluation
from dmad.evaluation.summary import Panel, Report, Series
from dmad.evaluation.tables import blocks
from dmad.forms.images.pictures import Judged, Pictures, joined, judge_image
from dmad.forms.video.pictures import Image
from dmad.forms.video.summary import fingerprint, roc_curves, warnings
from dmad.inference.detector import Detector

PANELS = 6  # of abnormal and of good images each, those with the highest scores

ROC_CURVES = 3


def compose_images(
    name: str,
    detector: Detector,
    test: LabelledFootage,
    result: Evaluation,
    card: Mapping[str, Any],
) -> Report:
    """Everything the page shows of an image run; as `summary.compose` for video."""
    calibration, draw = result.calibration, Pictures(detector)
    return Report(
        title=f"{detector.config.recipe} / {name}",
        subtitle=subtitle(detector, test),
        headline=headline(result),
        blocks=blocks(result.ledger.rows),
        series=[series(test, result)],
        threshold=calibration.threshold if calibration else None,
        fps=None,
        panels=[panel(detector, test, result, index, draw) for index in strongest(result)],
        roc=roc_curves(result, list(result.deployable)[:ROC_CURVES]),
        alarms=None,
        history=card.get("history", []),
        settings=plain(detector.config),  # with the α that was chosen
        fingerprint=fingerprint(result, card),
        notes=warnings(result),
        unit="image",
    )


def subtitle(detector: Detector, test: LabelledFootage) -> str:
    """What was judged, and how it was trained."""
    data, train, model = detector.config.data, detector.config.train, detector.config.model
    return (
        f"{test.label_name}: {len(test.footage.clips)} test images; {model.teacher}, {data.size} "
        f"pixels, {train.epochs} epochs, seed {train.seed}"
    )


def headline(result: Evaluation) -> list[tuple[str, str, str]]:
    """The figures at the top: detection, localisation, and what the threshold does."""
    wanted = {
        "image_AUROC": "image AUROC, deployable",
        "pixel_AUROC": "pixel AUROC",
        "AUPRO": "AUPRO",
        "recall": "abnormal found",
        "false_positive_rate": "good rejected",
    }
    found = {}
    for row in reversed([row for row in result.ledger.rows if row.block == "deployable"]):
        found[row.metric] = row
    return [
        (f"{found[metric].value:.3f}", name, found[metric].note or found[metric].signal)
        for metric, name in wanted.items()
        if metric in found
    ]


def series(test: LabelledFootage, result: Evaluation) -> Series:
    """All test images in a row, good ones first."""
    order = np.argsort(result.scores.labels, kind="stable")
    first, second = (result.scores.channels[name][order] for name in ("eq20", "eq21"))
    scorer = result.calibration.scorer if result.calibration else Scorer.fit(first, second, 1)
    score = result.deployable[result.signal][order]
    rejected = runs(score >= result.calibration.threshold) if result.calibration else None
    names = [test.footage.clips[index].name for index in order]
    terms = (scorer.reconstruction(first), scorer.deformation(second))
    title, labels = "test images, good ones first", result.scores.labels[order]
    return Series(title, score, *terms, labels, rejected, names)


def strongest(result: Evaluation) -> list[int]:
    """Indices of the images with the highest scores, abnormal ones and good ones."""
    order = np.argsort(-result.deployable[result.signal], kind="stable")
    labels = result.scores.labels[order]
    return [int(index) for label in (1, 0) for index in order[labels == label][:PANELS]]


def panel(
    detector: Detector, test: LabelledFootage, result: Evaluation, index: int, draw: Pictures
) -> Panel:
    """One image, its heat, its fields and where the defect was marked."""
    clip = test.footage.clips[index]
    found, tiles = tiles_of(detector, test, clip, draw)
    label = "abnormal" if result.scores.labels[index] else "good"
    verdict = f"judged {found.verdict}" if found.verdict else "no threshold yet"
    return Panel(
        clip.name,
        f"score {found.score:.2f}; labelled {label}; {verdict}",
        np.concatenate(list(tiles.values()), axis=1),
        tuple(tiles),
    )


def tiles_of(
    detector: Detector, test: LabelledFootage, clip: Clip, draw: Pictures
) -> tuple[Judged, dict[str, Image]]:
    """The image of a clip, judged, and its pictures (H, W, 3) by their names."""
    frames = test.footage.frames[clip.span]
    found = judge_image(detector, list(frames), clip.name)
    frame = joined(frames, detector.config.data.canvas)
    tiles = draw.tiles(frame, found)
    for mask in test.masks(clip.name) if test.masks else ():  # none of a defect nobody marked
        tiles["marked"] = np.asarray(Pillow.fromarray(mask).convert("RGB"))
    return found, tiles
