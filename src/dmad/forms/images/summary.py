"""The content of the report page of an evaluation of images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image as Pillow

from dmad.calibration.standardisation import Scorer
from dmad.config import plain
from dmad.data.footage import Clip, LabelledFootage
from dmad.data.series import intervals
from dmad.evaluation.result import Evaluation
from dmad.evaluation.summary import Panel, Report, Series
from dmad.evaluation.table import Table
from dmad.forms.images.evaluation import DISTANCE
from dmad.forms.images.pictures import ImagePictures, JudgedImage, join_tiles, judge_image
from dmad.forms.video.pictures import Image
from dmad.forms.video.summary import fingerprint, result_tables, roc_curves, threshold_notes
from dmad.inference.detector import Detector

PANELS = 6  # number of abnormal images, and of good images; those with the highest scores
ROC_CURVES = 3


def summarise(
    title: str,
    detector: Detector,
    test: LabelledFootage,
    evaluation: Evaluation,
    card: Mapping[str, Any],
) -> Report:
    """Return the content of the report page of an evaluation.

    Args:
        title: Name of the run.
        detector: The model.
        test: The test split.
        evaluation: The scores and the table of results of the test split.
        card: The model's card.
    """
    calibration, draw = evaluation.calibration, ImagePictures(detector)
    shown = [test.footage.clips[index] for index in shown_images(evaluation)]
    labels = dict(zip(test.footage.clips, evaluation.scores.labels, strict=True))
    tables, folded = result_tables(evaluation, detector.config.data.layout)
    deforms = detector.config.deforms
    return Report(
        title=f"{detector.config.recipe} / {title}",
        subtitle=subtitle(detector, test),
        headline=headline(evaluation),
        tables=[*verdict_table(evaluation), *tables],
        folded=folded,
        series=[series(test, evaluation)],
        threshold=calibration.threshold if calibration else None,
        fps=None,
        panels=[panel(detector, test, clip, bool(labels[clip]), draw) for clip in shown],
        roc=roc_curves(evaluation, list(evaluation.deployable)[:ROC_CURVES]),
        alarms=None,
        history=card.get("history", []),
        settings=plain(detector.config),  # with the α that was chosen
        fingerprint=fingerprint(evaluation, card),
        notes=threshold_notes(evaluation),
        unit="image",
        terms=Report.terms if deforms else [DISTANCE],
    )


def subtitle(detector: Detector, test: LabelledFootage) -> str:
    """Return a line that names the test split and the settings of the training."""
    config = detector.config
    return (
        f"{test.label_name}: {len(test.footage.clips)} test images; {config.model.teacher}, "
        f"{config.data.size} pixels, {config.training}, seed {config.train.seed}"
    )


def headline(evaluation: Evaluation) -> list[tuple[str, str, str]]:
    """Return the numbers at the top of the page: value, name and remark of each."""
    titles = {
        "image_AUROC": "image AUROC, deployable",
        "pixel_AUROC": "pixel AUROC",
        "AUPRO": "AUPRO",
        "recall": "abnormal found",
        "false_positive_rate": "good rejected",
    }
    deployable = [row for row in evaluation.ledger.rows if row.block == "deployable"]
    first_rows = {row.metric: row for row in reversed(deployable)}
    figures = []
    for metric, title in titles.items():
        if metric in first_rows:
            row = first_rows[metric]
            figures.append((f"{row.value:.3f}", title, row.note or row.signal))
    return figures


def series(test: LabelledFootage, evaluation: Evaluation) -> Series:
    """Return the scores of all test images, good ones first.

    The terms are those of Eq. 22, standardised. Without a deformation, the only term is the raw
    score.
    """
    labels, calibration = evaluation.scores.labels, evaluation.calibration
    order = np.argsort(labels, kind="stable")
    score = evaluation.deployable[evaluation.signal][order]
    channels = {name: values[order] for name, values in evaluation.scores.channels.items()}
    first, second = channels["score"], None
    if "eq21" in channels:
        eq20, eq21 = channels["eq20"], channels["eq21"]
        scorer = calibration.scorer if calibration else Scorer.fit(eq20, eq21, weight=1)
        first, second = scorer.reconstruction(eq20), scorer.deformation(eq21)
    return Series(
        name="test images, good ones first",
        score=score,
        reconstruction=first,
        deformation=second,
        labels=labels[order],
        events=intervals(score >= calibration.threshold) if calibration else None,
        names=[test.footage.clips[index].name for index in order],
    )


def verdict_table(evaluation: Evaluation) -> list[Table]:
    """Return a list with one table: how many images get each verdict.

    The list is empty if there is no threshold.
    """
    calibration = evaluation.calibration
    if calibration is None:
        return []
    anomalous = evaluation.deployable[evaluation.signal] >= calibration.threshold
    rows = []
    for name, label in (("abnormal images", 1), ("good images", 0)):
        verdicts = anomalous[evaluation.scores.labels == label]
        rows.append([name, str(verdicts.sum()), str((~verdicts).sum())])
    note = f"The number of test images with each verdict (threshold {calibration.threshold:.3g})."
    return [Table("verdicts", ["label", "judged anomalous", "judged good"], rows, [note])]


def shown_images(evaluation: Evaluation) -> list[int]:
    """Indices of the images to show: wrong verdicts first, then the highest scores."""
    return list(dict.fromkeys([*wrong_verdicts(evaluation), *strongest(evaluation)]))


def wrong_verdicts(evaluation: Evaluation) -> list[int]:
    """Indices of the images with the worst wrong verdicts.

    Missed abnormal images come first, then rejected good images. The list is empty without a
    threshold.
    """
    if evaluation.calibration is None:
        return []
    score, labels = evaluation.deployable[evaluation.signal], evaluation.scores.labels
    anomalous = score >= evaluation.calibration.threshold
    order = np.argsort(score, kind="stable")
    missed = [int(index) for index in order if labels[index] and not anomalous[index]]
    rejected = [int(index) for index in order[::-1] if not labels[index] and anomalous[index]]
    return [*missed[:PANELS], *rejected[:PANELS]]


def strongest(evaluation: Evaluation) -> list[int]:
    """Indices of the images with the highest scores: abnormal images, then good images."""
    order = np.argsort(-evaluation.deployable[evaluation.signal], kind="stable")
    labels = evaluation.scores.labels[order]
    return [int(index) for label in (1, 0) for index in order[labels == label][:PANELS]]


def panel(
    detector: Detector, test: LabelledFootage, clip: Clip, abnormal: bool, draw: ImagePictures
) -> Panel:
    """Return the pictures of one test image, side by side.

    These are the image, the image with its heat map and, if they exist, the fields and the mask.
    """
    judged, tiles = judged_tiles(detector, test, clip, draw)
    label = "abnormal" if abnormal else "good"
    verdict = f"judged {judged.verdict}" if judged.verdict else "no threshold yet"
    if judged.verdict and abnormal != (judged.verdict == "anomalous"):
        verdict += ": wrong"
    return Panel(
        title=clip.name,
        caption=f"score {judged.score:.2f}; labelled {label}; {verdict}",
        image=np.concatenate(list(tiles.values()), axis=1),
        tiles=tuple(tiles),
    )


def judged_tiles(
    detector: Detector, test: LabelledFootage, clip: Clip, draw: ImagePictures
) -> tuple[JudgedImage, dict[str, Image]]:
    """Score the image of a clip. Return the result, and the pictures (H, W, 3) by their titles."""
    frames = test.footage.frames[clip.span]
    judged = judge_image(detector, list(frames), clip.name)
    image = join_tiles(frames, detector.config.data.canvas)
    tiles = draw.tiles(image, judged)
    for mask in test.masks(clip.name) if test.masks else ():  # none if the defect has no mask
        tiles["marked"] = np.asarray(Pillow.fromarray(mask).convert("RGB"))
    return judged, tiles
