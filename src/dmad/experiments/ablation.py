"""The paper's ablations: Table 4 of video, the parts of PPDM, and γ₃ of Table 5; resumable."""

from __future__ import annotations

from pathlib import Path

from dmad.config import Config, changed
from dmad.errors import require
from dmad.evaluation.image_ledger import LARGER
from dmad.evaluation.result import CALIBRATED, RAW, RAW_13
from dmad.experiments.effort import Effort
from dmad.experiments.grid import Figure, Grid, Outcome, base_of, run_grid
from dmad.forms.images.evaluation import IMAGE_RAW

GAMMA3 = (0.0, 0.1, 0.25, 0.5, 1.0, 2.0)  # of Table 5
TABLE_4 = {  # frame AUROC on Ped2, and points lost by each part that is left out
    "full": ["0.997"],
    "- PDM": ["-9.4"],
    "K = 1": ["-0.4"],
    "- memory": ["-1.8"],
    "- background": ["-1.6"],
    "- strength": ["-1.4"],
    "- smoothness": ["-1.4"],
}
IMAGE_HEADS = ("paper, image AUROC", "paper, pixel AUROC")
TABLE_5 = {  # means of all 15 categories
    f"γ₃ = {g:g}": [image, pixel]
    for g, image, pixel in zip(
        GAMMA3,
        ("0.979", "0.994", "0.994", "0.995", "0.996", "0.994"),
        ("0.966", "0.980", "0.982", "0.980", "0.977", "0.976"),
        strict=True,
    )
}


def video_parts(base: Config) -> dict[str, Config]:
    """Table 4, and beside it a memory with full skips, as MNAD has them."""
    reductions, displacements = base.model.reductions, base.model.displacements
    return {
        "full": base,
        "- PDM": undeformed(base),
        "K = 1": changed(base, reductions=reductions[-1:], displacements=displacements[-1:]),
        "- memory": changed(base, memory=False),
        "- background": changed(base, model_background=False),
        "- strength": changed(base, strength=0.0),
        "- smoothness": changed(base, smoothness=0.0),
        "memory + skips": skips(base),
    }


def skips(base: Config) -> Config:
    """The baseline of Eq. 2: a memory with full skips, no deformation, no background."""
    return changed(undeformed(base), skips="full", model_background=False)


def undeformed(base: Config) -> Config:
    """Without any head."""
    return changed(base, reductions=(), displacements=())


def image_parts(base: Config) -> dict[str, Config]:
    """Reverse distillation without and with a memory, + PPDM, − cycle, − VQ."""
    flat = undeformed(base)
    return {
        "RD": changed(flat, memory=False),
        "RD + VQ": flat,
        "+ PPDM": base,
        "- cycle": changed(base, gamma3=0.0),
        "- VQ": changed(base, memory=False),
    }


def gamma3(base: Config) -> dict[str, Config]:
    """A weight of the cycle consistency each."""
    return {f"γ₃ = {g:g}": changed(base, gamma3=g) for g in GAMMA3}


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
        "published": ("paper", "published {recipe} protocol"),
        "Eq. 14 raw": ("deployable", RAW),
        "deployable": ("deployable", CALIBRATED),
        "Eq. 13 alone": ("deployable", RAW_13),
    }
    return [
        *(Figure(title, *place, "micro_AUROC") for title, place in signals.items()),
        Figure("reconstruction", "training", "", "reconstruction"),
        Figure("strength", "training", "", "strength"),
        Figure("perplexity", "training", "", "perplexity"),
    ]


def ablation(
    name: str,
    run: Path,
    out: Path,
    effort: Effort,
    root: Path | None = None,
    cache: Path | None = None,
) -> list[Outcome]:
    """Train and judge every variant of a run's settings.

    Args:
        name: `ablation` or `gamma3`.
        run: Run folder whose settings are varied.
        out: Folder for the variants; what lies there already is not done again.
        effort: How much of it.
        root: Folder of the data set; the one trained on where None.
        cache: Folder for decoded frames.

    Raises:
        DmadError: The run has no deformation to leave out, or a variant cannot be trained.
    """
    base = base_of(run, root, cache)
    require(bool(base.model.reductions), f"{run} has no deformation; give a run that has")
    return run_grid(declared(name, base, run), out, effort)


def declared(name: str, base: Config, run: Path) -> Grid:
    """The grid of an experiment's name, with what the paper has of it."""
    if name == "gamma3":
        require(bool(base.model.teacher), f"{run} is no run of images, and only their loss has γ₃")
        return Grid(name, gamma3(base), figures(base), paper=IMAGE_HEADS, published=TABLE_5)
    if base.model.teacher:
        return Grid(name, image_parts(base), figures(base))
    return Grid(name, video_parts(base), figures(base), paper=["paper"], published=TABLE_4)
