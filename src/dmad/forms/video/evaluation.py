"""Score a labelled test split of clips, and make its table of results (the ledger)."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from dmad.calibration.normal_places import NOWHERE, NormalPlaces
from dmad.console import progress_bar, warn_about
from dmad.data.footage import Footage, LabelledFootage, frame_rate
from dmad.data.zones import ALL, Zone
from dmad.evaluation.frame_ledger import build_frame_ledger
from dmad.evaluation.ledger import Row
from dmad.evaluation.pixel_metrics import PixelMetrics
from dmad.evaluation.region_metrics import region_criteria
from dmad.evaluation.result import CALIBRATED, RAW, RAW_12, RAW_13, Evaluation
from dmad.evaluation.score_file import ScoreSet
from dmad.files import temporary_array
from dmad.inference.detector import Detector
from dmad.inference.result import AnomalyResult, JudgedFrames
from dmad.inference.warnings import rate_warnings

logger = logging.getLogger(__name__)


def evaluate(detector: Detector, test: LabelledFootage) -> Evaluation:
    """Score every clip of a test split, and make the table of results."""
    config = detector.config
    maps = _empty_maps(test) if test.masks else None
    scores = score_set(score_clips(detector, test.footage, maps), test, config.data.fps)
    reconstruction, deformation = scores.channels["eq12"], scores.channels["eq13"]
    signals = {RAW: scores.channels["score"], RAW_12: reconstruction, RAW_13: deformation}
    rules = {}
    calibration = detector.calibration
    if calibration:
        warn_about(rate_warnings(calibration, scores.fps), logger)
        if calibration.places:
            logger.warning("places that were marked as normal count fully in the evaluation")
        calibrated = calibration.score(reconstruction, deformation, scores.clip_lengths)
        signals = {CALIBRATED: calibrated, **signals}
        rules[CALIBRATED] = calibration.rule
    ledger = build_frame_ledger(
        scores, signals, config.data.layout, rules, ordered=config.data.history > 0
    )
    if maps is not None:
        ledger = replace(ledger, rows=[*ledger.rows, *pixel_rows(maps, test)])
    return Evaluation(ledger, scores, signals, calibration)


def _empty_maps(test: LabelledFootage) -> np.ndarray:
    """An array for the score maps of all frames, (N, H, W), filled with NaN."""
    maps = temporary_array(test.footage.frames.shape[:3], np.float32)
    maps[:] = np.nan
    return maps


def pixel_rows(maps: np.ndarray, test: LabelledFootage) -> list[Row]:
    """Return rows for the table of results: pixel AUROC, AUPRO, RBDC and TBDC.

    Args:
        maps: Score maps (N, H, W).
        test: Footage with masks, which show the labelled anomalies.
    """
    frames = MaskedFrames(maps, test)
    metrics = PixelMetrics()
    for scores, mask in frames:
        metrics.update(scores, mask)
    regions = region_criteria(frames, [clip.length for clip in test.footage.clips])
    figures = metrics.to_dict() | {"RBDC": regions.rbdc, "TBDC": regions.tbdc}
    notes = {"RBDC": f"{regions.regions} regions", "TBDC": f"{regions.tracks} tracks"}
    return [
        Row("deployable", RAW, name, value, notes.get(name, "")) for name, value in figures.items()
    ]


class MaskedFrames:
    """Iterates over the score map and the mask of every frame, and reads masks clip by clip.

    The mask of a frame shows its labelled anomalies.

    Args:
        maps: Score maps (N, H, W).
        test: Footage with masks.
    """

    def __init__(self, maps: np.ndarray, test: LabelledFootage) -> None:
        self.maps, self.test = maps, test

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        assert self.test.masks is not None
        for clip in self.test.footage.clips:
            yield from zip(self.maps[clip.span], self.test.masks(clip.name), strict=False)


def score_set(results: Sequence[AnomalyResult], test: LabelledFootage, fps: float) -> ScoreSet:
    """Join the scores of all clips.

    Args:
        results: The result of each clip.
        test: The labelled clips.
        fps: Frames per second, if the footage does not state them.
    """
    assert test.labels is not None
    joined = AnomalyResult.join(results)
    channels = {"score": joined.raw, "eq12": joined.reconstruction, "eq13": joined.deformation}
    lengths = np.array([len(result.score) for result in results])
    labels = test.labels.astype(np.uint8)
    rate = frame_rate(test.footage.clips, fps)
    return ScoreSet(channels | joined.released, labels, lengths, rate, test.label_name)


def score_clips(
    detector: Detector,
    footage: Footage,
    maps: np.ndarray | None = None,
    zone: Zone = ALL,
    places: NormalPlaces = NOWHERE,
) -> list[AnomalyResult]:
    """Score every clip, with a progress bar.

    Args:
        detector: The model.
        footage: The clips.
        maps: Array (N, H, W) to write the score maps into, in the order of `footage.frames`. None:
            no maps are written.
        zone: The part of the view that is scored.
        places: Places of the view whose scores count less.
    """
    history = detector.config.data.history
    results = []
    for clip in progress_bar(footage.clips, "scoring"):
        clip_maps = None if maps is None else maps[clip.span]
        every = detector.judge(footage.frames[clip.span], clip.scene)
        batches: Iterable[JudgedFrames]
        batches = (detector.inside(zone, judged, places) for judged in every)
        if clip_maps is not None:
            batches = _with_maps(detector, batches, clip_maps)
        results.append(AnomalyResult.from_batches(batches, history))
    return results


def _with_maps(
    detector: Detector, batches: Iterable[JudgedFrames], maps: np.ndarray
) -> Iterator[JudgedFrames]:
    """Write the score maps of a clip into `maps`, and yield its batches unchanged."""
    for judged in batches:
        maps[judged.index] = detector.pixel_scores(judged)
        yield judged
