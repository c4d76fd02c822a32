"""`dmad VERB ...`: the list of verbs, and how their errors are shown.

The function of a verb is imported when the verb is used, so that each verb starts quickly.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING

from dmad.cli.process import prepare_to_compute, quick_exit, set_up_streams
from dmad.console import printable
from dmad.errors import DmadError, require

if TYPE_CHECKING:
    from jsonargparse import Namespace

    from dmad.cli.parsing import Verb

EXPERIMENT_VERB = "experiment"  # the name of an experiment follows it
# The function of the verb `demo` is `demo_command` in `dmad.cli.demo`, and so on.
VERBS = (
    "demo",
    "recipes",
    "data",
    "train",
    "calibrate",
    "evaluate",
    "ledger",
    "predict",
    "watch",
    "serve",
    "scan",
    "export",
    "bench",
    EXPERIMENT_VERB,
)

QUICK = ("recipes", "data", "ledger")  # verbs that compute nothing with a model
# Verbs with workers. Each worker prepares itself for torch, but not if the model is exported.
WITH_WORKERS = ("scan",)
# Other verbs that need no torch for exported models.
WITHOUT_TORCH = ("predict", "watch", "serve")

# Packages whose name for pip is not the name of their module.
PACKAGES = {
    "PIL": "pillow",
    "paho": "paho-mqtt",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}

EXPERIMENT = "Run an experiment, such as those of the paper. `dmad experiment` lists them."

ABOUT_EXPERIMENTS = """usage: dmad experiment NAME [options]
       dmad experiment NAME --help     (lists the options)

Each of the first six experiments trains several models. It writes a table of results (.md, .csv and
.json) and a figure (.png and .pdf). If you stop such an experiment, start it again with the same
command. Finished trainings are then not repeated.

"The paper" is: Liu et al., Diversity-Measurable Anomaly Detection, CVPR 2023.
docs/experiments.md explains each experiment.
"""

INTRODUCTION = """dmad finds anomalies in video from fixed cameras and in images of manufactured
parts. It learns from normal data only, and shows why something is an anomaly.

usage: dmad VERB [options]
       dmad VERB --help     (explains a verb and lists its options)
"""

EXAMPLES = """
Examples:
  without own data:  dmad demo
  own videos:        dmad train video --data.root FOLDER
                     dmad predict RUN VIDEO
  a camera:          dmad watch RUN rtsp://camera/stream
  images of parts:   dmad train images --data.root FOLDER
                     dmad predict RUN FOLDER

RUN is a run folder: `dmad train` writes the model into it, and prints its path. Instead of RUN, you
can write the name of a model that comes with dmad, such as ped2."""


def run_process() -> None:
    """Run a verb, and then end this process. The command `dmad` in a terminal starts here."""
    with quick_exit():
        main()


def main() -> None:
    """Run a verb.

    For bad input or a missing package, print one line on standard error and exit with code 2.
    """
    set_up_streams()
    try:
        run(sys.argv[1:])
    except DmadError as error:
        _stop(str(error), 2)
    except ModuleNotFoundError as error:
        module = error.name or ""
        package = module.partition(".")[0]
        if package != module or package == "dmad":  # a damaged package, or a mistake in dmad
            raise
        name = PACKAGES.get(package, package)
        _stop(f"this command needs the Python package {name}; install it with pip", 2)
    except BrokenPipeError:  # the program that reads the output has ended, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        _stop(f"{place}{error.strerror or error}", 2)
    except KeyboardInterrupt:
        _stop("stopped", 130)


def _stop(message: str, code: int) -> None:
    print(f"dmad: {printable(message)}".replace("\n", " "), file=sys.stderr)
    sys.exit(code)


def run(arguments: Sequence[str]) -> None:
    """Run the verb that the first argument names."""
    first, *rest = [*arguments] or ["--help"]
    if first in ("-h", "--help"):
        print("\n".join([INTRODUCTION, *described_verbs(), EXAMPLES]))
    elif first == "--version":
        from dmad import __version__

        print(__version__)
    else:
        check_name(first, VERBS, "verb")
        if first == EXPERIMENT_VERB:
            run_experiment(rest)
        else:
            run_verb(first, rest)


def run_experiment(arguments: Sequence[str]) -> None:
    """Run the experiment that the first argument names."""
    from dmad.cli.experiment import EXPERIMENTS

    first, *rest = [*arguments] or ["--help"]
    if first in ("-h", "--help"):
        lines = [described(name, experiment) for name, experiment in EXPERIMENTS.items()]
        print("\n".join([ABOUT_EXPERIMENTS, *lines]))
    else:
        check_name(first, EXPERIMENTS, "experiment")
        name = f"{EXPERIMENT_VERB} {first}"
        parse_and_call(name, EXPERIMENTS[first], rest)


def run_verb(name: str, arguments: Sequence[str]) -> None:
    """Parse the arguments of a verb and call it."""
    if name != "train":
        parse_and_call(name, function_of(name), arguments)
        return
    from dmad.cli.train import parse_train, train_command

    settings = parse_train(arguments)
    prepare_to_compute()
    train_command(*settings)


def parse_and_call(name: str, verb: Verb, arguments: Sequence[str]) -> None:
    """Call the function of a verb or an experiment with these arguments."""
    from dmad.cli.parsing import call, parser_of

    parser = parser_of(name, verb)
    given = parser.instantiate(parser.parse_args(list(arguments)))
    if name not in QUICK:
        prepare_to_compute(uses_torch(name, given))
    call(verb, given)


def uses_torch(name: str, given: Namespace) -> bool:
    """Return True if this process must be prepared for torch before a verb is called.

    Return False if the verb needs no torch for exported models and all models are exported. Return
    False also for a verb whose work is done by other processes.

    Args:
        name: Name of the verb.
        given: The arguments of the verb.

    Raises:
        DmadError: A model that `given` names does not exist.
    """
    if name in WITH_WORKERS:
        return False
    return name not in WITHOUT_TORCH or any(map(needs_torch, models_of(given)))


def models_of(given: Namespace) -> list[str]:
    """Return the models that the arguments of a verb name."""
    return list(given["models"]) if "models" in given else [given["run"]]


def needs_torch(run: str) -> bool:
    """Return True if a model needs torch: all models except exported models do.

    Raises:
        DmadError: There is no model. This error comes early, before torch is imported.
    """
    from dmad.runs import GRAPH_FILES, find_model

    return find_model(run).weights.name not in GRAPH_FILES.values()


def function_of(verb: str) -> Verb:
    """Import and return the function of a verb."""
    function: Verb = getattr(import_module(f"dmad.cli.{verb}"), f"{verb}_command")
    return function


def described_verbs() -> list[str]:
    """Return a line for each verb, with its name and what it does."""
    lines = [described(name, function_of(name)) for name in VERBS if name != EXPERIMENT_VERB]
    return [*lines, f"  {EXPERIMENT_VERB:14}{EXPERIMENT}"]


def described(name: str, verb: Verb) -> str:
    """Return a line with the name of a verb and the first line of its docstring."""
    return f"  {name:14}{(verb.__doc__ or '').splitlines()[0]}"


def check_name(name: str, known: Collection[str], kind: str) -> None:
    """Check that a verb or an experiment exists.

    Raises:
        DmadError: The name is unknown. The message proposes the most similar name.
    """
    near = get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
    require(name in known, f"unknown {kind} {name!r}; {hint}")
