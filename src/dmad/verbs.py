"""The verbs of the command line: options to functions. Heavy imports stay inside the verbs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import NoReturn

from jsonargparse import ArgumentParser, Namespace

from dmad.config import Config, require
from dmad.errors import DmadError
from dmad.settings import SECTIONS, restore

SCORES_FILE = """The file holds arrays of one length, one a channel: any of score, reconstruction,
deformation, gradient (larger = more anomalous, NaN = no score); labels (1 = abnormal);
clip_lengths (frames of each clip); optionally fps. Write it with numpy.savez."""


class Parser(ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Say what is wrong and, where a name is nearly right, what was meant."""
        raise DmadError(_one_line(message, self))


def _one_line(message: str, parser: ArgumentParser) -> str:
    words = " ".join(str(message).split())
    wrong = next((w for w in words.split() if w.startswith("--")), None)
    options = [o for action in parser._actions for o in action.option_strings]
    near = get_close_matches((wrong or "").split("=")[0], options, 1, 0.65)
    hint = f"; did you mean {near[0]}?" if near and near[0] != wrong else ""
    return f"{words}{hint}" if hint else f"{words}; see --help"


def parser_train(recipe: str | None, base: Config | None = None) -> Parser:
    """Options of `dmad train`, with the numbers of the recipe, or of `base`, as defaults."""
    from dmad import recipes

    parser = Parser(
        prog="dmad train",
        description="Train a model from normal footage or images. The run folder is printed last.",
        epilog="Example: dmad train ped2 --data.root UCSDped2 --data.size 128 --train.epochs 4",
    )
    known = ", ".join(recipes.names())
    start = f"where the settings start from: {known}"
    parser.add_argument("recipe", nargs="?", default=recipe, help=start)
    parser.add_argument("--config", action="config", help="YAML file of settings")
    parser.add_argument("--out", type=Path, default=Path("runs"), help="folder for new runs")
    parser.add_argument("--resume", type=Path | None, help="run folder to go on with")
    base = base or (recipes.get(recipe) if recipe else Config())
    for name, section in SECTIONS.items():
        parser.add_class_arguments(section, name)
        values = vars(getattr(base, name))
        parser.set_defaults({f"{name}.{key}": value for key, value in values.items()})
    return parser


def train(arguments: Sequence[str]) -> None:
    """Train a model from normal data; prints its run folder last."""
    recipe = next((a for a in arguments[:1] if not a.startswith("-")), None)
    recipe = recipe or _recipe_behind(arguments)
    asked = parser_train(recipe).parse_args(list(arguments))
    require(
        bool(asked.recipe or asked.resume),
        "say what to train: dmad train RECIPE; `dmad recipes` lists them",
    )
    config = _resumed(arguments, asked.resume) if asked.resume else _config(asked)
    from dmad import training

    run = training.train(config, asked.out, asked.resume)
    if config.data.held_out:
        _set_threshold(run.folder)
    print(run.folder)


def _set_threshold(run: Path) -> None:
    """Calibrate a fresh model on what its training held out; without it, say why not."""
    from dmad import judge

    try:
        judge.tell(judge.calibrate(run))
    except DmadError as error:
        print(f"note: no threshold was set: {error}", file=sys.stderr)


def _resumed(arguments: Sequence[str], run: Path) -> Config:
    """The settings of a stopped run; only where its data lies may be said anew."""
    from dmad.runs import read_config

    base = read_config(run)
    asked = _config(parser_train(base.recipe, base).parse_args(list(arguments)))
    places = {name: getattr(asked.data, name) for name in ("root", "cache", "workers")}
    config = replace(base, data=replace(base.data, **places))
    require(
        replace(asked, recipe=base.recipe) == config,
        "with --resume the run's own settings hold; only --data.root, --data.cache and "
        "--data.workers may be given",
    )
    return config


def _recipe_behind(arguments: Sequence[str]) -> str | None:
    """The recipe where it stands behind the options, or in the file of settings."""
    import yaml

    rest = [a for a in arguments if not a.startswith(("-h", "--help", "--print_config"))]
    asked = parser_train(None).parse_args(rest)
    files = [yaml.safe_load(Path(str(file)).read_text()) for file in asked.config or ()]
    named = [str(found["recipe"]) for found in files if found.get("recipe")]
    return asked.recipe or next(reversed(named), None)


def _config(asked: Namespace) -> Config:
    sections = {name: asked[name].as_dict() for name in SECTIONS}
    return restore({"recipe": asked.recipe, **sections})


def evaluate(arguments: Sequence[str]) -> None:
    """Score a labelled test split; table on screen, ledger.json and scores.npz in the run."""
    parser = Parser(prog="dmad evaluate", description=evaluate.__doc__)
    parser.add_argument("run", type=str, help="run folder, .safetensors file or shipped model")
    parser.add_argument("--data.root", type=Path | None, help="folder of the data set")
    parser.add_argument("--data.cache", type=Path | None, help="folder for decoded frames")
    parser.add_argument("--out", type=Path | None, help="where to write (default: in the run)")
    asked = parser.parse_args(list(arguments))
    from dmad.evaluation.show import show
    from dmad.judge import evaluate as run

    show(run(asked.run, asked.data.root, asked.data.cache, asked.out).ledger)


def ledger(arguments: Sequence[str]) -> None:
    """Draw up the same ledger for anybody's frame scores, from a .npz file."""
    parser = Parser(prog="dmad ledger", description=ledger.__doc__, epilog=SCORES_FILE)
    parser.add_argument("scores", type=Path, help=".npz of scores, labels and clip_lengths")
    parser.add_argument(
        "--recipe", type=str, default="", help="published protocol: ped2, avenue, shanghaitech"
    )
    parser.add_argument("--out", type=Path | None, help="folder for ledger.json and ledger.md")
    asked = parser.parse_args(list(arguments))
    from dmad.evaluation.ledger import of_file
    from dmad.evaluation.show import show, write

    found = of_file(asked.scores, asked.recipe)
    show(found)
    if asked.out:
        write(found, asked.out, asked.scores.name)


def calibrate(arguments: Sequence[str]) -> None:
    """Set a model's threshold from normal footage alone, for a budget of false alarms."""
    from dmad.evaluation.calibration import AlarmShape

    parser = Parser(
        prog="dmad calibrate",
        description=calibrate.__doc__,
        epilog="Example: dmad calibrate RUN --false-alarms 1/day",
    )
    parser.add_argument("run", type=Path, help="run folder")
    parser.add_argument(
        "normal", type=Path, nargs="*", help="normal videos or frame folders (default: held out)"
    )
    parser.add_argument(
        "--false-alarms", type=str, default="1/hour", help="1/day, 2/hour, 0.001/frame"
    )
    parser.add_argument("--fps", type=float, default=0.0, help="where the footage does not say")
    parser.add_argument(
        "--weight", type=float | None, help="of the deformation, standardised (default: the run's)"
    )
    parser.add_class_arguments(AlarmShape, "alarm")
    parser.add_argument("--data.root", type=Path | None, help="folder of the data set")
    parser.add_argument("--data.cache", type=Path | None, help="folder for decoded frames")
    asked = parser.parse_args(list(arguments))
    from dmad.judge import calibrate as run
    from dmad.judge import tell

    shape, where = AlarmShape(**asked.alarm.as_dict()), asked.data
    budget, normal = asked.false_alarms, asked.normal
    places = (where.root, where.cache)
    tell(run(asked.run, normal, budget, shape, *places, asked.fps, asked.weight))


def predict(arguments: Sequence[str]) -> None:
    """Judge videos or frame folders: scores as CSV, annotated video and pictures."""
    parser = Parser(prog="dmad predict", description=predict.__doc__)
    parser.add_argument("run", type=str, help="run folder, .safetensors file or shipped model")
    parser.add_argument(
        "sources", type=str, nargs="+", help="videos, frame folders, folders of them"
    )
    parser.add_argument("--out", type=Path, default=Path("predictions"), help="where to write")
    parser.add_argument("--panels", type=int, default=4, help="panels of the strongest frames")
    parser.add_argument("--video", type=bool, default=True, help="write the annotated video")
    parser.add_argument("--scene", type=str, default="", help="name of the view trained on")
    asked = parser.parse_args(list(arguments))
    from dmad.inference.predict import predict as run

    for line in run(asked.run, asked.sources, asked.out, asked.panels, asked.video, asked.scene):
        print(line)


def data(arguments: Sequence[str]) -> None:
    """Say what a data folder holds, what is missing, and where to get it."""
    parser = Parser(prog="dmad data", description=data.__doc__)
    parser.add_argument("path", type=Path, help="folder to look at")
    asked = parser.parse_args(list(arguments))
    from dmad.data.layouts import describe

    print(describe(asked.path))


def recipes(arguments: Sequence[str]) -> None:
    """List the recipes: what each is for, its image size and epochs."""
    parser = Parser(prog="dmad recipes", description=recipes.__doc__)
    parser.parse_args(list(arguments))
    from dmad import recipes as book

    for name, line in book.describe():
        base = book.get(name)
        print(f"{name:13} {base.data.size:3} px  {base.train.epochs:2} epochs  {line}")


def demo(arguments: Sequence[str]) -> None:
    """Train the toy and the street with no data at all, and draw what they learnt."""
    parser = Parser(prog="dmad demo", description=demo.__doc__)
    parser.add_argument("--out", type=Path, default=Path("demo"), help="where to write")
    asked = parser.parse_args(list(arguments))
    from dmad.demo import demo as run

    run(asked.out)


def bench(arguments: Sequence[str]) -> None:
    """Time training or prediction as shipped beside the same model in plain eager float32."""
    parser = Parser(prog="dmad bench", description=bench.__doc__)
    parser.add_argument("what", choices=("train", "predict"), help="which job to time")
    parser.add_argument("--sizes", type=list[int], default=[128, 256], help="image sizes")
    asked = parser.parse_args(list(arguments))
    from dmad.bench import bench as run

    run(asked.what, asked.sizes)


def experiment(arguments: Sequence[str]) -> None:
    """Run an experiment: toy, deployable."""
    parser = Parser(prog="dmad experiment", description=experiment.__doc__)
    told = "toy: Sec. 4.2, three variants on digits; deployable: which score, without labels"
    parser.add_argument("name", choices=("toy", "deployable"), help=told)
    parser.add_argument("--run", type=Path | None, help="deployable: the run")
    parser.add_argument("--recipe", type=str, default="digits", help="toy: digits or mnist")
    parser.add_argument("--data.root", type=Path | None, help="folder of the data set")
    parser.add_argument("--data.cache", type=Path | None, help="folder for decoded frames")
    parser.add_argument("--train.epochs", type=int | None, help="toy: passes over the data")
    parser.add_argument("--train.seed", type=int, default=0, help="toy: seed")
    parser.add_argument("--out", type=Path | None, help="where to write (default: its name)")
    asked = parser.parse_args(list(arguments))
    {"toy": _toy, "deployable": _deployable}[asked.name](asked, asked.out or Path(asked.name))


def _toy(asked: Namespace, out: Path) -> None:
    from dmad import recipes as book
    from dmad.experiments.toy import toy as run

    base = book.get(asked.recipe)
    epochs = asked.train.epochs or base.train.epochs
    config = replace(
        base,
        data=replace(base.data, root=asked.data.root),
        train=replace(base.train, epochs=epochs, seed=asked.train.seed),
    )
    run(config, out)


def _deployable(asked: Namespace, out: Path) -> None:
    from dmad.experiments.deployable import deployable as run

    require(asked.run is not None, "say which run: dmad experiment deployable --run RUN")
    run(asked.run, out, root=asked.data.root, cache=asked.data.cache)


VERBS: dict[str, Callable[[Sequence[str]], None]] = {
    verb.__name__: verb
    for verb in (
        demo,
        recipes,
        data,
        train,
        calibrate,
        evaluate,
        ledger,
        predict,
        bench,
        experiment,
    )
}
