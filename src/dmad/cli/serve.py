"""`dmad serve`."""

from __future__ import annotations

import sys
from pathlib import Path

from dmad.cli.process import show
from dmad.errors import require
from dmad.serve.settings import ServeSettings
from dmad.watch.settings import SinkSettings


def serve_command(
    *models: str,
    settings: ServeSettings,
    sinks: SinkSettings,
    cameras: Path | None = None,
    backup: Path | None = None,
) -> None:
    """Open a console in the browser: cameras, events, and an inspection station.

    With a model for video, the page shows live cameras with heat and score, and their
    events with films. If you mark an event as normal, you choose what changes: the
    threshold rises, or the camera becomes less sensitive only at this place. With a model
    of images, drop images of parts on the page, or post them to /api/inspect. You can give
    several models. Ctrl-C stops the command. Install it with `pip install '.[serve]'`
    (docs/serve.md).

    Examples:
      dmad serve ped2
      dmad serve runs/latest --cameras cameras.yaml --data console
      dmad serve VIDEO_RUN IMAGE_RUN --host 0.0.0.0 --token-file token.txt
      curl --data-binary @part.png http://127.0.0.1:8420/api/inspect
      dmad serve --data console --backup console-backup.db

    Args:
        models: Run folders of `dmad train`, folders of exports, .safetensors files, or names of
            models that come with dmad, such as ped2. Each needs a threshold.
        settings: Where the console listens, and what it keeps.
        sinks: Where messages about events are sent.
        cameras: YAML file with cameras (docs/deploy.md shows one). Cameras that the console does
            not know yet are added. Change known cameras in the page, because the file has no effect
            on them.
        backup: Copy the database in --data into this file, without starting a console. Another
            console may run meanwhile.
    """
    if backup is not None:
        from dmad.serve.store import back_up

        require(not models, "--backup copies the database only; leave out the models")
        back_up(settings.data, backup)
        show(backup)
        return
    try:
        from dmad.serve.server import open_socket, run_server
    except ImportError as error:
        require(False, f"dmad serve needs {error.name}; pip install '.[serve]'")
        raise
    from dmad.hardware import return_freed_memory, share_freed_memory
    from dmad.serve.console import Console
    from dmad.serve.models import load_models
    from dmad.watch.cameras import read_cameras
    from dmad.watch.sinks import open_sinks

    require(bool(models), "no model is given; name one, such as `dmad serve ped2`")
    share_freed_memory()
    settings.read_token()  # errors are found before the models are loaded, which takes long
    found = read_cameras(cameras) if cameras else []
    listener = open_socket(settings.host, settings.port)
    with listener:
        loaded = load_models(models)
        return_freed_memory()
        opened = open_sinks(_spooled(sinks, settings), None, sys.stdout)
        with Console(settings, loaded, found, opened) as console:
            run_server(console, listener)


def _spooled(sinks: SinkSettings, settings: ServeSettings) -> SinkSettings:
    """Return the sinks with a spool in the folder of the console, unless another is named."""
    return SinkSettings(sinks.webhook, sinks.mqtt, sinks.spool or settings.data / "spool")
