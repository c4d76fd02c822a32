"""`dmad experiment NAME`: one function for each experiment."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dmad.cli.options import AS_IN_TRAINING, DataFolders
from dmad.cli.process import show
from dmad.errors import require

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dmad.cli.parsing import Verb
    from dmad.config import Config
    from dmad.experiments.effort import Effort

SECONDS = {"s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True)
class GridData:
    """The data of all trainings.

    Args:
        root: Folder of the data set (default: the folder in the settings of the recipe or run).
        cache: Folder for decoded frames (default: $DMAD_CACHE, else ~/.cache/dmad).
        size: Height and width of the images in pixels (default: as in the recipe or run).
    """

    root: Path | None = None
    cache: Path | None = None
    size: int | None = None


@dataclass(frozen=True)
class GridTraining:
    """All trainings.

    Args:
        epochs: Number of passes over the training data (default: as in the recipe or run).
    """

    epochs: int | None = None


@dataclass(frozen=True)
class GridOptions:
    """Options of an experiment that trains several variants of a model.

    Args:
        seeds: Random seeds, such as [0,1,2]. Each variant is trained once with each seed (default:
            the seed of the recipe or run).
        variants: Titles of the variants to train, such as ["full"] (default: all).
        budget: Longest time for all trainings together, such as 90s, 20m or 8h (default: no limit).
        out: Folder to write to (default: the name of the experiment).
        data: The data of all trainings.
        train: All trainings.
        ray: Train several variants at the same time on a Ray cluster: `auto` for the cluster that
            this machine belongs to (if there is none, Ray starts on this machine), `local` for a
            new one on this machine, or an address. All machines must see the same folders.
        threads_per_worker: With --ray, processor cores of a training.
        gpus_per_worker: With --ray, GPUs of a training, such as 1 or 0.5. With 0, trainings use
            processor cores.
    """

    seeds: list[int] | None = None
    variants: list[str] | None = None
    budget: str = ""
    out: Path | None = None
    data: GridData = GridData()
    train: GridTraining = GridTraining()
    ray: str = ""
    threads_per_worker: int = 1
    gpus_per_worker: float = 0.0

    def effort(self) -> Effort:
        """Return the seeds, variants, training length, time budget and workers of these options.

        Raises:
            DmadError: The budget is not a duration such as 20m, or an option needs --ray.
        """
        from dmad.experiments.effort import Effort
        from dmad.experiments.grid_workers import GridWorkers

        return Effort(
            epochs=self.train.epochs,
            size=self.data.size,
            seeds=self.seeds or (),
            only=self.variants or (),
            budget=seconds(self.budget) if self.budget else None,
            workers=GridWorkers(self.ray, self.threads_per_worker, self.gpus_per_worker),
        )


def seconds(time: str) -> float:
    """Return the seconds of a duration such as 90s, 20m or 8h.

    Raises:
        DmadError: The text has another form.
    """
    number, unit = time[:-1], time[-1:]
    is_time = unit in SECONDS and number.replace(".", "", 1).isdigit()
    require(is_time, f"--budget is {time}; write a time such as 90s, 20m or 8h")
    return float(number) * SECONDS[unit]


def toy_command(grid: GridOptions, recipe: str = "digits") -> None:
    """Compare three variants on digits (Sec. 4.2 and Fig. 6 of the paper).

    Example: dmad experiment toy --seeds [0,1,2]

    Args:
        grid: Seeds, variants, data and number of epochs.
        recipe: Data to train on: digits (needs no data folder) or mnist.
    """
    from dmad import recipes
    from dmad.experiments.run_grid import with_data
    from dmad.experiments.toy import toy

    config = with_data(recipes.get(recipe), grid.data.root, grid.data.cache)
    toy(config, grid.out or Path("toy"), grid.effort())


def ablation_command(grid: GridOptions, *, run: str) -> None:
    """Train a model several times, each time without one of its parts (Table 4 of the paper).

    Example: dmad experiment ablation --run RUN --train.epochs 4 --seeds [0,1]

    Args:
        grid: Seeds, variants, data and number of epochs.
        run: Run folder. Its settings are used, except those that the experiment changes.
    """
    _vary_parts("ablation", grid, run)


def gamma3_command(grid: GridOptions, *, run: str) -> None:
    """Train a model of images with six weights of its cycle loss (Table 5 of the paper).

    Example: dmad experiment gamma3 --run RUN --train.epochs 5

    Args:
        grid: Seeds, variants, data and number of epochs.
        run: Run folder. Its settings are used, except those that the experiment changes.
    """
    _vary_parts("gamma3", grid, run)


def _vary_parts(name: str, grid: GridOptions, run: str) -> None:
    from dmad.experiments.ablation import ablation

    out = grid.out or Path(name)
    ablation(name, Path(run), out, grid.effort(), grid.data.root, grid.data.cache)


def contamination_command(grid: GridOptions, *, run: str) -> None:
    """Train a model of video with abnormal events in its training data (Sec. 4.6 of the paper).

    Example: dmad experiment contamination --run RUN --train.epochs 4

    Args:
        grid: Seeds, variants, data and number of epochs.
        run: Run folder. Its settings are used, except those that the experiment changes.
    """
    from dmad.experiments.contamination import contamination

    out = grid.out or Path("contamination")
    contamination(Path(run), out, grid.effort(), grid.data.root, grid.data.cache)


def video_command(grid: GridOptions) -> None:
    """Train on every video data set in a folder (Table 1 of the paper).

    The folder of --data.root must contain one or more of the folders ped2, avenue and
    shanghaitech.

    Example: dmad experiment video --data.root DATA --seeds [0,1,2]

    Args:
        grid: Seeds, variants, data and number of epochs.
    """
    root = _data_folder(grid, "video")
    from dmad.experiments.benchmarks import video

    video(root, grid.out or Path("video"), grid.effort(), grid.data.cache)


def mvtec_command(grid: GridOptions, run: Path | None = None) -> None:
    """Train on every category of MVTec AD (Tables 2 and 3 of the paper).

    Example: dmad experiment mvtec --data.root MVTEC

    Args:
        grid: Seeds, variants, data and number of epochs.
        run: Run folder whose settings are used (default: the settings of recipe mvtec).
    """
    root = _data_folder(grid, "mvtec")
    from dmad.experiments.benchmarks import mvtec

    mvtec(root, grid.out or Path("mvtec"), grid.effort(), run, grid.data.cache)


def _data_folder(grid: GridOptions, name: str) -> Path:
    root = grid.data.root
    missing = f"--data.root is missing; write dmad experiment {name} --data.root DIR"
    require(root is not None, missing)
    root = Path(str(root))
    require(root.is_dir(), f"{root} is no folder; give the folder of the data with --data.root")
    return root


def figures_command(
    *, run: str, data: DataFolders = AS_IN_TRAINING, out: Path = Path("figures")
) -> None:
    """Draw the figures of the paper for a trained model (Figs. 2, 6 and 7).

    Example: dmad experiment figures --run RUN

    Args:
        run: Run folder, .safetensors file, or name of a model that comes with dmad, such as ped2.
        data: Where the data set is.
        out: Folder to write to.
    """
    from dmad.experiments.paper_figures import draw_figures

    for path in draw_figures(run, out, data.root, data.cache):
        show(path)


def deployable_command(
    *, run: str, data: DataFolders = AS_IN_TRAINING, out: Path = Path("deployable")
) -> None:
    """Compare ways to compute the score of a camera, tested on synthetic anomalies.

    The ways differ in how the terms are standardised, weighted and averaged over time.
    No labels are needed: the anomalies are drawn into held-out normal clips.

    Example: dmad experiment deployable --run RUN

    Args:
        run: Run folder of a video model.
        data: Where the data set is.
        out: Folder to write to.
    """
    from dmad.experiments.deployable import deployable

    deployable(Path(run), out, root=data.root, cache=data.cache)


def fields_command(
    *,
    run: str,
    frames: int = 200,
    data: DataFolders = AS_IN_TRAINING,
    out: Path = Path("fields"),
) -> None:
    """Measure how far a model deforms things that move.

    The reference is the image that the model draws before any deformation. The command also
    measures how well the deformed reference matches the frame. In a good model it matches most of
    what moves, and anomalies are deformed more than normal things.

    Example: dmad experiment fields --run RUN

    Args:
        run: Run folder of a video model, or the name of a model that comes with dmad.
        frames: Number of frames of each split, evenly spread.
        data: Where the data set is.
        out: Folder to write to.
    """
    from dmad.experiments.fields import fields

    fields(Path(run), out, frames, data.root, data.cache)


def budgets_command(
    *,
    run: str,
    hours: float = 1.0,
    threshold_hours: float | None = None,
    seed: int = 0,
    data: DataFolders = AS_IN_TRAINING,
    out: Path = Path("budgets"),
) -> None:
    """Set thresholds for several budgets of false alarms, and count the false alarms.

    The alarms are counted on normal footage that was not used for training or thresholds. For
    recipe street, this footage is generated, in all weathers of the training. If the command
    was stopped, give it again to continue.

    Example: dmad experiment budgets --run RUN

    Args:
        run: Run folder of a video model.
        hours: Recipe street only: hours of footage to count false alarms in, all weathers together.
        threshold_hours: Recipe street only: hours of other footage to choose the thresholds with
            (default: as hours).
        seed: Recipe street only: seed of the generated footage.
        data: Where the data set is.
        out: Folder to write to.
    """
    from dmad.experiments.budgets import Hours, budgets

    given = Hours(hours, hours if threshold_hours is None else threshold_hours, seed)
    budgets(Path(run), out, given, data.root, data.cache)


@dataclass(frozen=True)
class PeerOptions:
    """What is compared, and how the other methods are trained.

    Args:
        runs: Finished runs of recipes images, mvtec and patches to compare, instead of training
            recipes images and patches. All must have been trained on the same images at the same
            size.
        methods: Names of the methods to compare, such as ["dmad patches","PatchCore"] (default:
            all). "dmad" stands for all of dmad.
        backbone: Pretrained network of the other methods, by its name in timm. For
            dmad it is the teacher.
        backbone_weights: File of its weights (default: an installed package, else timm downloads
            them).
        coreset: Share of all patches that PatchCore keeps.
        peer_epochs: Length of the training of Reverse Distillation and EfficientAD (default: as
            dmad).
        seed: Random seed.
        out: Folder to write to.
        data: The images of all methods.
        train: The training of recipe images.
    """

    runs: list[Path] = field(default_factory=list)
    methods: list[str] = field(default_factory=list)
    backbone: str = "resnet18"
    backbone_weights: Path | None = None
    coreset: float = 0.1
    peer_epochs: int | None = None
    seed: int = 0
    out: Path = Path("peers")
    data: GridData = GridData()
    train: GridTraining = GridTraining()


def peers_command(options: PeerOptions) -> None:
    """Compare dmad with PatchCore, PaDiM, EfficientAD and Reverse Distillation of anomalib.

    Trains recipes images and patches, unless you give runs. All methods get the same images, size,
    seed and rule for the threshold. To install the others: `pip install '.[peers]'`.

    Example: dmad experiment peers --data.root PHOTOS --train.epochs 12

    Args:
        options: What is compared.
    """
    from dmad.config import changed
    from dmad.experiments.anomalib_methods import PeerSettings, chosen_peers
    from dmad.experiments.peer_methods import own_methods, shared_data
    from dmad.experiments.peers import peers
    from dmad.experiments.run_grid import with_data
    from dmad.recipes import images, patches

    trained = with_data(images(), options.data.root, options.data.cache)
    size, epochs = options.data.size, options.train.epochs
    trained = changed(
        trained,
        seed=options.seed,
        size=size or trained.data.size,
        epochs=epochs or trained.train.epochs,
    )
    bank = changed(
        patches(),
        seed=options.seed,
        size=trained.data.size,
        root=trained.data.root,
        cache=trained.data.cache,
    )
    own = own_methods([trained, bank], options.runs)
    settings = PeerSettings(
        options.backbone,
        options.backbone_weights,
        options.coreset,
        options.peer_epochs or epochs_of_peers([method.config for method in own]),
        options.seed,
    )
    data = shared_data(own)
    methods = chosen_peers(own, settings, data.size, options.methods)
    peers(methods, data, options.out)


def epochs_of_peers(own: Sequence[Config]) -> int:
    """Return the epochs of dmad's own trainings. A bank of patches has none."""
    from dmad.config import TrainedConfig

    trained = [config.train.epochs for config in own if isinstance(config, TrainedConfig)]
    require(bool(trained), "a bank of patches has no epochs; give --peer_epochs")
    return max(trained)


EXPERIMENTS: dict[str, Verb] = {
    "toy": toy_command,
    "ablation": ablation_command,
    "gamma3": gamma3_command,
    "contamination": contamination_command,
    "video": video_command,
    "mvtec": mvtec_command,
    "figures": figures_command,
    "fields": fields_command,
    "deployable": deployable_command,
    "budgets": budgets_command,
    "peers": peers_command,
}
