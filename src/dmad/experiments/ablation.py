"""The paper's ablations: Table 4 of video, the parts of PPDM, and γ₃ of Table 5; resumable."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from dmad.config import Config, require
from dmad.evaluation.images import LARGER
from dmad.evaluation.result import CALIBRATED, RAW
from dmad.experiments.grid import Figure, Outcome, run_grid
from dmad.inspection import IMAGE_RAW
from dmad.runs import read_config

GAMMA3 = (0.0, 0.1, 0.25, 0.5, 1.0, 2.0)  # of Table 5


def video_parts(base: Config) -> dict[str, Config]:
    """Table 4, and beside it a memory with full skips, as MNAD has them."""
    model, loss = base.model, base.loss
    flat = replace(model, reductions=(), displacements=())
    return {
        "full": base,
        "- PDM": replace(base, model=flat),
        "K = 1": replace(
            base,
            model=replace(
                model, reductions=model.reductions[-1:], displacements=model.displacements[-1:]
            ),
        ),
        "- memory": replace(base, model=replace(model, memory=False)),
        "- background": replace(base, model=replace(model, background=False)),
        "- strength": replace(base, loss=replace(loss, strength=0.0)),
        "- smoothness": replace(base, loss=replace(loss, smoothness=0.0)),
        "memory + skips": skips(base),
    }


def skips(base: Config) -> Config:
    """The baseline of Eq. 2: a memory with full skips, no deformation, no background."""
    model = replace(base.model, reductions=(), displacements=(), skips="full", background=False)
    return replace(base, model=model)


def image_parts(base: Config) -> dict[str, Config]:
    """Reverse distillation without and with a memory, + PPDM, − cycle, − VQ."""
    model = base.model
    flat = replace(model, reductions=(), displacements=())
    return {
        "RD": replace(base, model=replace(flat, memory=False)),
        "RD + VQ": replace(base, model=flat),
        "+ PPDM": base,
        "- cycle": replace(base, loss=replace(base.loss, gamma3=0.0)),
        "- VQ": replace(base, model=replace(model, memory=False)),
    }


def gamma3(base: Config) -> dict[str, Config]:
    """A weight of the cycle consistency each."""
    return {f"γ₃ = {g:g}": replace(base, loss=replace(base.loss, gamma3=g)) for g in GAMMA3}


def figures(config: Config) -> list[Figure]:
    """What the tables show of a run of these settings."""
    if config.model.teacher:
        return [
            *(Figure(title, "deployable", IMAGE_RAW, metric)
              for title, metric in (("image AUROC", "image_AUROC"), ("pixel AUROC", "pixel_AUROC"),
                                    ("AUPRO", "AUPRO"))),
            Figure("image AUROC (paper)", "paper", LARGER, "image_AUROC"),
            Figure("pixel AUROC (paper)", "paper", LARGER, "pixel_AUROC"),
        ]  # fmt: skip
    signals = {
        "published": ("paper", f"published {config.recipe} protocol"),
        "Eq. 14 raw": ("deployable", RAW),
        "deployable": ("deployable", CALIBRATED),
        "Eq. 13 alone": ("deployable", "Eq. 13 alone, raw"),
    }
    return [Figure(title, *place, "micro_AUROC") for title, place in signals.items()]


def ablation(
    name: str,
    run: Path,
    out: Path,
    epochs: int | None = None,
    seeds: Sequence[int] = (),
    budget: float | None = None,
) -> list[Outcome]:
    """Train and judge every variant of a run's settings.

    Args:
        name: `ablation` or `gamma3`.
        run: Run folder whose settings are varied.
        out: Folder for the variants; what lies there already is not done again.
        epochs: Passes over the data; those of the run where None.
        seeds: The run's own where empty.
        budget: Seconds that training may take in all.

    Raises:
        DmadError: The run has no deformation to leave out, or a variant cannot be trained.
    """
    base = read_config(run)
    require(bool(base.model.reductions), f"{run} has no deformation; give a run that has")
    variants: Callable[[Config], dict[str, Config]] = gamma3
    if name == "ablation":
        variants = image_parts if base.model.teacher else video_parts
    require(
        name == "ablation" or bool(base.model.teacher),
        f"{run} is no run of images, and only their loss has γ₃",
    )
    base = replace(base, train=replace(base.train, epochs=epochs or base.train.epochs))
    return run_grid(name, variants(base), figures(base), out, seeds, budget)
