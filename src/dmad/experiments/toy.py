"""The toy of Sec. 4.2: odd digits are normal, even ones are not; three models, and Fig. 6."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
from rich.console import Console
from rich.table import Table

from dmad import visualize
from dmad.config import Config
from dmad.data.load import LabelledFootage, load_split
from dmad.evaluation.result import RAW, Evaluation
from dmad.inference.detector import Detector, Explained, load
from dmad.inference.explain import to_image
from dmad.judge import judge
from dmad.nn.pdm import PDMOutput
from dmad.runs import write_whole
from dmad.training import train

SHOWN = 10  # one digit a class


def variants(config: Config) -> dict[str, Config]:
    """The three models of Fig. 6: memory alone, with full skips, with deformation."""
    model = config.model
    plain = replace(model, reductions=(), displacements=())
    return {
        "Mem only": replace(config, model=plain),
        "+Skip": replace(config, model=replace(plain, skips="full")),
        "+PDM": config,
    }


@dataclass(frozen=True)
class ToyResult:
    """One variant, trained and scored."""

    name: str
    run: Path
    auroc: float  # of Eq. 14, in [0, 1]
    shown: Explained  # one digit of each class


def toy(config: Config, out: Path) -> list[ToyResult]:
    """Train and score the three variants; write `toy.json` and `fig6.png` under `out`.

    Args:
        config: Recipe `digits` or `mnist`.
        out: Where runs and pictures go.
    """
    test = load_split(config.data, "test")
    examples = pick(config, test)
    results = [_variant(name, c, test, examples, out) for name, c in variants(config).items()]
    table = Table("variant", "AUROC (Eq. 14)", "run")
    for result in results:
        table.add_row(result.name, f"{result.auroc:.4f}", str(result.run))
    Console().print(table)
    figures = {result.name: result.auroc for result in results}
    write_whole(out / "toy.json", json.dumps({"seed": config.train.seed, "auroc": figures}))
    visualize.save(figure(results), out / "fig6.png")
    return results


def _variant(
    name: str, config: Config, test: LabelledFootage, examples: np.ndarray, out: Path
) -> ToyResult:
    Console(stderr=True).print(f"[bold]{name}[/bold]")
    run = train(config, out / "runs")
    detector = load(run.folder)
    result = judge(detector, test)
    return ToyResult(name, run.folder, auroc(result), show(detector, examples))


def auroc(result: Evaluation) -> float:
    """The figure of Eq. 14."""
    return result.ledger.value(RAW)


def pick(config: Config, test: LabelledFootage) -> np.ndarray:
    """Five normal and five abnormal test images, spread evenly: (10, H, W, C)."""
    assert test.labels is not None
    half = SHOWN // 2
    kinds = [np.flatnonzero(test.labels == kind) for kind in (0, 1)]
    chosen = [kind[np.linspace(0, len(kind) - 1, half).astype(int)] for kind in kinds]
    return np.asarray(test.footage.frames[np.concatenate(chosen)])


def show(detector: Detector, examples: np.ndarray) -> Explained:
    """What a model makes of the examples."""
    return next(detector.explain(examples, batch=len(examples)))


def figure(results: list[ToyResult]) -> np.ndarray:
    """Fig. 6: the input, what memory and skips make of it, and the stages of the deformation."""
    memory, skip, deformed = (cast(PDMOutput, result.shown.output) for result in results)
    rows = [
        list(results[0].shown.frames),
        [to_image(x) for x in memory.reconstructions[-1]],
        [to_image(x) for x in skip.reconstructions[-1]],
        [to_image(x) for x in deformed.reference],
        *([to_image(x) for x in stage] for stage in deformed.reconstructions),
    ]
    names = ["input", "Mem only", "+Skip", "+PDM\nreference", "+PDM\ncoarse", "+PDM\nfine"]
    half = SHOWN // 2
    titles = ["normal"] * half + ["abnormal"] * half
    return visualize.panel(rows, titles, names[: len(rows)])
