"""`dmad experiment NAME`: one function for each experiment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dmad.cli.options import AS_IN_TRAINING, DataFolders
from dmad.cli.parsing import Verb
from dmad.errors import require

if TYPE_CHECKING:
    from dmad.experiments.effort import Effort

SECONDS = {"s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True)
class GridSettings:
    """Which runs of a grid are trained.

    Args:
        seeds: Seeds to train each variant with, such as [0,1,2]. Empty: the seed of the settings.
        variants: Titles of the variants to train, such as ["full","- PDM"]. Empty: all.
        budget: Time that all trainings together may take, such as 90s, 20m or 8h.
        out: Folder to write to (default: the name of the experiment).
    """

    seeds: list[int] | None = None
    variants: list[str] | None = None
    budget: str = ""
    out: Path | None = None


@dataclass(frozen=True)
class GridData:
    """The data of all runs.

    Args:
        root: Folder of the data set, if it is not where it was in training.
        cache: Folder for decoded frames.
        size: Size of the images in pixels (default: that of the settings).
    """

    root: Path | None = None
    cache: Path | None = None
    size: int | None = None


@dataclass(frozen=True)
class GridTraining:
    """The training of all runs.

    Args:
        epochs: Passes over the data (default: those of the settings).
    """

    epochs: int | None = None


DATA, TRAINING = GridData(), GridTraining()


def toy_command(
    grid: GridSettings,
    data: GridData = DATA,
    train: GridTraining = TRAINING,
    recipe: str = "digits",
) -> None:
    """Compare three variants on digits (Sec. 4.2 and Fig. 6 of the paper).

    Example: dmad experiment toy --seeds [0,1,2]

    Args:
        grid: Which runs are trained.
        data: The data of all runs.
        train: The training of all runs.
        recipe: The recipe, digits or mnist.
    """
    from dmad import recipes
    from dmad.experiments.run_grid import with_data
    from dmad.experiments.toy import toy

    config = with_data(recipes.get(recipe), data.root, data.cache)
    toy(config, grid.out or Path("toy"), effort(grid, data, train))


def ablation_command(
    grid: GridSettings,
    *,
    run: str,
    data: GridData = DATA,
    train: GridTraining = TRAINING,
) -> None:
    """Train a run again without each of its parts (Table 4 of the paper).

    A grid that was stopped goes on where it stopped. It writes its table as .md, .csv and
    .json, and its figure as .png and .pdf.

    Example: dmad experiment ablation --run RUN --train.epochs 4 --seeds [0,1]

    Args:
        grid: Which runs are trained.
        run: Run whose settings are varied.
        data: The data of all runs.
        train: The training of all runs.
    """
    _ablation("ablation", grid, run, data, train)


def gamma3_command(
    grid: GridSettings,
    *,
    run: str,
    data: GridData = DATA,
    train: GridTraining = TRAINING,
) -> None:
    """Train a run of images with six weights of the cycle consistency (Table 5 of the paper).

    Example: dmad experiment gamma3 --run RUN --train.epochs 5

    Args:
        grid: Which runs are trained.
        run: Run whose settings are varied.
        data: The data of all runs.
        train: The training of all runs.
    """
    _ablation("gamma3", grid, run, data, train)


def _ablation(name: str, grid: GridSettings, run: str, data: GridData, train: GridTraining) -> None:
    from dmad.experiments.ablation import ablation

    out = grid.out or Path(name)
    ablation(name, Path(run), out, effort(grid, data, train), data.root, data.cache)


def contamination_command(
    grid: GridSettings,
    *,
    run: str,
    data: GridData = DATA,
    train: GridTraining = TRAINING,
) -> None:
    """Train a run of video with abnormal events among its training data (Sec. 4.6 of the paper).

    Example: dmad experiment contamination --run RUN --train.epochs 4

    Args:
        grid: Which runs are trained.
        run: Run whose settings are varied.
        data: The data of all runs.
        train: The training of all runs.
    """
    from dmad.experiments.contamination import contamination

    out = grid.out or Path("contamination")
    contamination(Path(run), out, effort(grid, data, train), data.root, data.cache)


def video_command(
    grid: GridSettings, data: GridData = DATA, train: GridTraining = TRAINING
) -> None:
    """Train on every video data set in a folder (Table 1 of the paper).

    The folder has one or more of the folders ped2, avenue and shanghaitech.

    Example: dmad experiment video --data.root DATA --seeds [0,1,2]

    Args:
        grid: Which runs are trained.
        data: The data of all runs.
        train: The training of all runs.
    """
    from dmad.experiments.benchmarks import video

    root = _folder("video", data)
    video(root, grid.out or Path("video"), effort(grid, data, train), data.cache)


def mvtec_command(
    grid: GridSettings,
    data: GridData = DATA,
    train: GridTraining = TRAINING,
    run: Path | None = None,
) -> None:
    """Train on every category of MVTec AD (Tables 2 and 3 of the paper).

    Example: dmad experiment mvtec --data.root MVTEC

    Args:
        grid: Which runs are trained.
        data: The data of all runs.
        train: The training of all runs.
        run: Run whose settings are used (default: those of recipe mvtec).
    """
    from dmad.experiments.benchmarks import mvtec

    root = _folder("mvtec", data)
    mvtec(root, grid.out or Path("mvtec"), effort(grid, data, train), run, data.cache)


def figures_command(
    *, run: str, data: DataFolders = AS_IN_TRAINING, out: Path = Path("figures")
) -> None:
    """Draw the figures of the paper for a run or a shipped model (Figs. 2, 6 and 7).

    Example: dmad experiment figures --run RUN

    Args:
        run: Run folder, .safetensors file or shipped model.
        data: Where the data set is.
        out: Folder to write to.
    """
    from dmad.experiments.figures import figures

    for path in figures(run, out, data.root, data.cache):
        print(path)


def deployable_command(
    *, run: str, data: DataFolders = AS_IN_TRAINING, out: Path = Path("deployable")
) -> None:
    """Compare scores that need no label, on synthetic anomalies.

    Example: dmad experiment deployable --run RUN

    Args:
        run: Run of video.
        data: Where the data set is.
        out: Folder to write to.
    """
    from dmad.experiments.deployable import deployable

    deployable(Path(run), out, root=data.root, cache=data.cache)


def budgets_command(
    *,
    run: str,
    hours: float = 1.0,
    data: DataFolders = AS_IN_TRAINING,
    out: Path = Path("budgets"),
) -> None:
    """Count the false alarms of several budgets on fresh normal footage.

    Example: dmad experiment budgets --run RUN

    Args:
        run: Run of video.
        hours: Hours of footage to render for recipe street, once to calibrate and once to count.
        data: Where the data set is.
        out: Folder to write to.
    """
    from dmad.experiments.budgets import budgets

    budgets(Path(run), out, hours, data.root, data.cache)


EXPERIMENTS: dict[str, Verb] = {
    "toy": toy_command,
    "ablation": ablation_command,
    "gamma3": gamma3_command,
    "contamination": contamination_command,
    "video": video_command,
    "mvtec": mvtec_command,
    "figures": figures_command,
    "deployable": deployable_command,
    "budgets": budgets_command,
}


def effort(grid: GridSettings, data: GridData, train: GridTraining) -> Effort:
    """What the options ask of an experiment."""
    from dmad.experiments.effort import Effort

    return Effort(
        epochs=train.epochs,
        size=data.size,
        seeds=grid.seeds or (),
        only=grid.variants or (),
        budget=seconds(grid.budget) if grid.budget else None,
    )


def seconds(budget: str) -> float:
    """Seconds of a time such as 90s, 20m or 8h.

    Raises:
        DmadError: It is not written in this way.
    """
    number, unit = budget[:-1], budget[-1:]
    is_time = unit in SECONDS and number.replace(".", "", 1).isdigit()
    require(is_time, f"--budget is {budget}; write a time such as 90s, 20m or 8h")
    return float(number) * SECONDS[unit]


def _folder(name: str, data: GridData) -> Path:
    require(
        data.root is not None,
        f"--data.root is missing; write dmad experiment {name} --data.root DIR",
    )
    root = Path(str(data.root))
    require(root.is_dir(), f"{root} is no folder; give the folder of the data with --data.root")
    return root
