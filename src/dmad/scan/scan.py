"""`dmad scan`: judges an archive with many workers. A stopped scan can be resumed."""

from __future__ import annotations

import json
import logging
import os
import sqlite3
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path

from dmad.checked_files import read_mapping
from dmad.console import warn_about
from dmad.errors import DmadError, StoppedError, one_line, require
from dmad.files import csv_text, remove_unfinished, unfinished_path, write_atomically
from dmad.locks import locked
from dmad.predict.index_page import counted
from dmad.runs import find_model
from dmad.scan.addresses import absolute, printable_path
from dmad.scan.archive import ArchiveSource, find_sources
from dmad.scan.drawing_task import (
    FILMS,
    PICTURES,
    DrawingTask,
    DrawnEvent,
    drawing_name,
    film_path,
    picture_path,
)
from dmad.scan.engines import Crash, Engine, Processes, Result, ThisProcess
from dmad.scan.judge import TaskReport
from dmad.scan.merge import Merge, Totals
from dmad.scan.page import write_page
from dmad.scan.plan import Plan, Task
from dmad.scan.progress import ScanProgress
from dmad.scan.settings import JudgeSettings, ScanSettings, WorkerOptions
from dmad.scan.views import ModelCard
from dmad.typed import dataclass_from
from dmad.watch.cameras import Camera, read_cameras

logger = logging.getLogger(__name__)

REQUEST, PARTS, LEFT_OUT = "scan.json", "parts", "left_out.csv"
AT_ONCE = 1000  # events that are read at once


@dataclass(frozen=True)
class ScanRequest:
    """What a scan judges. The request is stored, so that the scan can be resumed.

    Args:
        run: The model, as `dmad.load` takes it.
        archives: Folders, files, patterns, lists and addresses.
        settings: The settings of the scan.
        fingerprint: The text of `fingerprint_of`. If this text changes, the scan cannot be resumed.
    """

    run: str
    archives: tuple[str, ...]
    settings: ScanSettings
    fingerprint: str = ""

    @classmethod
    def new(cls, run: str, archives: Sequence[str], settings: ScanSettings) -> ScanRequest:
        """Return a request whose paths do not depend on the working folder.

        Raises:
            DmadError: There is no such model.
        """
        require(bool(archives), "no archive is given; give folders, films, lists or addresses")
        find_model(run)
        run = os.path.abspath(run) if os.path.exists(run) else run
        views = settings.views and settings.views.absolute()
        settings = replace(settings, out=settings.out.absolute(), views=views)
        return cls(run, tuple(absolute(name) for name in archives), settings)

    @classmethod
    def read(cls, folder: Path) -> ScanRequest:
        """Read the request of a scan that is resumed.

        Raises:
            DmadError: The folder does not contain a scan.
        """
        path = folder / REQUEST
        require(
            path.is_file(), f"{folder} holds no {REQUEST}; give a folder that `dmad scan` wrote"
        )
        request = dataclass_from(cls, read_mapping(path, "start a new scan"), str(path))
        return replace(request, settings=replace(request.settings, out=folder.absolute()))

    def write(self) -> None:
        """Store the request in the folder of the scan."""
        settings = {
            name: str(value) if isinstance(value, Path) else value
            for name, value in asdict(self.settings).items()
        }
        text = json.dumps({**asdict(self), "settings": settings}, indent=1)
        write_atomically(self.settings.out / REQUEST, text + "\n", private=True)

    def cameras(self) -> tuple[Camera, ...]:
        """Return the cameras that the YAML file `settings.views` describes."""
        return tuple(read_cameras(self.settings.views)) if self.settings.views else ()


@dataclass(frozen=True)
class ScanResult:
    """The result of a scan: its folder, and how much was judged and left out."""

    folder: Path
    totals: Totals
    judged: int  # sources
    left_out: int  # sources


def scan(
    request: ScanRequest,
    options: WorkerOptions,
    resume: bool = False,
    *,
    own_process: bool = False,
) -> ScanResult:
    """Judge an archive, and write scores, events, pictures, films and the page `index.html`.

    Args:
        request: What is judged.
        options: Where the work is done.
        resume: Judge only what is missing or has changed.
        own_process: True if this process does nothing else. If it is the only worker, settings of
            the process are changed for speed.

    Raises:
        DmadError: There is nothing to judge, the folder holds another scan, or the model has
            changed since the scan began.
        StoppedError: The user stopped the scan.
    """
    out = request.settings.out
    with locked(out):
        request = _checked(request, resume)
        parts = out / PARTS
        parts.mkdir(exist_ok=True)
        remove_unfinished(parts)
        try:
            with closing(Plan(unfinished_path(out, ".sqlite"), parts)) as plan:
                return _Scan(request, options, plan, own_process).run()
        except sqlite3.Error as error:
            raise DmadError(
                f"cannot write to {out} ({one_line(error)}); free some space, and start again"
            ) from error


class _Scan:
    def __init__(
        self, request: ScanRequest, options: WorkerOptions, plan: Plan, own_process: bool
    ) -> None:
        self.request, self.options, self.plan = request, options, plan
        self.out = request.settings.out
        self.model = ModelCard.read(request.run)
        self.settings = judge_settings(request, options, plan.parts, own_process)
        self.views = self.settings.views(self.model)
        self.judges = self.model.form.judges

    def run(self) -> ScanResult:
        self._find_sources()
        engine = open_engine(self.settings, self.options)
        self.request.write()
        try:
            self._judge(engine)
            self.plan.join_stretches()
            totals = Merge(self.plan, self.views, self.out).run(self.judges)
            self._draw(engine)
        except KeyboardInterrupt as error:
            raise StoppedError(f"stopped; continue with: dmad scan --resume {self.out}") from error
        finally:
            engine.close()
            remove_unfinished(self.plan.parts)  # files of workers that were killed
        return self._report(totals)

    def _find_sources(self) -> None:
        self.plan.add_sources(self._sources())
        self.plan.add_finished()
        left = self.plan.unfinished()
        self.progress = ScanProgress(left)
        judged, left_out = self.plan.count()
        require(bool(left.sources or judged), self._nothing(left_out))
        if judged:
            finished = judged - left.started
            logger.info(f"{finished} sources are finished, {left.sources} are left")

    def _nothing(self, left_out: int) -> str:
        archives = ", ".join(self.request.archives)
        kind = "films or folders of frames" if self.judges == "frames" else "images"
        if not left_out:
            return f"{archives}: no files are there; give an archive with {kind}"
        path, reason = next(self.plan.left_out())
        return (
            f"nothing in {archives} can be judged; the model judges {kind}. "
            f"{counted(left_out, 'file')} left out; the first is {printable_path(path)}: {reason}"
        )

    def _sources(self) -> Iterator[ArchiveSource]:
        for source in find_sources(self.request.archives, self.judges, str(self.out)):
            yield replace(source, view=self.views.name_of(source.path, source.view))

    def _judge(self, engine: Engine) -> None:
        with self.progress.shown(), closing(self._tasks()) as tasks:
            for result in engine.run(tasks):
                self._add(result)

    def _tasks(self) -> Generator[Task, None, None]:
        yield from self.plan.stretch_tasks()
        yield from self.plan.tasks(self.judges)

    def _add(self, result: Result) -> None:
        if isinstance(result, Crash):
            if isinstance(result.task, Task):
                for source in result.task.sources:
                    self.plan.leave_out(source, result.reason)
                self.progress.add(result.task, 0)
            return
        if not isinstance(result, TaskReport):
            return
        self.plan.add_result(result.task.name, result.info)
        sources = {source.path: source for source in result.task.sources}
        for one in result.failed:
            self.plan.leave_out(sources[one.path], one.reason)
        if not result.info.stretches:
            self.progress.add(result.task, result.info.rows)

    def _draw(self, engine: Engine) -> None:
        """Draw the strongest events, and remove the pictures and films of all other events."""
        wanted: set[Path] = set()
        drawn: dict[str, list[DrawnEvent]] = {}
        most = self.request.settings.strongest
        for events in self.plan.events_in_batches(AT_ONCE, most, strongest_first=True):
            for event in events:
                name = drawing_name(self.plan.source(event.path), event.peak)
                files = (picture_path(self.out, name), film_path(self.out, name))
                wanted |= set(files)
                if not files[self.judges == "frames"].exists():  # the film is written last
                    page = 0 if self.judges == "frames" else int(event.peak)
                    one = DrawnEvent(name, event.start, event.end, event.peak, page)
                    drawn.setdefault(event.path, []).append(one)
        for folder in (self.out / PICTURES, self.out / FILMS):
            folder.mkdir(exist_ok=True)
            remove_unfinished(folder)
            for path in set(folder.iterdir()) - wanted:
                path.unlink()
        tasks = [
            DrawingTask(self.plan.source(path), tuple(found), self.out)
            for path, found in drawn.items()
        ]
        for _ in engine.run(tasks):
            pass

    def _report(self, totals: Totals) -> ScanResult:
        judged, left_out = self.plan.count()
        lines = [(printable_path(path), reason) for path, reason in self.plan.left_out()]
        table = csv_text(("path", "reason"), lines)
        write_atomically(self.out / LEFT_OUT, table, private=True)
        write_page(self.plan, self.out, totals, self.judges)
        notes = [f"{path}: {note}" for path, note in self.plan.notes()]
        warn_about([f"left out: {path}: {reason}" for path, reason in lines], logger)
        warn_about([note.replace("\n", "; ") for note in notes], logger)
        return ScanResult(self.out, totals, judged, left_out)


def judge_settings(
    request: ScanRequest, options: WorkerOptions, parts: Path, own_process: bool = False
) -> JudgeSettings:
    """Return the settings of a worker."""
    workers = options.workers or default_workers(options)
    return JudgeSettings(
        run=request.run,
        parts=parts,
        cameras=request.cameras(),
        scene=request.settings.scene,
        stretch=request.settings.stretch,
        rate=options.limit_rate / workers,
        threads=options.threads_per_worker,
        device=None if options.gpus_per_worker else "cpu",
        own_process=own_process or workers > 1 or bool(options.ray),
    )


def default_workers(options: WorkerOptions) -> int:
    """Return how many workers can run at the same time on the cores that this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, (cores or 1) // options.threads_per_worker)


def open_engine(settings: JudgeSettings, options: WorkerOptions) -> Engine:
    """Return the engine of a scan.

    Raises:
        DmadError: Ray is wanted and not installed, or the cluster cannot be reached.
    """
    if options.ray:
        from dmad.scan.ray_engine import RayEngine

        return RayEngine(settings, options)
    workers = options.workers or default_workers(options)
    return Processes(settings, workers) if workers > 1 else ThisProcess(settings)


def _checked(request: ScanRequest, resume: bool) -> ScanRequest:
    """Check that the output folder is new, or that its scan can be resumed.

    Return the request with its fingerprint.
    """
    out = request.settings.out
    known = (out / REQUEST).exists()
    require(
        resume or not known,
        f"{out} holds a scan already; continue it with --resume {out}, or choose another --out",
    )
    fingerprint = fingerprint_of(request)
    require(
        not resume or fingerprint == request.fingerprint,
        f"the model or a threshold has changed since the scan in {out} began; start a new scan "
        "with another --out",
    )
    return replace(request, fingerprint=fingerprint)


def fingerprint_of(request: ScanRequest) -> str:
    """Return a text that changes if the model, a threshold or the settings of a camera change."""
    model = ModelCard.read(request.run)
    thresholds = [camera.read_calibration() for camera in request.cameras()]
    parts = [
        find_model(request.run).digest,
        repr((model.config.data, model.config.score, model.scenes, model.calibration)),
        repr((request.cameras(), thresholds)),
    ]
    return sha256("\n".join(parts).encode(errors="surrogateescape")).hexdigest()
