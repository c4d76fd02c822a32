"""The ablations of the paper: Table 4 for video, the parts of PPDM for images, γ₃ (Table 5)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dmad.config import Config, changed
from dmad.errors import require
from dmad.evaluation.image_ledger import LARGER_OF_BOTH
from dmad.evaluation.result import CALIBRATED, RAW, RAW_13
from dmad.experiments.effort import Effort
from dmad.experiments.grid import TRAINING, Column, Grid, Outcome
from dmad.experiments.run_grid import base_config, run_grid
from dmad.forms.images.evaluation import RAW as RAW_OF_IMAGES

GAMMA3 = (0.0, 0.1, 0.25, 0.5, 1.0, 2.0)  # of Table 5
TABLE_4 = {  # frame AUROC on Ped2, and the points that are lost without each part
    "full": ["0.997"],
    "- PDM": ["-9.4"],
    "K = 1": ["-0.4"],
    "- memory": ["-1.8"],
    "- background": ["-1.6"],
    "- strength": ["-1.4"],
    "- smoothness": ["-1.4"],
}
PAPER_IMAGE_COLUMNS = ("paper, image AUROC", "paper, pixel AUROC")
TABLE_5 = {  # means over all 15 categories
    "γ₃ = 0": ["0.979", "0.966"],
    "γ₃ = 0.1": ["0.994", "0.980"],
    "γ₃ = 0.25": ["0.994", "0.982"],
    "γ₃ = 0.5": ["0.995", "0.980"],
    "γ₃ = 1": ["0.996", "0.977"],
    "γ₃ = 2": ["0.994", "0.976"],
}
VIDEO_COLUMNS = (
    Column("published", "paper", "published {recipe} protocol", "micro_AUROC"),
    Column("Eq. 14 raw", "deployable", RAW, "micro_AUROC"),
    Column("deployable", "deployable", CALIBRATED, "micro_AUROC"),
    Column("Eq. 13 alone", "deployable", RAW_13, "micro_AUROC"),
    Column("reconstruction", TRAINING, "", "reconstruction"),
    Column("strength", TRAINING, "", "strength"),
    Column("perplexity", TRAINING, "", "perplexity"),
)
IMAGE_COLUMNS = (
    Column("image AUROC", "deployable", RAW_OF_IMAGES, "image_AUROC"),
    Column("pixel AUROC", "deployable", RAW_OF_IMAGES, "pixel_AUROC"),
    Column("AUPRO", "deployable", RAW_OF_IMAGES, "AUPRO"),
    Column("image AUROC (paper)", "paper", LARGER_OF_BOTH, "image_AUROC"),
    Column("pixel AUROC (paper)", "paper", LARGER_OF_BOTH, "pixel_AUROC"),
)
COLUMNS = {"video": VIDEO_COLUMNS, "images": IMAGE_COLUMNS}  # by form


def video_parts(base: Config) -> dict[str, Config]:
    """The variants of Table 4, and a memory with full skips, as in MNAD."""
    reductions, displacements = base.model.reductions, base.model.displacements
    return {
        "full": base,
        "- PDM": without_deformation(base),
        "K = 1": changed(base, reductions=reductions[-1:], displacements=displacements[-1:]),
        "- memory": changed(base, memory=False),
        "- background": changed(base, model_background=False),
        "- strength": changed(base, strength=0.0),
        "- smoothness": changed(base, smoothness=0.0),
        "memory + skips": memory_with_skips(base),
    }


def memory_with_skips(base: Config) -> Config:
    """The baseline of Eq. 2: a memory with full skips, no deformation and no background."""
    return changed(without_deformation(base), skips="full", model_background=False)


def without_deformation(base: Config) -> Config:
    """The same settings without any deformation head."""
    return changed(base, reductions=(), displacements=())


def image_parts(base: Config) -> dict[str, Config]:
    """Reverse distillation (RD) alone and with a memory (VQ); PPDM, whole and without two parts."""
    plain = without_deformation(base)
    return {
        "RD": changed(plain, memory=False),
        "RD + VQ": plain,
        "+ PPDM": base,
        "- cycle": changed(base, gamma3=0.0),
        "- VQ": changed(base, memory=False),
    }


PARTS: dict[str, Callable[[Config], dict[str, Config]]] = {  # by form
    "video": video_parts,
    "images": image_parts,
}


def gamma3_values(base: Config) -> dict[str, Config]:
    """A variant for each weight γ₃ of the cycle consistency in Table 5."""
    return {f"γ₃ = {weight:g}": changed(base, gamma3=weight) for weight in GAMMA3}


def ablation(
    name: str,
    run: Path,
    out: Path,
    effort: Effort,
    root: Path | None = None,
    cache: Path | None = None,
) -> list[Outcome]:
    """Train and evaluate every variant of the settings of a run.

    Args:
        name: `ablation` or `gamma3`.
        run: Run folder whose settings are varied.
        out: Folder for the variants. Finished runs in it are not repeated.
        effort: The seeds, epochs, size and variants to run.
        root: Folder of the data set. None is the folder that the run was trained on.
        cache: Folder for decoded frames.

    Raises:
        DmadError: The run has no deformation to leave out, or a variant cannot be trained.
    """
    base = base_config(run, root, cache)
    require(bool(base.model.reductions), f"{run} has no deformation; give a run that has")
    grid = parts_grid(base) if name == "ablation" else gamma3_grid(base, run)
    return run_grid(grid, out, effort)


def parts_grid(base: Config) -> Grid:
    """The grid in which each part of the model is left out."""
    variants, columns = PARTS[base.form](base), COLUMNS[base.form]
    if base.form != "video":
        return Grid("ablation", variants, columns)
    return Grid("ablation", variants, columns, paper_columns=["paper"], paper_rows=TABLE_4)


def gamma3_grid(base: Config, run: Path) -> Grid:
    """The grid of Table 5.

    Raises:
        DmadError: The run is not of the form `images`, whose loss alone has γ₃.
    """
    require(base.form == "images", f"{run} is no run of images, and only their loss has γ₃")
    return Grid(
        "gamma3",
        gamma3_values(base),
        IMAGE_COLUMNS,
        paper_columns=PAPER_IMAGE_COLUMNS,
        paper_rows=TABLE_5,
    )
