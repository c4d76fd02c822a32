"""`dmad experiment`: options to an experiment. Heavy imports stay inside."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import Namespace

from dmad.cli.parsing import Parser, add_places
from dmad.errors import require

if TYPE_CHECKING:
    from dmad.experiments.effort import Effort

WHAT = """toy: Sec. 4.2 and Fig. 6, three variants on digits; ablation: the parts of a run (Table 4,
or those of PPDM); gamma3: Table 5; contamination: abnormal events in training (Sec. 4.6); video,
mvtec: Tables 1 to 3 over the data that is there; figures: Figs. 2, 6 and 7 of any run or shipped
model; deployable: which score, without labels; budgets: false alarms promised and realised; page: a
page of results from stored ones"""

GRIDS = """toy, ablation, gamma3, contamination, video and mvtec are grids of runs: stopped and
started again, they repeat no finished run, and write their table as .md, .csv and .json and their
figure as .png and .pdf."""


def experiment(arguments: Sequence[str]) -> None:
    """Run an experiment of the paper, or one on the choices made here; one command a table."""
    parser = Parser(prog="dmad experiment", description=experiment.__doc__, epilog=GRIDS)
    runs = {
        "toy": _toy,
        "ablation": _ablation,
        "gamma3": _ablation,
        "contamination": _contamination,
        "video": _video,
        "mvtec": _mvtec,
        "figures": _figures,
        "deployable": _deployable,
        "budgets": _budgets,
        "page": _page,
    }
    parser.add_argument("name", choices=tuple(runs), help=WHAT)
    parser.add_argument("--run", type=Path | None, help="run to draw, or whose settings are varied")
    add_places(parser)
    parser.add_argument("--data.size", type=int | None, help="grids: pixels")
    parser.add_argument("--train.epochs", type=int | None, help="grids: passes over the data")
    parser.add_argument("--seeds", type=list[int], default=[], help="grids: such as [0,1,2]")
    parser.add_argument(
        "--variants", type=list[str], default=[], help='grids: some alone, as ["full","- PDM"]'
    )
    parser.add_argument("--budget", type=str, help="grids: time to train in all, such as 20m")
    parser.add_argument(
        "--ray", type=bool, default=False, help="grids: share the runs among Ray's workers"
    )
    parser.add_argument("--recipe", type=str, default="digits", help="toy: digits or mnist")
    parser.add_argument(
        "--hours", type=float, default=1.0, help="budgets: street footage filmed, and as much again"
    )
    parser.add_argument("--out", type=Path | None, help="where to write (default: its name)")
    asked = parser.parse_args(list(arguments))
    runs[asked.name](asked, asked.out or Path(asked.name))


def _toy(asked: Namespace, out: Path) -> None:
    from dmad import recipes as book
    from dmad.experiments.grid import placed
    from dmad.experiments.toy import toy as run

    run(placed(book.get(asked.recipe), asked.data.root, asked.data.cache), out, _effort(asked))


def _ablation(asked: Namespace, out: Path) -> None:
    from dmad.experiments.ablation import ablation

    places = (asked.data.root, asked.data.cache)
    ablation(asked.name, _run(asked), out, _effort(asked), *places)


def _contamination(asked: Namespace, out: Path) -> None:
    from dmad.experiments.contamination import contamination

    contamination(_run(asked), out, _effort(asked), asked.data.root, asked.data.cache)


def _video(asked: Namespace, out: Path) -> None:
    from dmad.experiments.benchmarks import video

    video(_root(asked), out, _effort(asked), asked.data.cache)


def _mvtec(asked: Namespace, out: Path) -> None:
    from dmad.experiments.benchmarks import mvtec

    mvtec(_root(asked), out, _effort(asked), asked.run, asked.data.cache)


def _figures(asked: Namespace, out: Path) -> None:
    from dmad.experiments.figures import figures

    for path in figures(_run(asked), out, asked.data.root, asked.data.cache):
        print(path)


def _deployable(asked: Namespace, out: Path) -> None:
    from dmad.experiments.deployable import deployable as run

    run(_run(asked), out, root=asked.data.root, cache=asked.data.cache)


def _budgets(asked: Namespace, out: Path) -> None:
    from dmad.experiments.budgets import budgets as run

    run(_run(asked), out, asked.hours, asked.data.root, asked.data.cache)


def _page(asked: Namespace, out: Path) -> None:
    from dmad.experiments.page import page

    print(page(out))


def _run(asked: Namespace) -> Path:
    require(asked.run is not None, f"say which run: dmad experiment {asked.name} --run RUN")
    return Path(asked.run)


def _root(asked: Namespace) -> Path:
    root = asked.data.root
    require(root is not None, f"say where: dmad experiment {asked.name} --data.root DIR")
    require(Path(root).is_dir(), f"{root} is no folder; give that of the data as --data.root")
    return Path(root)


def _effort(asked: Namespace) -> Effort:
    from dmad.experiments.effort import Effort

    return Effort(
        asked.train.epochs,
        asked.data.size,
        asked.seeds,
        asked.variants,
        _seconds(asked.budget),
        asked.ray,
    )


def _seconds(budget: str | None) -> float | None:
    """A time such as 90s, 20m or 8h in seconds."""
    if budget is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", budget.strip())
    require(found is not None, f"--budget {budget} is no time; write 90s, 20m or 8h")
    assert found is not None
    return float(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]]
