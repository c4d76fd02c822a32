"""Ablations: a part of the model is left out, or the weight γ₃ is changed.

Table 4 of the paper leaves out parts of the model for video. Table 5 changes γ₃, the weight of the
cycle loss of the model for images.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dmad.config import TrainedConfig, changed
from dmad.errors import require
from dmad.evaluation.image_ledger import LARGER_OF_BOTH
from dmad.evaluation.result import CALIBRATED, RAW, RAW_13
from dmad.experiments.effort import Effort
from dmad.experiments.grid import TRAINING, Column, Grid, Outcome
from dmad.experiments.run_grid import base_config, run_grid
from dmad.forms.images.evaluation import RAW as RAW_OF_IMAGES

GAMMA3 = (0.0, 0.1, 0.25, 0.5, 1.0, 2.0)  # weights of the cycle loss in Table 5
TABLE_4 = {  # frame AUROC on Ped2, and the percentage points that are lost without each part
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


def video_parts(base: TrainedConfig) -> dict[str, TrainedConfig]:
    """Return the settings of the variants of Table 4 and of the baseline of Eq. 2, by title.

    If several variants have equal settings, only the first of them is returned. For example, if
    `base` has no background, there is no variant "- background".
    """
    reductions, displacements = base.model.reductions, base.model.displacements
    parts = {
        "full": base,
        "- PDM": without_deformation(base),
        "K = 1": changed(base, reductions=reductions[-1:], displacements=displacements[-1:]),
        "- memory": changed(base, memory=False),
        "- background": changed(base, model_background=False),
        "- strength": changed(base, strength=0.0),
        "- smoothness": changed(base, smoothness=0.0),
        "- deformed targets": changed(base, deform_target=0.0),
        "memory + skips": memory_with_skips(base),
    }
    different: dict[str, TrainedConfig] = {}
    for name, settings in parts.items():
        if settings not in different.values():
            different[name] = settings
    return different


def memory_with_skips(base: TrainedConfig) -> TrainedConfig:
    """Return the baseline of Eq. 2: memory and full skip connections, without deformation."""
    return changed(without_deformation(base), skips="full", model_background=False)


def without_deformation(base: TrainedConfig) -> TrainedConfig:
    """Return the same settings without deformation heads and without deformed frames."""
    undeformed = {"deform_target": 0.0} if base.data.deform_target else {}
    return changed(base, reductions=(), displacements=(), **undeformed)


def image_parts(base: TrainedConfig) -> dict[str, TrainedConfig]:
    """Return the settings of five variants of the image model, by title.

    The variants are reverse distillation (RD), RD with the memory (VQ), the full model (PPDM: RD
    with VQ and the deformation), PPDM without the cycle loss, and PPDM without VQ.
    """
    plain = without_deformation(base)
    return {
        "RD": changed(plain, memory=False),
        "RD + VQ": plain,
        "+ PPDM": base,
        "- cycle": changed(base, gamma3=0.0),
        "- VQ": changed(base, memory=False),
    }


PARTS: dict[str, Callable[[TrainedConfig], dict[str, TrainedConfig]]] = {  # by form
    "video": video_parts,
    "images": image_parts,
}


def gamma3_values(base: TrainedConfig) -> dict[str, TrainedConfig]:
    """Return a variant for each weight of the cycle loss (γ₃) in Table 5."""
    return {f"γ₃ = {weight:g}": changed(base, gamma3=weight) for weight in GAMMA3}


def ablation(
    name: str,
    run: Path,
    out: Path,
    effort: Effort,
    root: Path | None = None,
    cache: Path | None = None,
) -> list[Outcome]:
    """Train and evaluate variants of a run. Each variant changes a setting or leaves out a part.

    Args:
        name: `ablation` (a part is left out) or `gamma3` (γ₃, the weight of the cycle loss).
        run: Run folder. The variants change its settings.
        out: Folder for the variants. Finished runs in it are not repeated.
        effort: The seeds, epochs, size and variants to run.
        root: Folder of the data set. None: the same folder as in training.
        cache: Folder for decoded frames.

    Raises:
        DmadError: The run has no deformation, or a variant cannot be trained.
    """
    base = base_config(run, root, cache)
    require(bool(base.model.reductions), f"{run} has no deformation; give a run with deformation")
    grid = parts_grid(base) if name == "ablation" else gamma3_grid(base, run)
    return run_grid(grid, out, effort)


def parts_grid(base: TrainedConfig) -> Grid:
    """Return the grid (variants and table) for leaving out parts of the model."""
    variants, columns = PARTS[base.form](base), COLUMNS[base.form]
    if base.form != "video":
        return Grid("ablation", variants, columns)
    return Grid("ablation", variants, columns, paper_columns=["paper"], paper_rows=TABLE_4)


def gamma3_grid(base: TrainedConfig, run: Path) -> Grid:
    """Return the grid (variants and table) of Table 5.

    Raises:
        DmadError: The run is not of images. Only the loss of images has γ₃.
    """
    require(base.form == "images", f"{run} is not a run of images; only the loss of images has γ₃")
    return Grid(
        "gamma3",
        gamma3_values(base),
        IMAGE_COLUMNS,
        paper_columns=PAPER_IMAGE_COLUMNS,
        paper_rows=TABLE_5,
    )
