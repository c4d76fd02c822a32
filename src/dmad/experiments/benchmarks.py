"""Tables 1 to 3: every data set and category that lies there, beside the paper's figures."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from dmad import recipes
from dmad.categories import TEXTURES, of_one
from dmad.data.layouts.images import categories
from dmad.errors import require
from dmad.experiments.ablation import IMAGE_HEADS, figures
from dmad.experiments.effort import Effort
from dmad.experiments.grid import Grid, Outcome, base_of, placed, run_grid

TABLE_1 = {"ped2": ["0.997"], "avenue": ["0.928"], "shanghaitech": ["0.788"]}  # frame AUROC
LEFT_OUT = {
    "avenue": "Avenue: without the published frame difference against static anomalies.",
    "shanghaitech": "ShanghaiTech: without the published division of the map by the mask.",
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
    """Table 1 over the data sets that are there.

    Args:
        root: A folder that holds folders called ped2, avenue, shanghaitech, as many as there are.
        out: Folder for runs and table.
        effort: How much of it.
        cache: Folder for decoded frames.

    Raises:
        DmadError: None of the three is there.
    """
    found = [name for name in TABLE_1 if (root / name).is_dir()]
    require(bool(found), f"{root} holds no folder called {', '.join(TABLE_1)}")
    variants = {name: placed(recipes.get(name), root / name, cache) for name in found}
    grid = Grid(
        "video",
        variants,
        figures(variants[found[0]]),
        paper=["paper"],
        published=TABLE_1,
        missing=[*absent(TABLE_1, found), *(LEFT_OUT[name] for name in found if name in LEFT_OUT)],
    )
    return run_grid(grid, out, effort)


def mvtec(
    root: Path, out: Path, effort: Effort, run: Path | None = None, cache: Path | None = None
) -> list[Outcome]:
    """Tables 2 and 3 over the categories that are there.

    Args:
        root: Folder of MVTec AD.
        out: Folder for runs and table.
        effort: How much of it.
        run: A run whose settings are taken for every category; those of the recipe where None.
        cache: Folder for decoded frames.

    Raises:
        DmadError: No category is there, or the run is none of images.
    """
    base = base_of(run) if run else recipes.get("mvtec")
    require(base.data.layout == "mvtec", f"{run} is no run of recipe mvtec")
    found = categories(root)
    require(bool(found), f"{root} holds no category of MVTec; dmad data {root} says more")
    ours = set(found) <= set(CATEGORIES)  # else a set of another name in the same layout
    whole = CATEGORIES if ours else found
    grid = Grid(
        "mvtec",
        {name: of_one(placed(base, root, cache), name) for name in found},
        figures(base),
        means={
            "mean of textures": [name for name in whole if name in TEXTURES],
            "mean of objects": [name for name in whole if name not in TEXTURES],
            "mean of all": whole,
        },
        paper=IMAGE_HEADS,
        published=TABLE_2_3 if ours else {},
        missing=absent(whole, found),
    )
    return run_grid(grid, out, effort)


def absent(wanted: Iterable[str], found: Iterable[str]) -> list[str]:
    """One line that names what is not there."""
    left = sorted(set(wanted) - set(found))
    return [f"Not there, and so not run: {', '.join(left)}."] if left else []
