"""`dmad calibrate`: options to a threshold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dmad.cli.parsing import RUN, SCENE, Parser, add_places, add_zone, zone_of


def calibrate(arguments: Sequence[str]) -> None:
    """Set a model's threshold from normal footage alone, for a budget of false alarms."""
    parser = _parser()
    asked = parser.parse_args(list(arguments))
    said = parser.parse_args(list(arguments), defaults=False).get("alarm", {})
    from dmad.runs import find_model
    from dmad.thresholds import calibrate as run
    from dmad.thresholds import show_threshold

    where = asked.data
    found = run(
        asked.run,
        asked.footage,
        asked.false_alarms,
        dict(said),
        where.root,
        where.cache,
        asked.fps,
        asked.weight,
        asked.normal,
        asked.out,
        asked.scene,
        zone_of(asked),
    )
    show_threshold(found)
    print(asked.out or find_model(asked.run).card)


def _parser() -> Parser:
    parser = Parser(
        prog="dmad calibrate",
        description=calibrate.__doc__,
        epilog="Example: dmad calibrate RUN --false-alarms 1/day",
    )
    parser.add_argument("run", type=Path, help=f"{RUN}, that one with --out")
    parser.add_argument(
        "footage",
        type=Path,
        nargs="*",
        default=[],
        help="normal videos or frame folders not trained on; without any, that of the last "
        "calibration, or what the training held out",
    )
    parser.add_argument(
        "--normal",
        type=Path,
        nargs="+",
        default=[],
        help="clips that were alarms and are normal, added to that footage",
    )
    parser.add_argument("--scene", type=str, default="", help=f"of the clips: {SCENE}")
    add_zone(parser)
    parser.add_argument("--out", type=Path | None, help="file to keep it in (default: the run)")
    parser.add_argument(
        "--false-alarms",
        type=str,
        default="",
        help="1/day, 2/hour, 0.001/frame; 0.01/image (default: the last; at first 1/hour, and of "
        "images 0.01/image)",
    )
    parser.add_argument("--fps", type=float, default=0.0, help="where the footage does not say")
    parser.add_argument(
        "--weight", type=float | None, help="of the deformation, standardised (default: the last)"
    )
    _add_alarm(parser)
    add_places(parser)
    return parser


def _add_alarm(parser: Parser) -> None:
    from dmad.calibration.threshold import AlarmShape

    parser.add_class_arguments(AlarmShape, "alarm")
    assert parser.groups
    parser.groups["alarm"].title = "What is one alarm (default: as the last time, at first as said)"
