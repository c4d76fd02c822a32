"""Score a labelled test split of images, and make its table of results (the ledger)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from dmad.config import Config, ImageConfig
from dmad.console import progress_bar
from dmad.data.footage import Footage, LabelledFootage
from dmad.data.tiles import blend
from dmad.data.zones import ALL, Zone
from dmad.evaluation.image_ledger import build_image_ledger, larger_rows, paper_alpha
from dmad.evaluation.ledger import BlockName, Row
from dmad.evaluation.pixel_metrics import PixelMetrics
from dmad.evaluation.result import Evaluation
from dmad.evaluation.score_file import ScoreSet
from dmad.files import temporary_array
from dmad.inference.detector import Detector
from dmad.model.scoring import gaussian_blur

BATCH = 8
CALIBRATED = "standardised"  # the score that is compared with the threshold
RAW = "Eq. 22"  # with the α of the model, which was chosen without real anomalies
DISTANCE = "distance to the bank"  # raw score of recipe `patches`; its bank is the stored patches
WITHOUT_DEFORMATION = "Eq. 20"
DEFORMATION_ALONE = "Eq. 21"


@dataclass(frozen=True, eq=False)
class ScoredImages:
    """Score terms and maps of N images, not yet weighted by α."""

    reconstruction: np.ndarray  # (N,): first term of Eq. 22
    deformation: np.ndarray  # (N,): second term, without α
    maps: np.ndarray  # (2, N, H, W) float32: both maps of Eq. 23, smoothed, without α

    def score(self, alpha: float) -> np.ndarray:
        """Return the raw score of each image (Eq. 22), (N,)."""
        return self.reconstruction + alpha * self.deformation

    def pixel_scores(self, index: int, alpha: float) -> np.ndarray:
        """Return the score of each pixel of one image (Eq. 23), (H, W)."""
        reconstruction, deformation = self.maps[:, index]
        return np.asarray(reconstruction + alpha * deformation)


def score_frames(
    detector: Detector, frames: Sequence[np.ndarray], zone: Zone = ALL
) -> ScoredImages:
    """Score images, or tiles of images, (H, W, 3) uint8 each. The maps are stored on disk.

    Args:
        detector: A model of images.
        frames: The images, or all tiles of each image, row by row.
        zone: The part of each image that is scored.
    """
    config = detector.config
    maps = temporary_array((2, len(frames), config.data.size, config.data.size), np.float32)
    terms = np.empty((2, len(frames)))
    batches = detector.judge(frames, batch=BATCH)
    for whole in progress_bar(batches, "scoring", -(-len(frames) // BATCH)):
        judged = detector.inside(zone, whole)
        for k, one in enumerate((judged.reconstruction_map, judged.deformation_map)):
            maps[k, judged.index] = gaussian_blur(torch.from_numpy(one), config.score.sigma).numpy()
        terms[:, judged.index] = judged.reconstruction, judged.deformation
    return ScoredImages(terms[0], terms[1], maps)


def frames_of(footage: Footage) -> list[np.ndarray]:
    """Return all images in the order of the clips, or the tiles of all images."""
    return [footage.frames[clip.start + k] for clip in footage.clips for k in range(clip.length)]


def score_images(detector: Detector, footage: Footage, zone: Zone = ALL) -> ScoredImages:
    """Score every image. An image is stored as a clip of one frame, or of one frame per tile.

    If an image is cut into tiles, its terms are the highest terms of its tiles, and its map is
    blended from the maps of its tiles.
    """
    tiles, data = score_frames(detector, frames_of(footage), zone), detector.config.data
    if data.tiles == 1:
        return tiles
    count, each = len(footage.clips), data.tiles**2
    maps = temporary_array((2, count, data.canvas, data.canvas), np.float32)
    for k in range(2):
        for index in range(count):
            own_tiles = tiles.maps[k, index * each : (index + 1) * each]
            maps[k, index] = blend(own_tiles, data.canvas)
    reconstruction = tiles.reconstruction.reshape(count, each).max(1)
    deformation = tiles.deformation.reshape(count, each).max(1)
    return ScoredImages(reconstruction, deformation, maps)


def evaluate(detector: Detector, test: LabelledFootage) -> Evaluation:
    """Score a labelled test split. Return the scores and the table of results (the ledger)."""
    assert test.labels is not None
    alpha = detector.config.score.alpha
    zone = detector.calibration.zone if detector.calibration else ALL
    scored = score_images(detector, test.footage, zone)
    channels = {"score": scored.score(alpha)}
    if detector.config.deforms:
        channels |= {"eq20": scored.reconstruction, "eq21": scored.deformation}
    lengths = np.ones(len(test.labels), np.int64)
    scores = ScoreSet(channels, test.labels, lengths, 0.0, test.label_name)
    paper = paper_signals(detector.config) if detector.config.deforms else {}
    signals = deployable_signals(detector, scored)
    thresholds = detector.levels if detector.calibration else {}
    ledger = build_image_ledger(
        scores,
        {name: scored.score(paper_alpha) for name, paper_alpha in paper.items()},
        signals,
        {budget: (CALIBRATED, level) for budget, level in thresholds.items()},
    )
    rows = list(ledger.rows)
    if test.masks:
        inside = masks_inside(test, zone, detector.config.data.canvas)
        for name, paper_alpha in paper.items():
            rows += pixel_rows("paper", name, scored, paper_alpha, inside)
        rows += pixel_rows("deployable", raw_name(detector.config), scored, alpha, inside)
    rows = larger_rows(rows, list(paper)) + rows
    return Evaluation(replace(ledger, rows=rows), scores, signals, detector.calibration)


def masks_inside(test: LabelledFootage, zone: Zone, size: int) -> LabelledFootage:
    """Return a test split with masks cut off at the border of a zone: only the zone is scored."""
    kept, masks = zone.mask(size), test.masks
    if kept is None or masks is None:
        return test
    return replace(test, masks=lambda name: masks(name) & kept)


def paper_signals(config: ImageConfig) -> dict[str, float]:
    """Return the α of the paper's two scores, by the names of the scores.

    For each metric, the paper reports the better result of the two scores.
    """
    alpha = paper_alpha(category(config))
    return {f"Eq. 22, α = {alpha:g}": alpha, WITHOUT_DEFORMATION: 0.0}


def category(config: ImageConfig) -> str:
    """Return the category in the settings (MVTec AD), else the name of the image folder."""
    root = config.data.root
    return config.data.categories or (root.name if root else "")


def raw_name(config: Config) -> str:
    """Return the name of the raw score."""
    return RAW if config.deforms else DISTANCE


def deployable_signals(detector: Detector, scored: ScoredImages) -> dict[str, np.ndarray]:
    """Return the scores that can be computed without labels, (N,) each, by their names.

    The first is the score that is compared with the threshold, if there is a threshold.
    """
    signals = {raw_name(detector.config): scored.score(detector.config.score.alpha)}
    if detector.config.deforms:
        signals[WITHOUT_DEFORMATION] = scored.reconstruction
        signals[DEFORMATION_ALONE] = scored.deformation
    if detector.calibration is None:
        return signals
    calibrated = detector.calibration.score(scored.reconstruction, scored.deformation)
    return {CALIBRATED: calibrated, **signals}


def pixel_rows(
    block: BlockName, signal: str, scored: ScoredImages, alpha: float, test: LabelledFootage
) -> list[Row]:
    """Return ledger rows with the pixel AUROC and the AUPRO of Eq. 23.

    Only images with a mask are used. If no image has a mask, there are no rows.
    """
    assert test.masks is not None
    metrics, used = PixelMetrics(), 0
    for index, clip in enumerate(test.footage.clips):
        for mask in test.masks(clip.name):
            metrics.update(scored.pixel_scores(index, alpha), mask)
            used += 1
    if not used:
        return []
    note = f"{used} of {len(test.footage.clips)} images"
    return [Row(block, signal, name, value, note) for name, value in metrics.to_dict().items()]
