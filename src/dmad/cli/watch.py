"""`dmad watch`."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from dmad.cli.options import ZoneOptions
from dmad.watch.settings import CameraSettings, SinkSettings, WatchSettings


@dataclass(frozen=True)
class WatchSinkSettings(SinkSettings):
    """Where messages are sent over the network.

    Args:
        spool: Folder for messages that are not delivered yet (default: the folder `spool` in the
            folder --out; without --out, in the current folder).
    """


def watch_command(
    run: str,
    sources: list[str],
    settings: WatchSettings,
    sinks: WatchSinkSettings,
    camera: CameraSettings,
    zone: ZoneOptions,
) -> None:
    """Watch cameras, streams or files, and report events as lines of JSON.

    An event is an alarm with a start and an end. The model must have a threshold: `dmad
    train` and `dmad calibrate` set it. Ctrl-C stops the command.

    For several cameras, write a YAML file. In this file, each camera can have its own
    values of scene, calibration, fps, include and exclude. docs/deploy.md shows such a
    file, and explains the messages.

    Examples:
      dmad watch RUN rtsp://camera/stream --out found --webhook https://host/alarms
      dmad watch RUN cameras.yaml --out found

    Args:
        run: Run folder of `dmad train`, folder of an export, .safetensors file, or name of a model
            that comes with dmad, such as ped2.
        sources: Videos, folders of frames, rtsp:// or http:// streams, webcams such as /dev/video0,
            or a .yaml file that lists cameras.
        settings: Output settings: folder, length of the films, interval of the count messages.
        sinks: Where messages are sent.
        camera: Settings of the camera: view, threshold file and frame rate.
        zone: Part of the view that is scored.
    """
    from dmad import api
    from dmad.hardware import return_freed_memory
    from dmad.watch.cameras import cameras_from_sources
    from dmad.watch.sinks import open_sinks
    from dmad.watch.watch import watch

    cameras = cameras_from_sources(sources, camera, zone.zone())
    detector = api.load(run)
    return_freed_memory()
    watch(detector, cameras, open_sinks(sinks, settings.out, sys.stdout), settings)
