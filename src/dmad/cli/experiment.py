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
        size: Height and width of the frames or images in pixels (default: as in the recipe or run).
    """

    root: Path | None = None
    cache: Path | None = None
    size: int | None = None


@dataclass(frozen=True)
class GridTraining:
    """Settings of all trainings.

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
        variants: Names of the variants to train. The first column of the table that this
            experiment writes contains the names. For a wrong name, an error message lists all names
            (default: all variants).
        time_limit: Longest time for all trainings together, such as 90s, 20m or 8h. If the time
            is too short, all trainings are shortened (default: no limit).
        out: Folder to write to (default: a folder with the name of the experiment).
        data: The data of all trainings.
        train: Settings of all trainings.
        ray: Train several variants at the same time on a cluster of the package Ray. `auto` uses
            the cluster that this machine belongs to, or starts Ray on this machine if there is
            none. `local` starts a new cluster on this machine. You can also give the address of a
            cluster. All machines must see the same folders under the same paths.
        threads_per_worker: Number of processor cores for each training, only with --ray.
        gpus_per_worker: Number of GPUs for each training, only with --ray. With 0.5, two trainings
            share a GPU. With 0, trainings use processor cores.
    """

    seeds: list[int] | None = None
    variants: list[str] | None = None
    time_limit: str = ""
    out: Path | None = None
    data: GridData = GridData()
    train: GridTraining = GridTraining()
    ray: str = ""
    threads_per_worker: int = 1
    gpus_per_worker: float = 0.0

    def effort(self) -> Effort:
        """Return the seeds, variants, training length, time limit and workers of these options.

        Raises:
            DmadError: The time limit is not a duration such as 20m, or an option needs --ray.
        """
        from dmad.experiments.effort import Effort
        from dmad.experiments.grid_workers import GridWorkers

        return Effort(
            epochs=self.train.epochs,
            size=self.data.size,
            seeds=self.seeds or (),
            only=self.variants or (),
            time_limit=seconds(self.time_limit) if self.time_limit else None,
            workers=GridWorkers(self.ray, self.threads_per_worker, self.gpus_per_worker),
        )


def seconds(time: str) -> float:
    """Return the seconds of a duration such as 90s, 20m or 8h.

    Raises:
        DmadError: The text has another form.
    """
    number, unit = time[:-1], time[-1:]
    is_time = unit in SECONDS and number.replace(".", "", 1).isdigit()
    require(is_time, f"--time-limit is {time}; write a time such as 90s, 20m or 8h")
    return float(number) * SECONDS[unit]


def toy_command(grid: GridOptions, recipe: str = "digits") -> None:
    """Compare three variants of a model on images of digits (Sec. 4.2 and Fig. 6 of the paper).

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
    """Train a model with all of its parts, and without some of them (Table 4 of the paper).

    The variants start from random weights. docs/experiments.md lists them.

    Example: dmad experiment ablation --run RUN --train.epochs 4 --seeds [0,1]

    Args:
        grid: Seeds, variants, data and number of epochs.
        run: Run folder. The experiment uses the settings of this run, and changes some of them.
    """
    _vary_parts("ablation", grid, run)


def gamma3_command(grid: GridOptions, *, run: str) -> None:
    """Train a model of images with six different weights of its cycle loss (Table 5 of the paper).

    The variants start from random weights.

    Example: dmad experiment gamma3 --run RUN --train.epochs 5

    Args:
        grid: Seeds, variants, data and number of epochs.
        run: Run folder. The experiment uses the settings of this run, and changes some of them.
    """
    _vary_parts("gamma3", grid, run)


def _vary_parts(name: str, grid: GridOptions, run: str) -> None:
    from dmad.experiments.ablation import ablation

    out = grid.out or Path(name)
    ablation(name, Path(run), out, grid.effort(), grid.data.root, grid.data.cache)


def contamination_command(grid: GridOptions, *, run: str) -> None:
    """Train models of video with abnormal events in the training data (Sec. 4.6 of the paper).

    In the training data, 0, 1, 5 or 10 % of the frames are abnormal. With each of these
    shares, two models are trained: dmad, and a model with only a memory and skip
    connections. All models start from random weights.

    Example: dmad experiment contamination --run RUN --train.epochs 4

    Args:
        grid: Seeds, variants, data and number of epochs.
        run: Run folder. The experiment uses the settings of this run, and changes some of them.
    """
    from dmad.experiments.contamination import contamination

    out = grid.out or Path("contamination")
    contamination(Path(run), out, grid.effort(), grid.data.root, grid.data.cache)


def video_command(grid: GridOptions) -> None:
    """Train a model on each of three data sets of video (Table 1 of the paper).

    The folder --data.root must contain one or more of the folders ped2, avenue and
    shanghaitech. Each of them is a variant.

    Example: dmad experiment video --data.root DATA --seeds [0,1,2]

    Args:
        grid: Seeds, variants, data and number of epochs.
    """
    root = _data_folder(grid, "video")
    from dmad.experiments.benchmarks import video

    video(root, grid.out or Path("video"), grid.effort(), grid.data.cache)


def mvtec_command(grid: GridOptions, run: Path | None = None) -> None:
    """Train a model for every category of MVTec AD (Tables 2 and 3 of the paper).

    Example: dmad experiment mvtec --data.root MVTEC

    Args:
        grid: Seeds, variants, data and number of epochs.
        run: Run folder with the settings to use (default: the settings of recipe mvtec).
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
    """Use synthetic anomalies to find the best way to compute the score of a live camera.

    The score has two terms: reconstruction and deformation. The command compares several
    ways to standardise and weight the terms, and to average the score over time. You need
    no labels: synthetic anomalies are drawn into normal clips that were not used in
    training.

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

    From its memory, the model draws an image, which is called the reference. Then it deforms
    the reference to match the frame. The command also measures how well the deformed
    reference matches the frame. If the model is good, the deformed reference matches most
    moving things, and the deformation is larger at anomalies than at normal things.

    Example: dmad experiment fields --run RUN

    Args:
        run: Run folder of a video model, or the name of a model that comes with dmad.
        frames: Number of frames of each kind to measure: normal frames of clips that were not used
            in training, and frames of the test clips.
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

    A budget is the number of false alarms per hour that you accept. The alarms are counted
    in normal footage that was used neither for training nor for the thresholds. For recipe
    street, this footage is generated. If you stop the command, give the same command again
    to continue.

    Example: dmad experiment budgets --run RUN

    Args:
        run: Run folder of a video model.
        hours: Number of hours of generated footage in which alarms are counted. If the model was
            trained with several kinds of weather (`--data.weathers`), this is the sum for all of
            these kinds. Recipe street only.
        threshold_hours: Number of hours of other generated footage, for the thresholds (default:
            the value of hours). Recipe street only.
        seed: Random seed of the generated footage. Recipe street only.
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
        runs: Run folders of recipes images, mvtec or patches. dmad is then not trained, and these
            runs are compared. All runs must have the same training images and image size.
        methods: Names of the methods to compare, such as ["dmad patches","PatchCore"] (default: all
            methods). "dmad" stands for all methods of dmad.
        backbone: Pretrained network of the other methods, by its name in the package timm.
        backbone_weights: File with the weights of the backbone. Without a file, the weights come
            from an installed package, or timm downloads them.
        coreset: Share of all patches that PatchCore keeps.
        peer_epochs: Number of epochs of Reverse Distillation and EfficientAD (default: the
            number of epochs in the training of dmad).
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

    The command trains dmad with the recipes images and patches, and the other methods with
    the package anomalib. All methods get the same images, the same image size, the same
    seed and the same rule for the threshold. The other methods need `pip install
    'dmad[peers]'`.

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
    """Return the number of epochs for the other methods: the largest number in `own`.

    Args:
        own: The settings of dmad's own models. Banks of patches have no epochs.

    Raises:
        DmadError: All models are banks of patches.
    """
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
