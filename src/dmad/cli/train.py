"""`dmad train`: options to settings, a run or one a category, and its threshold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jsonargparse import Namespace

from dmad.cli.parsing import Parser
from dmad.config import SECTIONS, Config, restore
from dmad.errors import require


def parser_train(recipe: str | None, base: Config | None = None) -> Parser:
    """Options of `dmad train`, with the numbers of the recipe, or of `base`, as defaults."""
    from dmad import recipes

    parser = Parser(
        prog="dmad train",
        description="Train a model from normal footage or images. The run folder is printed last. "
        "`dmad train RECIPE --help` shows the numbers of that recipe.",
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
    named = next((a for a in arguments[:1] if not a.startswith("-")), None)
    recipe = _recipe_behind(arguments, named)
    asked = parser_train(recipe).parse_args(list(arguments))
    require(
        bool(asked.recipe or asked.resume),
        "say what to train: dmad train RECIPE; `dmad recipes` lists them",
    )
    config = _resumed(arguments, asked.resume) if asked.resume else _config(asked)
    from dmad import categories
    from dmad.thresholds import set_threshold
    from dmad.training import train as training

    names = categories.asked(config)
    if len(names) > 1:
        folder = categories.train_each(config, names, asked.out, asked.resume)
    else:
        config = categories.of_one(config, names[0]) if names else config
        folder = training.train(config, asked.out, asked.resume).folder
        set_threshold(folder)
    print(folder)


def _resumed(arguments: Sequence[str], run: Path) -> Config:
    """The settings of a stopped run; only where its data lies may be said anew."""
    from dmad.runs import read_config
    from dmad.training.warm_start import same_run

    base = read_config(run)
    asked = _config(parser_train(base.recipe, base).parse_args(list(arguments)))
    same = asked.recipe == base.recipe
    require(same, f"{run} is a run of {base.recipe}, not of {asked.recipe}; leave that out")
    same_run(asked, run)
    return asked


def _recipe_behind(arguments: Sequence[str], named: str | None) -> str | None:
    """The recipe named first, or behind the options, or in the file of settings."""
    import yaml

    if named and not any(a.startswith("--config") for a in arguments):
        return named
    rest = [a for a in arguments if not a.startswith(("-h", "--help", "--print_config"))]
    asked = parser_train(named).parse_args(rest)
    files = [yaml.safe_load(Path(str(file)).read_text()) or {} for file in asked.config or ()]
    inside = [str(found["recipe"]) for found in files if found.get("recipe")]
    wanted = {*inside, *filter(None, (named, asked.recipe))}
    require(len(wanted) < 2, f"recipes {' and '.join(sorted(wanted))} are asked for; leave one out")
    return next(iter(wanted), None)


def _config(asked: Namespace) -> Config:
    sections = {name: asked[name].as_dict() for name in SECTIONS}
    return restore({"recipe": asked.recipe, **sections})
