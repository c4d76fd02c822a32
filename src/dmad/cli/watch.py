"""`dmad watch`."""

from __future__ import annotations

import sys

from dmad.cli.options import ZoneOptions
from dmad.watch.settings import CameraSettings, SinkSettings, WatchSettings


def watch_command(
    run: str,
    sources: list[str],
    settings: WatchSettings,
    sinks: SinkSettings,
    camera: CameraSettings,
    zone: ZoneOptions,
) -> None:
    """Watch cameras, streams or files, and report events as lines of JSON.

    Ctrl-C ends it. The model needs a threshold, which `dmad train` or `dmad calibrate`
    sets. A YAML file of many cameras gives each its own scene, calibration, fps, include
    and exclude.

    Examples:
      dmad watch RUN rtsp://camera/stream --out found --webhook https://host/alarms
      dmad watch RUN cameras.yaml --out found

    Args:
        run: Run folder, export, .safetensors file or shipped model.
        sources: Video, folder of frames, rtsp:// or http:// stream, /dev/video0, or a .yaml file of
            many cameras.
        settings: What is written.
        sinks: Where events are sent.
        camera: How a camera is judged.
        zone: Which part of the view counts.
    """
    from dmad import api
    from dmad.watch.cameras import cameras_from_sources
    from dmad.watch.sinks import open_sinks
    from dmad.watch.watch import watch

    cameras = cameras_from_sources(sources, camera, zone.zone())
    detector = api.load(run)
    watch(detector, cameras, open_sinks(sinks, settings.out, sys.stdout), settings)
