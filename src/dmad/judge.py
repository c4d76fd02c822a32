"""A trained model on a test split: scores, ledger; and its threshold from normal footage alone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from dmad.config import DataConfig, require
from dmad.data.frames import Clip, ClipSource, Footage, frame_rate
from dmad.data.images import scan
from dmad.data.load import LabelledFootage, load_split, read
from dmad.evaluation.calibration import AlarmShape, Budget, Calibration
from dmad.evaluation.calibration import calibrate as choose_threshold
from dmad.evaluation.ledger import Row, draw_up
from dmad.evaluation.pixels import PixelMetrics
from dmad.evaluation.regions import region_criteria
from dmad.evaluation.result import CALIBRATED, RAW, Evaluation
from dmad.evaluation.scores import ScoreSet, write_scores
from dmad.evaluation.show import write as write_ledger
from dmad.inference.detector import Detector, Explained, load
from dmad.inference.predict import clips_in, folder_names
from dmad.inference.result import AnomalyResult
from dmad.inspection import IMAGE_BUDGET, Choice, choose, image_threshold, inspect
from dmad.report import render
from dmad.runs import Run, find_model, make_folder, read_card, write_whole
from dmad.scoring import pixel_map
from dmad.summary import compose
from dmad.summary_images import compose_images

BUDGET = "1/hour"  # of videos


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
    out = out or (Run(Path(run)).evaluation if Path(run).is_dir() else None)
    require(out is not None, f"{run} is no run folder; say where to write with --out DIR")
    make_folder(Path(out or ""))
    data = lying(detector.config.data, root, cache)
    test = load_split(data, "test")
    require(
        test.labels is not None,
        f"the test split of {data.root} has no labels; see `dmad data {data.root}` for where they "
        "go, or use `dmad predict`",
    )
    result = judge(detector, test)
    write(result, Path(out or ""))
    tell_all = compose_images if detector.config.model.teacher else compose
    page = render(tell_all(Path(run).name, detector, test, result, read_card(find_model(run))))
    write_whole(Path(out or "") / "report.html", page)
    return result


def lying(data: DataConfig, root: Path | None, cache: Path | None) -> DataConfig:
    """The data's settings, with its places said anew."""
    return replace(data, root=root or data.root, cache=cache or data.cache)


def judge(detector: Detector, test: LabelledFootage) -> Evaluation:
    """Score every clip and draw up the ledger."""
    if detector.config.model.teacher:
        return inspect(detector, test)
    assert test.labels is not None
    config = detector.config
    with TemporaryDirectory() as scratch:
        maps = new_maps(test, Path(scratch)) if test.masks else None
        scores = score_set(score_clips(detector, test.footage, maps), test, config.data.fps)
        located = [] if maps is None else pixel_rows(maps, test)
    eq12, eq13 = scores.channels["eq12"], scores.channels["eq13"]
    deployable = {
        RAW: scores.channels["score"],
        "Eq. 12 alone, raw": eq12,
        "Eq. 13 alone, raw": eq13,
    }
    rules = {}
    if calibration := detector.calibration:
        scored = calibration.scorer(eq12, eq13, scores.clip_lengths)
        deployable = {CALIBRATED: scored, **deployable}
        rules[CALIBRATED] = calibration.rule
    ledger = draw_up(scores, config.recipe, deployable, rules)
    ledger = replace(ledger, rows=[*ledger.rows, *located])
    return Evaluation(ledger, scores, deployable, calibration)


def new_maps(test: LabelledFootage, folder: Path) -> np.ndarray:
    """Room on disk for a score map a frame, (N, H, W) float32; NaN where nothing is written."""
    frames = test.footage.frames
    maps = np.memmap(folder / "maps", np.float32, "w+", shape=frames.shape[:3])
    maps[:] = np.nan
    return maps


def pixel_rows(maps: np.ndarray, test: LabelledFootage) -> list[Row]:
    """Where the model looked: pixel AUROC, AUPRO, RBDC and TBDC of the maps of Eq. 14."""
    frames = MaskedFrames(maps, test)
    metrics = PixelMetrics()
    for scores, mask in frames:
        metrics.update(scores, mask)
    regions = region_criteria(frames, [clip.length for clip in test.footage.clips])
    found = {"pixel_AUROC": metrics.auroc(), "AUPRO": metrics.aupro()}
    found |= {"RBDC": regions.rbdc, "TBDC": regions.tbdc}
    notes = {"RBDC": f"{regions.regions} regions", "TBDC": f"{regions.tracks} tracks"}
    return [Row("deployable", RAW, name, found[name], notes.get(name, "")) for name in found]


class MaskedFrames:
    """(score map, mask) of every frame, read clip by clip, as often as asked."""

    def __init__(self, maps: np.ndarray, test: LabelledFootage) -> None:
        self.maps, self.test = maps, test

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        assert self.test.masks is not None
        for clip in self.test.footage.clips:
            yield from zip(self.maps[clip.start :], self.test.masks(clip.name), strict=False)


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
    detector: Detector, footage: Footage, maps: np.ndarray | None = None
) -> list[AnomalyResult]:
    """Every clip by itself, with progress on standard error.

    Args:
        detector: The model.
        footage: Clips.
        maps: (N, H, W) to write the score maps into, as `footage.frames` lie.
    """
    console = Console(stderr=True)
    config = detector.config

    def parts(clip: Clip) -> Iterator[Explained]:
        frames = footage.frames[clip.start : clip.start + clip.length]
        for part in detector.explain(frames, clip.scene):
            if maps is not None:
                maps[clip.start + part.index] = pixel_map(part.scores, config.score).cpu().numpy()
            yield part

    quiet = not console.is_terminal
    clips = track(footage.clips, "scoring", console=console, transient=True, disable=quiet)
    return [AnomalyResult.of(parts(clip), config.data.history) for clip in clips]


def write(result: Evaluation, out: Path) -> None:
    """`scores.npz`, `ledger.json` and `ledger.md` into a folder, each whole or not at all."""
    write_scores(result.scores, out / "scores.npz")
    write_ledger(result.ledger, out, "Ledger")


def calibrate(
    run: str | Path,
    normal: Sequence[str | Path] = (),
    budget: Budget | str = "",
    shape: AlarmShape | None = None,
    root: Path | None = None,
    cache: Path | None = None,
    fps: float = 0.0,
    weight: float | None = None,
) -> Calibration:
    """Set a run's threshold from normal footage, and keep it in `model.json`.

    Args:
        run: Run folder.
        normal: Normal clips not trained on, or folders of them; what the training held out where
            empty.
        budget: False alarms that are acceptable, such as "1/day", or for images "0.01/image";
            `BUDGET` and `IMAGE_BUDGET` where empty.
        shape: What counts as one alarm.
        root: Folder of the data set; the one trained on where None.
        cache: Folder for decoded frames.
        fps: Frames a second, where the footage does not say.
        weight: Of the standardised deformation; the run's `score.weight` where None.

    Raises:
        DmadError: No such run, nothing held out, frames a second unknown.
    """
    detector = load(run)
    data = lying(detector.config.data, root, cache)
    if detector.config.model.teacher:
        good = read_images(normal, data) if normal else load_split(data, "held_out").footage
        found, levels = image_threshold(detector, good, budget or IMAGE_BUDGET)
        note(run, {"calibration": found.to_dict(), "levels": levels})
        return found
    footage = read_clips(normal, data) if normal else load_split(data, "held_out").footage
    weight = detector.config.score.weight if weight is None else weight
    found = threshold(detector, footage, budget or BUDGET, weight, shape, fps)
    note(run, {"calibration": found.to_dict()})
    return found


def choose_alpha(run: str | Path) -> Choice:
    """Choose α of an image run by synthetic defects in its held-out images; keep it.

    Raises:
        DmadError: No such run, or nothing held out.
    """
    detector = load(run)
    found = choose(detector, load_split(detector.config.data, "held_out").footage)
    note(run, {"choice": asdict(found)})
    return found


def note(run: str | Path, entries: Mapping[str, Any]) -> None:
    """Write entries into a run's `model.json`."""
    files = find_model(run)
    write_whole(files.card, json.dumps(read_card(files) | dict(entries), indent=1))


def read_images(sources: Sequence[str | Path], data: DataConfig) -> Footage:
    """Image files and folders of them, each image a clip of one frame."""
    files = [file for source in sources for file in scan(Path(source))]
    clips = [ClipSource(str(file.path), file.path) for file in files]
    return read(clips, data)


def read_clips(sources: Sequence[str | Path], data: DataConfig) -> Footage:
    """Videos, frame folders and folders of these, decoded."""
    paths = [clip for source in sources for clip in clips_in(Path(source))]
    named = zip(folder_names(paths), paths, strict=True)
    clips = [ClipSource(name, path) for name, path in named]
    return read(clips, data)


def threshold(
    detector: Detector,
    normal: Footage,
    budget: Budget | str,
    weight: float,
    shape: AlarmShape | None = None,
    fps: float = 0.0,
) -> Calibration:
    """The threshold for a budget, from normal footage that was not trained on."""
    rate = fps or frame_rate(normal.clips, detector.config.data.fps)
    require(
        rate > 0,
        "the footage does not say how many frames a second it has; say so with --fps",
    )
    terms = AnomalyResult.join(score_clips(detector, normal))
    lengths = np.array([clip.length for clip in normal.clips])
    eq12, eq13 = terms.reconstruction, terms.deformation
    return choose_threshold(eq12, eq13, lengths, rate, budget, shape, weight)


def tell(calibration: Calibration) -> None:
    """Print a threshold and what to know about it."""
    console = Console(stderr=True, highlight=False)
    low, high = calibration.interval
    source = f"{calibration.frames} good images"
    if calibration.budget.unit != "image":
        frames = f"{calibration.frames} frames at {calibration.fps:g} a second"
        source = f"{calibration.clips} normal clips, {frames}"
    console.print(
        f"threshold {calibration.threshold:.3f} for {calibration.budget} "
        f"(90 % interval {low:.3f} to {high:.3f}), from {source}"
    )
    for warning in calibration.warnings:
        console.print(f"note: {warning}")
