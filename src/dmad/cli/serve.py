"""`dmad serve`."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path

from dmad.cli.process import show
from dmad.errors import require
from dmad.serve.settings import ServeSettings
from dmad.watch.settings import SinkSettings


@dataclass(frozen=True)
class ConsoleSinkSettings(SinkSettings):
    """Where messages are sent over the network.

    Args:
        spool: Folder for messages that are not delivered yet (default: the folder `spool` in the
            folder --data).
    """


def serve_command(
    *models: str,
    settings: ServeSettings,
    sinks: ConsoleSinkSettings,
    cameras: Path | None = None,
    backup: Path | None = None,
) -> None:
    """Start a console for the browser: live cameras, their events, and inspection of images.

    With a model of video, the console shows live cameras and their scores, and a film of
    each event. An event is an alarm with a start and an end. If an event was a false
    alarm, you can mark it as normal, so that it does not come again. With a model of
    images, you drop images of parts on a page, and the console shows which parts are
    anomalous. A program can send images to /api/inspect. You can give several models.

    `dmad serve` needs more packages: `pip install 'dmad[serve]'`. Ctrl-C stops it.
    docs/serve.md explains the console.

    Examples:
      dmad serve ped2
      dmad serve runs/latest --cameras cameras.yaml --data console
      dmad serve VIDEO_RUN IMAGE_RUN --host 0.0.0.0 --token-file token.txt
      curl --data-binary @part.png http://127.0.0.1:8420/api/inspect
      dmad serve --data console --backup console-backup.db

    Args:
        models: Run folders of `dmad train`, folders of exports, .safetensors files, or names of
            models that come with dmad, such as ped2. A model of video needs a threshold. Without
            one, a model of images gives scores but no verdicts.
        settings: Where the console listens, and what it keeps.
        sinks: Where messages about events are sent.
        cameras: YAML file with cameras (docs/deploy.md shows such a file). The console adds the
            cameras that it does not know yet. For cameras that it knows, the file has no effect:
            change their settings in the console.
        backup: Copy the database of the folder --data into this file, and exit. A console may use
            this folder at the same time.
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
        require(False, f"dmad serve needs {error.name}; pip install 'dmad[serve]'")
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
        opened = open_sinks(with_spool(sinks, settings), None, sys.stdout)
        with Console(settings, loaded, found, opened) as console:
            run_server(console, listener)


def with_spool(sinks: SinkSettings, settings: ServeSettings) -> SinkSettings:
    """Return the settings for messages, with a folder for undelivered messages.

    The default is the folder `spool` in the folder `settings.data`.
    """
    return replace(sinks, spool=sinks.spool or settings.data / "spool")
