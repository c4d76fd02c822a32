"""The settings of a scan, and those of its workers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dmad.errors import check_settings
from dmad.scan.views import Model, Views
from dmad.watch.cameras import Camera

OUT = Path("scan")


@dataclass(frozen=True)
class ScanSettings:
    """What is judged, and what is written.

    Args:
        out: Folder to write to.
        views: YAML file with cameras, as for `dmad watch`. Here, the source of a camera says which
            files belong to it: a folder, a pattern of paths, or only the name of the folder with
            its films.
        scene: Name of the camera view that the archive shows. It does not apply to cameras in the
            YAML file that name their own scene (default: the only view of the model; if it has
            several, the folder of each source names the view).
        strongest: Number of events that get a picture and a film.
        stretch: Length in seconds of the stretches into which long films are cut.
    """

    out: Path = OUT
    views: Path | None = None
    scene: str = ""
    strongest: int = 100
    stretch: float = 600.0

    def __post_init__(self) -> None:
        check_settings(self, "scan", strongest=0, stretch=1)


@dataclass(frozen=True)
class WorkerOptions:
    """Where the work is done. These settings do not change the results.

    Args:
        workers: Number of workers (default: one for each processor core of the machine or the Ray
            cluster).
        threads_per_worker: Processor cores of a worker.
        gpus_per_worker: GPUs of a worker, such as 1 or 0.5. With 0, workers use processor cores.
        ray: Use several machines, a cluster of the package Ray: `auto` for the cluster that this
            machine belongs to (if there is none, Ray starts on this machine), `local` for a new one
            on this machine, or an address. All machines must see the same folders.
        limit_rate: Largest number of frames or images per second, of all workers together (default:
            no limit).
    """

    workers: int = 0
    threads_per_worker: int = 1
    gpus_per_worker: float = 0.0
    ray: str = ""
    limit_rate: float = 0.0

    def __post_init__(self) -> None:
        check_settings(
            self, "scan", workers=0, threads_per_worker=1, gpus_per_worker=0, limit_rate=0
        )


@dataclass(frozen=True)
class JudgeSettings:
    """What a worker needs to know.

    Args:
        run: The model, as `dmad.load` takes it.
        parts: Folder for the results of tasks.
        cameras: Cameras with their own settings.
        scene: Name of the view of all other sources.
        stretch: Seconds of a stretch of a long film.
        rate: Largest number of frames per second of this worker; 0: no limit.
        threads: Processor cores that a worker uses.
        device: Where PyTorch computes. None: a GPU if there is one.
        fast: As in `dmad.load`.
        own_process: The process does nothing else, so its settings are changed for speed.
    """

    run: str
    parts: Path
    cameras: tuple[Camera, ...] = ()
    scene: str = ""
    stretch: float = 600.0
    rate: float = 0.0
    threads: int = 1
    device: str | None = None
    fast: bool = True
    own_process: bool = False

    def views(self, model: Model) -> Views:
        """Return the views of the archive."""
        return Views(model.scenes, model.calibration, self.cameras, self.scene)
