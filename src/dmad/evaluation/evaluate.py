"""`dmad evaluate`: score a test split and write the ledger."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track

from dmad.config import Config, require
from dmad.data.frames import Clip, Footage
from dmad.data.load import LabelledFootage, load_split
from dmad.evaluation.ledger import Labels, Row, as_json, blind_rows, label_set, paper_rows, row
from dmad.inference.detector import AnomalyResult, Detector, load
from dmad.runs import Run, make_folder, write_whole

PUBLISHED: dict[str, Callable[..., list[Row]]] = {"ped2": paper_rows}


@dataclass(frozen=True)
class Evaluation:
    """A model on a test split."""

    rows: list[Row]
    labels: Labels
    scores: dict[str, np.ndarray]  # every channel, labels and clip_lengths, N frames each


def evaluate(
    run: str | Path, root: Path | None = None, cache: Path | None = None, out: Path | None = None
) -> Evaluation:
    """Score the test split of a run's data set, and write `ledger.json` and `scores.npz`.

    Args:
        run: Run folder, `.safetensors` file or name of a shipped model.
        root: Folder of the data set; the one trained on where None.
        cache: Folder for decoded frames.
        out: Where to write; `RUN/evaluation` where None.

    Raises:
        DmadError: No such model, no test data, or no labels.
    """
    detector = load(run)
    config = detector.config
    data = replace(config.data, root=root or config.data.root, cache=cache or config.data.cache)
    out = out or (Run(Path(run)).evaluation if Path(run).is_dir() else None)
    require(out is not None, f"{run} is no run folder; say where to write with --out DIR")
    make_folder(Path(out or ""))
    test = load_split(data, "test")
    require(
        test.labels is not None,
        f"the test split of {data.root} has no labels; see `dmad data {data.root}` for where they "
        "go, or use `dmad predict`",
    )
    result = judge(detector, test)
    write(result, Path(out or ""))
    return result


def judge(detector: Detector, test: LabelledFootage) -> Evaluation:
    """Score every clip and draw up the ledger's rows."""
    assert test.labels is not None
    results = score_clips(detector, test.footage)
    scores = {name: np.concatenate([_channel(r, name) for r in results]) for name in CHANNELS}
    lengths = np.array([len(r.score) for r in results])
    scores |= {"labels": test.labels.astype(np.uint8), "clip_lengths": lengths}
    rows = ledger_rows(detector.config, scores)
    return Evaluation(rows, label_set(test.label_name, test.labels), scores)


CHANNELS = {
    "score": "score",
    "eq12": "reconstruction",
    "eq13": "deformation",
    "reconstruction": "released",
    "deformation": "released",
    "gradient": "released",
}


def _channel(result: AnomalyResult, name: str) -> np.ndarray:
    found = getattr(result, CHANNELS[name])
    values: np.ndarray = found[name] if isinstance(found, dict) else found
    return values


def score_clips(detector: Detector, footage: Footage) -> list[AnomalyResult]:
    """Every clip by itself, with progress on standard error."""
    console = Console(stderr=True)

    def one(clip: Clip) -> AnomalyResult:
        frames = footage.frames[clip.start : clip.start + clip.length]
        return detector(frames, clip.scene)

    quiet = not console.is_terminal
    clips = track(footage.clips, "scoring", console=console, transient=True, disable=quiet)
    return [one(clip) for clip in clips]


def ledger_rows(config: Config, scores: dict[str, np.ndarray]) -> list[Row]:
    """Published protocol where the data set has one, raw Eq. 14 and its terms, blind signals."""
    known = np.isfinite(scores["score"])
    labels = scores["labels"]
    lengths = clip_lengths_of(known, scores["clip_lengths"])
    rows: list[Row] = []
    if published := PUBLISHED.get(config.recipe):
        channels = {name: values[known] for name, values in scores.items() if name in CHANNELS}
        rows += published(channels, labels[known], lengths)
    rows += [
        row("deployable", "Eq. 14 raw", scores["score"], labels),
        row("deployable", "Eq. 12 alone, raw", scores["eq12"], labels),
        row("deployable", "Eq. 13 alone, raw", scores["eq13"], labels),
    ]
    return rows + (blind_rows(labels[known], lengths) if config.data.history else [])


def clip_lengths_of(known: np.ndarray, clip_lengths: np.ndarray) -> np.ndarray:
    """Lengths of the clips when only frames with a score are counted."""
    clips = np.split(known, np.cumsum(clip_lengths)[:-1])
    return np.array([clip.sum() for clip in clips])


def write(result: Evaluation, out: Path) -> None:
    """`ledger.json` and `scores.npz` into a folder, each whole or not at all."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **result.scores)  # type: ignore[arg-type]
    write_whole(out / "scores.npz", buffer.getvalue())
    write_whole(out / "ledger.json", json.dumps(as_json(result.rows, result.labels), indent=1))
