"""The settings of a scan, and those of its workers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dmad.errors import check_settings
from dmad.scan.views import ModelCard, Views
from dmad.watch.cameras import Camera

OUT = Path("scan")


@dataclass(frozen=True)
class ScanSettings:
    """What is judged, and what is written.

    Args:
        out: Folder to write to.
        views: YAML file with cameras, as for `dmad watch`, so that each camera has its own
            threshold. `source` says which files belong to a camera. It is the path of a folder, a
            pattern of paths with *, or only the name of a folder inside the archive.
        scene: Name of the camera view that the archive shows. Cameras in the YAML file can have
            their own scene instead (default: the view that the model was trained on; if it was
            trained on several views, the folder of each file names the view).
        strongest: Number of events that get a picture and a film, beginning with the highest score.
        stretch: Long videos are cut into stretches of this length in seconds, so that several
            workers can share a video.
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
        workers: Number of processes that score at the same time (default: one for each processor
            core of the machine or the Ray cluster).
        threads_per_worker: Number of processor cores for each worker.
        gpus_per_worker: Number of GPUs for each worker. With 0.5, two workers share a GPU. With 0,
            workers use processor cores.
        ray: Use a cluster of the package Ray, which can have several machines. `auto` uses the
            cluster that this machine belongs to, or starts Ray on this machine if there is none.
            `local` starts a new cluster on this machine. You can also give the address of a
            cluster. All machines must see the same folders under the same paths.
        limit_rate: Largest number of frames or images per second that all workers together may
            score (default: no limit).
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
        scene: Name of the view that all sources show, except those of cameras with their own scene.
        stretch: Length of a stretch of a long film, in seconds.
        rate: Largest number of frames per second of this worker; 0: no limit.
        threads: Processor cores that a worker uses.
        device: Where PyTorch computes. None: a GPU if there is one.
        fast: As in `dmad.load`.
        own_process: True if the process does nothing else. Then settings of the process are changed
            for speed.
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

    def views(self, model: ModelCard) -> Views:
        """Return the views of the archive."""
        return Views(model.scenes, model.calibration, self.cameras, self.scene)
