"""`dmad VERB ...`: the table of verbs, and how their errors are shown."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import TypeVar

from dmad.cli.bench import bench_command
from dmad.cli.calibrate import calibrate_command
from dmad.cli.data import data_command
from dmad.cli.demo import demo_command
from dmad.cli.evaluate import evaluate_command
from dmad.cli.experiment import EXPERIMENTS
from dmad.cli.export import export_command
from dmad.cli.ledger import ledger_command
from dmad.cli.parsing import Verb, call, parser_of
from dmad.cli.predict import predict_command
from dmad.cli.process import prepare_to_compute, set_up_streams
from dmad.cli.recipes import recipes_command
from dmad.cli.train import parse_train, train_command
from dmad.cli.watch import watch_command
from dmad.errors import DmadError, require

T = TypeVar("T")

VERBS: dict[str, Verb | dict[str, Verb]] = {
    "demo": demo_command,
    "recipes": recipes_command,
    "data": data_command,
    "train": train_command,
    "calibrate": calibrate_command,
    "evaluate": evaluate_command,
    "ledger": ledger_command,
    "predict": predict_command,
    "watch": watch_command,
    "export": export_command,
    "bench": bench_command,
    "experiment": EXPERIMENTS,
}

QUICK = (recipes_command, data_command, ledger_command)  # verbs that compute nothing with a model

EXPERIMENT = "Run an experiment of the paper. `dmad experiment` lists the experiments."

ABOUT_EXPERIMENTS = """usage: dmad experiment NAME [options]
       dmad experiment NAME --help     (lists the options)

Each of the first six experiments trains several models. If you stop it and start it again with the
same command, it continues. It writes a table as .md, .csv and .json, and a figure as .png and .pdf.
"""

INTRODUCTION = """dmad finds anomalies in video from fixed cameras and in images of manufactured
parts, and shows why they are anomalies.

usage: dmad VERB [options]
       dmad VERB --help     (explains a verb and lists its options)
"""

EXAMPLES = """
start:     dmad demo
own data:  dmad train video --data.root FOLDER
           dmad predict RUN VIDEO
camera:    dmad watch RUN rtsp://camera/stream
images:    dmad train images --data.root FOLDER
           dmad predict RUN FOLDER"""


def main() -> None:
    """Run a verb. For bad input, print one line on standard error and exit with code 2."""
    set_up_streams()
    try:
        run(sys.argv[1:])
    except DmadError as error:
        _stop(str(error), 2)
    except BrokenPipeError:  # the reader of the output has gone, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        _stop(f"{place}{error.strerror or error}", 2)
    except KeyboardInterrupt:
        _stop("stopped", 130)


def _stop(message: str, code: int) -> None:
    print(f"dmad: {message}", file=sys.stderr)
    sys.exit(code)


def run(arguments: Sequence[str]) -> None:
    """Run the verb that the first argument names."""
    first, *rest = [*arguments] or ["--help"]
    if first in ("-h", "--help"):
        print("\n".join([INTRODUCTION, *described(VERBS), EXAMPLES]))
    elif first == "--version":
        from dmad import __version__

        print(__version__)
    else:
        verb = named(first, VERBS, "verb")
        if isinstance(verb, dict):
            run_experiment(rest)
        else:
            run_verb(first, verb, rest)


def run_experiment(arguments: Sequence[str]) -> None:
    """Run the experiment that the first argument names."""
    first, *rest = [*arguments] or ["--help"]
    if first in ("-h", "--help"):
        print("\n".join([ABOUT_EXPERIMENTS, *described(EXPERIMENTS)]))
    else:
        run_verb(f"experiment {first}", named(first, EXPERIMENTS, "experiment"), rest)


def run_verb(name: str, verb: Verb, arguments: Sequence[str]) -> None:
    """Parse the arguments of a verb and call it."""
    if verb is train_command:
        settings = parse_train(arguments)
        prepare_to_compute()
        train_command(*settings)
        return
    parser = parser_of(name, verb)
    given = parser.instantiate(parser.parse_args(list(arguments)))
    if verb not in QUICK:
        prepare_to_compute()
    call(verb, given)


def described(verbs: Mapping[str, Verb | dict[str, Verb]]) -> list[str]:
    """Return a line for each verb: its name and the first line of its docstring."""
    lines = []
    for name, verb in verbs.items():
        text = EXPERIMENT if isinstance(verb, dict) else (verb.__doc__ or "").splitlines()[0]
        lines.append(f"  {name:14}{text}")
    return lines


def named(name: str, verbs: Mapping[str, T], kind: str) -> T:
    """Return an entry of a table of verbs or experiments.

    Raises:
        DmadError: The table has no such name. The message proposes the most similar name.
    """
    near = get_close_matches(name, verbs, 1)
    hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(verbs)}"
    require(name in verbs, f"unknown {kind} {name!r}; {hint}")
    return verbs[name]
