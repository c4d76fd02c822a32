"""The verbs of the command line: options to functions. Heavy imports stay inside the verbs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from dmad.cli.calibrate import calibrate
from dmad.cli.experiment import experiment
from dmad.cli.parsing import RUN, SCENE, Parser, add_places
from dmad.cli.train import train
from dmad.cli.watch import watch
from dmad.errors import require

SCORES_FILE = """The file holds arrays of one length, one a channel: any of score, reconstruction,
deformation, gradient (larger = more anomalous, NaN = no score); labels (1 = abnormal);
clip_lengths (frames of each clip). Write it with numpy.savez."""


def evaluate(arguments: Sequence[str]) -> None:
    """Score a labelled test split: table on screen; ledger, scores and report.html in the run."""
    parser = Parser(prog="dmad evaluate", description=evaluate.__doc__)
    parser.add_argument("run", type=str, help=RUN)
    add_places(parser)
    parser.add_argument("--out", type=Path | None, help="where to write (default: in the run)")
    asked = parser.parse_args(list(arguments))
    from dmad import categories
    from dmad.evaluation.tables import show
    from dmad.forms.video.evaluation import evaluate as run

    if Path(asked.run).is_dir() and categories.holds_categories(Path(asked.run)):
        require(not asked.out, "--out is for a single run; categories are judged where they lie")
        found = categories.evaluate_each(Path(asked.run), asked.data.root, asked.data.cache)
        categories.show(found)
    else:
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
    from dmad.evaluation.tables import show, write

    found = of_file(asked.scores, asked.recipe)
    show(found)
    if asked.out:
        write(found, asked.out, asked.scores.name)


def predict(arguments: Sequence[str]) -> None:
    """Judge images, videos or folders of them: scores as CSV, pictures and annotated video."""
    parser = Parser(prog="dmad predict", description=predict.__doc__)
    parser.add_argument("run", type=str, help=RUN)
    parser.add_argument("sources", type=str, nargs="+", help="images, videos, folders of them")
    parser.add_argument("--out", type=Path, default=Path("predictions"), help="where to write")
    parser.add_argument("--panels", type=int, default=4, help="panels of the strongest frames")
    parser.add_argument("--video", type=bool, default=True, help="write the annotated video")
    parser.add_argument("--scene", type=str, default="", help=SCENE)
    parser.add_argument(
        "--fps", type=float, default=0.0, help="of frame folders (default: as calibrated)"
    )
    parser.add_argument(
        "--calibration", type=Path | None, help="file that `dmad calibrate --out` wrote"
    )
    asked = parser.parse_args(list(arguments))
    from dmad.predict.video import predict as run

    wanted = (asked.panels, asked.video, asked.scene, asked.fps, asked.calibration)
    for line in run(asked.run, asked.sources, asked.out, *wanted):
        print(line)


def data(arguments: Sequence[str]) -> None:
    """Say what a data folder holds, what is missing, and where to get it."""
    parser = Parser(prog="dmad data", description=data.__doc__)
    parser.add_argument("path", type=Path, help="folder to look at")
    asked = parser.parse_args(list(arguments))
    from dmad.data.layouts.describe import describe

    print(describe(asked.path))


def recipes(arguments: Sequence[str]) -> None:
    """List the recipes: what each is for, its image size and epochs."""
    parser = Parser(prog="dmad recipes", description=recipes.__doc__)
    parser.parse_args(list(arguments))
    from dmad import recipes as book

    for name, line in book.describe():
        base = book.get(name)
        print(f"{name:13} {base.data.size:3} px  {base.train.epochs:3} epochs  {line}")


def demo(arguments: Sequence[str]) -> None:
    """Train a toy, a street and three textures with no data at all, and draw what they learnt."""
    parser = Parser(prog="dmad demo", description=demo.__doc__)
    parser.add_argument("--out", type=Path, default=Path("demo"), help="where to write")
    asked = parser.parse_args(list(arguments))
    from dmad.demo import demo as run

    run(asked.out)


def export(arguments: Sequence[str]) -> None:
    """Write a model for ONNX Runtime or OpenVINO; refused where it differs from PyTorch."""
    parser = Parser(prog="dmad export", description=export.__doc__)
    parser.add_argument("run", type=str, help="run folder, .safetensors file or shipped model")
    parser.add_argument("--format", choices=("onnx", "openvino"), required=True, help="for which")
    parser.add_argument(
        "--precision",
        choices=("fp32", "bf16", "int8"),
        default="fp32",
        help="of the computation; int8 takes its ranges from normal clips held out",
    )
    parser.add_argument("--out", type=Path | None, help="where to write (default: in the run)")
    add_places(parser)
    asked = parser.parse_args(list(arguments))
    from dmad.export.export import export as run

    places = (asked.out, asked.data.root, asked.data.cache)
    found = run(asked.run, asked.format, asked.precision, *places)
    print("\n".join([*found.lines(), str(found.folder)]))


def bench(arguments: Sequence[str]) -> None:
    """Time training, prediction, images or exports, beside the same in plain eager float32."""
    how = "Each in turn on random weights and a generated clip, on this CPU; let nothing else run."
    parser = Parser(prog="dmad bench", description=bench.__doc__, epilog=how)
    parser.add_argument(
        "what", choices=("train", "predict", "images", "deploy"), help="which job to time"
    )
    parser.add_argument("--sizes", type=list[int], default=[128, 256], help="image sizes")
    parser.add_argument(
        "--out", type=Path | None, help="folder for the table as bench-WHAT.json and .md"
    )
    asked = parser.parse_args(list(arguments))
    from dmad.bench import bench as timed
    from dmad.bench import deploy
    from dmad.hardware import describe

    found = deploy(asked.sizes) if asked.what == "deploy" else timed(asked.what, asked.sizes)
    found.show()
    print(describe("cpu"))
    if asked.out:
        found.write(asked.out / f"bench-{asked.what}", machine=describe("cpu"))


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
        watch,
        export,
        bench,
        experiment,
    )
}
