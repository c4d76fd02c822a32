"""Tables 1 to 3 of the paper, for the data sets and categories that the user has."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from dmad import recipes
from dmad.categories import TEXTURES, config_of_category
from dmad.data.layouts.images import categories
from dmad.errors import require
from dmad.experiments.ablation import COLUMNS, PAPER_IMAGE_COLUMNS
from dmad.experiments.effort import Effort
from dmad.experiments.grid import Grid, Outcome
from dmad.experiments.run_grid import base_config, run_grid, with_data

TABLE_1 = {"ped2": ["0.997"], "avenue": ["0.928"], "shanghaitech": ["0.788"]}  # frame AUROC
LEFT_OUT = {
    "avenue": "Avenue: the paper also uses the frame difference against static anomalies; it is "
    "not used here.",
    "shanghaitech": "ShanghaiTech: the paper also divides the map by the mask; this is not done "
    "here.",
}
TABLE_2_3 = {
    "mean of textures": ["0.999", "0.978"],
    "mean of objects": ["0.993", "0.983"],
    "mean of all": ["0.995", "0.982"],
}
CATEGORIES = (
    "bottle", "cable", "capsule", "carpet", "grid", "hazelnut", "leather", "metal_nut", "pill",
    "screw", "tile", "toothbrush", "transistor", "wood", "zipper",
)  # fmt: skip


def video(root: Path, out: Path, effort: Effort, cache: Path | None = None) -> list[Outcome]:
    """Train and evaluate on the data sets of Table 1 that exist in a folder.

    Args:
        root: Folder with one or more of the folders ped2, avenue and shanghaitech.
        out: Folder for the runs and the table.
        effort: The seeds, epochs, size and variants to run.
        cache: Folder for decoded frames.

    Raises:
        DmadError: None of the three folders exists.
    """
    present = [name for name in TABLE_1 if (root / name).is_dir()]
    require(bool(present), f"{root} holds no folder called {', '.join(TABLE_1)}")
    variants = {name: with_data(recipes.get(name), root / name, cache) for name in present}
    left_out = [LEFT_OUT[name] for name in present if name in LEFT_OUT]
    grid = Grid(
        "video",
        variants,
        COLUMNS["video"],
        paper_columns=["paper"],
        paper_rows=TABLE_1,
        notes=[*note_of_missing(TABLE_1, present), *left_out],
    )
    return run_grid(grid, out, effort)


def mvtec(
    root: Path, out: Path, effort: Effort, run: Path | None = None, cache: Path | None = None
) -> list[Outcome]:
    """Train and evaluate on the categories of Tables 2 and 3 that exist in a folder.

    Args:
        root: Folder of MVTec AD.
        out: Folder for the runs and the table.
        effort: The seeds, epochs, size and variants to run.
        run: Run folder whose settings are used for every category. None: recipe `mvtec`.
        cache: Folder for decoded frames.

    Raises:
        DmadError: The folder has no category, or the run is not of recipe mvtec.
    """
    base = base_config(run) if run else recipes.mvtec()
    require(base.data.layout == "mvtec", f"{run} is not a run of recipe mvtec")
    present = categories(root)
    require(
        bool(present),
        f"{root} holds no category of MVTec; see dmad data {root}",
    )
    is_mvtec = set(present) <= set(CATEGORIES)  # else another data set in the same layout
    expected = CATEGORIES if is_mvtec else present
    grid = Grid(
        "mvtec",
        {name: config_of_category(with_data(base, root, cache), name) for name in present},
        COLUMNS["images"],
        means={
            "mean of textures": [name for name in expected if name in TEXTURES],
            "mean of objects": [name for name in expected if name not in TEXTURES],
            "mean of all": expected,
        },
        paper_columns=PAPER_IMAGE_COLUMNS,
        paper_rows=TABLE_2_3 if is_mvtec else {},
        notes=note_of_missing(expected, present),
    )
    return run_grid(grid, out, effort)


def note_of_missing(wanted: Iterable[str], present: Iterable[str]) -> list[str]:
    """Return a list with one line that names the missing data; empty if nothing is missing."""
    missing = sorted(set(wanted) - set(present))
    return [f"Not trained, because the data is missing: {', '.join(missing)}."] if missing else []
