"""A trained model on a test split: scores and ledger."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dmad.config import DataConfig
from dmad.console import progress_bar, warn_about
from dmad.data.footage import Clip, Footage, fingerprint, frame_rate
from dmad.data.reading.paths import own_name
from dmad.data.splits import LabelledFootage, load_split, lying, trained_on
from dmad.data.zones import ALL, Zone
from dmad.errors import DmadError, require
from dmad.evaluation.ledger import Row, draw_up
from dmad.evaluation.pixel_metrics import PixelMetrics
from dmad.evaluation.region_metrics import region_criteria
from dmad.evaluation.result import CALIBRATED, RAW, RAW_12, RAW_13, Evaluation
from dmad.evaluation.score_file import ScoreSet, write_scores
from dmad.evaluation.tables import write as write_ledger
from dmad.files import make_folder, room, write_whole
from dmad.forms.images.evaluation import inspect
from dmad.forms.images.summary import compose_images
from dmad.forms.video.summary import compose
from dmad.inference.detector import Detector, Explained, load
from dmad.inference.result import AnomalyResult
from dmad.inference.warnings import rate_notes
from dmad.model.scoring import pixel_map
from dmad.report.page import render
from dmad.runs import Run, find_model, read_card

logger = logging.getLogger(__name__)


def evaluate(
    run: str | Path, root: Path | None = None, cache: Path | None = None, out: Path | None = None
) -> Evaluation:
    """Score the test split of a run's data set; write ledger, scores and `report.html`.

    Args:
        run: Run folder, `.safetensors` file or name of a shipped model.
        root: Folder of the data set; the one trained on where None.
        cache: Folder for decoded frames.
        out: Where to write; `RUN/evaluation` where None.

    Raises:
        DmadError: No such model, no test data, or no labels.
    """
    detector = load(run)
    if out is None:
        require(Path(run).is_dir(), f"{run} is no run folder; say where to write with --out DIR")
        out = Run(Path(run)).evaluation
    data = lying(detector.config.data, root, cache)
    test = load_split(data, "test")
    require(
        test.labels is not None,
        f"the test split of {data.root} has no labels; see `dmad data {data.root}` for where they "
        "go, or use `dmad predict`",
    )
    kinds = np.unique(np.asarray(test.labels))
    require(
        len(kinds) > 1,
        f"all of {data.root} is {('normal', 'abnormal')[kinds[0]]} by its labels or folders "
        f"({test.label_name}); an evaluation needs both kinds",
    )
    make_folder(out := Path(out))
    if told := known_before(detector, data, read_card(find_model(run))):
        logger.warning(told)
        test = replace(test, label_name=f"{test.label_name}; {told}")
    result = judge(detector, test)
    write(result, out)
    tell_all = compose_images if detector.config.model.teacher else compose
    page = render(tell_all(own_name(Path(run)), detector, test, result, read_card(find_model(run))))
    write_whole(out / "report.html", page)
    return result


def known_before(detector: Detector, data: DataConfig, card: dict[str, Any]) -> str:
    """What is to be said where normal samples of the test split were, or may be, trained on."""
    apart = "put those to test on into a folder test"
    if data.root != detector.config.data.root:
        return ""
    if trained_on(data):
        return f"its normal clips were trained on too: {apart}"
    if not detector.config.model.teacher:
        return ""
    try:
        now = fingerprint(load_split(data, "train").footage)
    except DmadError:  # they are gone, which keeps nobody from testing
        return ""
    changed = "its good images are not those of the training any more"
    told = f"{changed}, and some may be tested that were trained on: {apart}"
    return "" if now == card["data"]["sha256"] else told


def judge(detector: Detector, test: LabelledFootage) -> Evaluation:
    """Score every clip and draw up the ledger."""
    if detector.config.model.teacher:
        return inspect(detector, test)
    assert test.labels is not None
    config = detector.config
    maps = room(test.footage.frames.shape[:3], np.float32) if test.masks else None
    if maps is not None:
        maps[:] = np.nan  # where nothing is written
    scores = score_set(score_clips(detector, test.footage, maps), test, config.data.fps)
    located = [] if maps is None else pixel_rows(maps, test)
    eq12, eq13 = scores.channels["eq12"], scores.channels["eq13"]
    deployable = {
        RAW: scores.channels["score"],
        RAW_12: eq12,
        RAW_13: eq13,
    }
    rules = {}
    if calibration := detector.calibration:
        warn_about(rate_notes(calibration, scores.fps), logger)
        scored = calibration.scorer(eq12, eq13, scores.clip_lengths)
        deployable = {CALIBRATED: scored, **deployable}
        rules[CALIBRATED] = calibration.rule
    ledger = draw_up(scores, config.recipe, deployable, rules, ordered=config.data.history > 0)
    ledger = replace(ledger, rows=[*ledger.rows, *located])
    return Evaluation(ledger, scores, deployable, calibration)


def pixel_rows(maps: np.ndarray, test: LabelledFootage) -> list[Row]:
    """Where the model looked: pixel AUROC, AUPRO, RBDC and TBDC of the maps of Eq. 14."""
    frames = MaskedFrames(maps, test)
    metrics = PixelMetrics()
    for scores, mask in frames:
        metrics.update(scores, mask)
    regions = region_criteria(frames, [clip.length for clip in test.footage.clips])
    found = metrics.figures() | {"RBDC": regions.rbdc, "TBDC": regions.tbdc}
    notes = {"RBDC": f"{regions.regions} regions", "TBDC": f"{regions.tracks} tracks"}
    return [Row("deployable", RAW, name, found[name], notes.get(name, "")) for name in found]


class MaskedFrames:
    """(score map, mask) of every frame, read clip by clip, as often as asked."""

    def __init__(self, maps: np.ndarray, test: LabelledFootage) -> None:
        self.maps, self.test = maps, test

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        assert self.test.masks is not None
        for clip in self.test.footage.clips:
            yield from zip(self.maps[clip.span], self.test.masks(clip.name), strict=False)


def score_set(results: list[AnomalyResult], test: LabelledFootage, fps: float) -> ScoreSet:
    """All channels of all clips."""
    assert test.labels is not None
    joined = AnomalyResult.join(results)
    channels = {"score": joined.score, "eq12": joined.reconstruction, "eq13": joined.deformation}
    lengths = np.array([len(result.score) for result in results])
    labels = test.labels.astype(np.uint8)
    rate = frame_rate(test.footage.clips, fps)
    return ScoreSet(channels | joined.released, labels, lengths, rate, test.label_name)


def score_clips(
    detector: Detector,
    footage: Footage,
    maps: np.ndarray | None = None,
    zone: Zone = ALL,
) -> list[AnomalyResult]:
    """Every clip by itself, with progress on standard error.

    Args:
        detector: The model.
        footage: Clips.
        maps: (N, H, W) to write the score maps into, as `footage.frames` lie.
        zone: The part of the view that counts.
    """
    config, mask = detector.config, detector.mask(zone)

    def parts(clip: Clip) -> Iterator[Explained]:
        frames = footage.frames[clip.span]
        for whole in detector.explain(frames, clip.scene):
            part = whole.within(mask, config.score)
            if maps is not None:
                maps[clip.start + part.index] = pixel_map(part.scores, config.score).cpu().numpy()
            yield part

    clips = progress_bar(footage.clips, "scoring")
    return [AnomalyResult.of(parts(clip), config.data.history) for clip in clips]


def write(result: Evaluation, out: Path) -> None:
    """`scores.npz`, `ledger.json` and `ledger.md` into a folder, each whole or not at all."""
    write_scores(result.scores, out / "scores.npz")
    write_ledger(result.ledger, out, "Ledger")
