"""`dmad watch`: options to cameras and sinks."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dmad.cli.parsing import RUN, SCENE, Parser, add_zone, zone_of
from dmad.errors import require

if TYPE_CHECKING:
    from jsonargparse import Namespace

    from dmad.watch.cameras import Camera
    from dmad.watch.sinks import Sink

SOURCE = (
    "video, folder of frames, rtsp:// or http:// stream, /dev/video0, or a .yaml of many cameras"
)


def watch(arguments: Sequence[str]) -> None:
    """Judge cameras, streams and files as their frames come; tell of events in lines of JSON."""
    asked = _parser().parse_args(list(arguments))
    from dmad.inference.detector import load
    from dmad.watch.camera_worker import Wanted
    from dmad.watch.watch import watch as run

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    cameras = _cameras(asked)
    wanted = Wanted(asked.out, asked.before, asked.after, asked.every)
    run(load(asked.run), cameras, _sinks(asked), wanted)


def _parser() -> Parser:
    parser = Parser(
        prog="dmad watch",
        description=watch.__doc__,
        epilog="Example: dmad watch RUN rtsp://camera/stream --out found --webhook http://host/in",
    )
    add = parser.add_argument
    add("run", type=str, help=RUN)
    add("sources", type=str, nargs="+", help=SOURCE)
    add("--out", type=Path | None, help="folder for events.jsonl, films and thumbnails")
    add("--webhook", type=str, default="", help="URL that gets each line by POST")
    add("--mqtt", type=str, default="", help="mqtt://host/topic that gets each line")
    add("--spool", type=Path | None, help="folder for lines not yet sent (default: OUT/spool)")
    add_zone(parser)
    add("--scene", type=str, default="", help=SCENE)
    add("--calibration", type=Path | None, help="file that `dmad calibrate --out` wrote")
    add("--fps", type=float, default=0.0, help="frames a second to judge (default: as calibrated)")
    add("--before", type=float, default=3.0, help="seconds of a film before its event")
    add("--after", type=float, default=3.0, help="seconds of a film after its event")
    add("--every", type=float, default=60.0, help="seconds between lines of counts and drift")
    return parser


def _cameras(asked: Namespace) -> list[Camera]:
    from dmad.watch.cameras import YAML, Camera, named_apart, read_cameras

    names = ("scene", "calibration", "fps")
    own = {name: asked[name] for name in names} | {"zone": zone_of(asked)}
    found: list[Camera] = []
    given = [f"--{name}" for name in ("include", "exclude", *names) if asked[name]]
    told = f"{', '.join(given)} would count for no camera: those of a file have their own in it"
    require(not (given and all(source.endswith(YAML) for source in asked.sources)), told)
    for source in asked.sources:
        if source.endswith(YAML):
            found += read_cameras(Path(source))
        else:
            found.append(Camera(source, **own))
    return named_apart(found)


def _sinks(asked: Namespace) -> list[Sink]:
    from dmad.watch.sinks import Appended, Outbox, Printed, mqtt, webhook

    receivers = []  # looked at before anything is opened
    if asked.webhook:
        receivers.append(("webhook.jsonl", webhook(asked.webhook), "the webhook"))
    if asked.mqtt:
        receivers.append(("mqtt.jsonl", mqtt(asked.mqtt), "MQTT"))
    spool = asked.spool or (asked.out or Path(".")) / "spool"
    sinks: list[Sink] = [Outbox(spool / file, deliver, name) for file, deliver, name in receivers]
    sinks += [Appended(asked.out / "events.jsonl")] if asked.out else []
    return [*sinks, Printed()]  # last, since whoever reads it may go
