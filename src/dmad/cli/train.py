"""`dmad train`."""

from __future__ import annotations

from argparse import SUPPRESS as HIDDEN
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from dmad import recipes
from dmad.checked_files import read_yaml
from dmad.cli.parsing import Parser, add_options, hide_files_of_groups
from dmad.cli.process import show
from dmad.config import Config, known_forms, restore, section_classes
from dmad.errors import DmadError, require

RUNS = Path("runs")
HELP_ALL = "--help-all"

# Settings that most users change. Only these are in the short help.
COMMON_SETTINGS = {
    "data.root",
    "data.size",
    "data.fps",
    "data.categories",
    "data.tiles",
    "data.cache",
    "model.teacher",
    "model.teacher_weights",
    "model.patches",
    "train.epochs",
    "train.batch_size",
    "train.seed",
    "train.start",
}


def train_command(config: Config, out: Path = RUNS, resume: Path | None = None) -> None:
    """Train a model with normal data, and set its threshold.

    The command makes a new folder, the run folder, and writes the model into it. The last
    line that it prints is the path of this folder.

    RECIPE is the name of a set of default settings. `dmad recipes` lists the recipes.
    `dmad train RECIPE --help` lists the most common settings of a recipe. `dmad train
    RECIPE --help-all` lists all of them. Without RECIPE, the help shows the settings of
    recipe video.

    Examples:
      dmad train video --data.root FOOTAGE
      dmad train ped2_crops --data.root UCSDped2
      dmad train --resume runs/ped2/20260101-120000-000

    Args:
        config: All settings.
        out: Folder in which the new run folder is made.
        resume: Run folder of a training that was stopped. The command continues this training.
    """
    from dmad import api, categories
    from dmad.training.train import is_first_process

    names = categories.categories_of(config)
    if len(names) > 1:
        folder = categories.train_categories(config, names, out, resume)
    else:
        one = categories.config_of_category(config, names[0]) if names else config
        folder = api.train(one, out, resume).folder
    if is_first_process():
        show(folder)


def parse_train(arguments: Sequence[str]) -> tuple[Config, Path, Path | None]:
    """Return the arguments of `train_command`. The options depend on the recipe.

    Raises:
        DmadError: A recipe or a setting is unknown, or no recipe is named.
    """
    base = _base_settings(arguments)
    parser = parser_of_settings(base or recipes.video())
    if {"-h", "--help"} & {*arguments}:
        _hide_rare_settings(parser)
    given = parser.parse_args(list(arguments))
    if base is None:
        raise DmadError("name a recipe to train: dmad train RECIPE; `dmad recipes` lists them")
    require(
        given.form == base.form, f"recipe {base.recipe} is of form {base.form}; leave --form out"
    )
    sections = {name: given[name].as_dict() for name in section_classes(base.form)}
    config = restore({"form": base.form, "recipe": given.recipe, **sections})
    if given.resume:
        _check_resumed(config, given.resume)
    return config, given.out, given.resume


def parser_of_settings(base: Config) -> Parser:
    """Return the parser of `dmad train` for the settings of one recipe or run.

    Args:
        base: These settings. They are the defaults. Their form (kind of model, such as video or
            images) says which options exist.
    """
    parser = Parser("train", train_command)
    known = ", ".join(recipes.names())
    parser.add_argument(
        "recipe", nargs="?", default=base.recipe, help=f"Name of a recipe: {known}."
    )
    parser.add_argument(
        "--form",
        default=base.form,
        help=f"Kind of model: {', '.join(known_forms())}. You do not need this option, because "
        "the recipe sets it.",
    )
    parser.add_argument("--config", action="config", help="YAML file with settings.")
    _explain_print_config(parser)
    parser.add_argument(
        HELP_ALL, action="help", help="Show this help message with all settings, and exit."
    )
    add_options(parser, train_command, "config")
    for name in section_classes(base.form):
        section = getattr(base, name)
        parser.add_class_arguments(type(section), name)
        parser.set_defaults({f"{name}.{key}": value for key, value in vars(section).items()})
    hide_files_of_groups(parser)
    return parser


def _explain_print_config(parser: Parser) -> None:
    """Replace the help of `--print_config`, which jsonargparse adds together with `--config`."""
    for action in parser._actions:
        if action.dest == "print_config":
            action.help = (
                "Print the settings of the recipe as YAML, changed by the options that you give, "
                "and exit. With =skip_default, print only what you change."
            )
            action.metavar = "[=skip_default]"


def _hide_rare_settings(parser: Parser) -> None:
    """Leave all but `COMMON_SETTINGS` out of the help. The options still exist."""
    for action in parser._actions:
        if "." in action.dest and action.dest not in COMMON_SETTINGS:
            action.help = HIDDEN


def _base_settings(arguments: Sequence[str]) -> Config | None:
    """Return the settings of the run to resume, or of the recipe. None: no run or recipe is named.

    Raises:
        DmadError: Several recipes are named, or the named recipe is unknown.
    """
    first = _first_parser()
    known = [word for word in arguments if not word.startswith("--print_config=")]
    given, others = first.parse_known_args(known)
    if given.resume:
        from dmad.runs import read_config

        return read_config(Path(given.resume))
    words = [given.recipe, *(word for word in others if not word.startswith("-"))]
    named = next((word for word in words if word in recipes.names()), given.recipe)
    wanted = {name for name in (named, *map(_recipe_in, given.config)) if name}
    require(
        len(wanted) < 2, f"recipes {' and '.join(sorted(wanted))} are named; leave one of them out"
    )
    return recipes.get(wanted.pop()) if wanted else None


def _recipe_in(file: str) -> str:
    """Return the recipe that a YAML file of settings names; "" if the file names none."""
    content = read_yaml(Path(file))
    return str(content.get("recipe") or "") if isinstance(content, dict) else ""


def _first_parser() -> ArgumentParser:
    """Return a parser that only finds the recipe, the form (kind of model) and the run to resume.

    The other options depend on these three. The parser knows the options of all forms, because it
    must know which words are values of options.
    """
    parser = ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("recipe", nargs="?")
    parser.add_argument("--config", action="append", default=[])
    for option in ("--resume", "--out", "--form"):
        parser.add_argument(option)
    for flag in ("-h", "--help", HELP_ALL, "--print_config"):
        parser.add_argument(flag, action="store_true")
    settings = {
        f"--{name}.{item.name}"
        for form in known_forms()
        for name, section in section_classes(form).items()
        for item in fields(section)
    }
    for option in sorted(settings):
        parser.add_argument(option)
    return parser


def _check_resumed(config: Config, run: Path) -> None:
    from dmad.runs import read_config
    from dmad.training.warm_start import check_resumed_settings

    recipe = read_config(run).recipe
    require(
        config.recipe == recipe,
        f"{run} is a run of {recipe}, not of {config.recipe}; leave the recipe out",
    )
    check_resumed_settings(config, run)
