"""Decides which films and folders of frames are cut into stretches, without loading the model.

A stretch is a part of a film or of a folder of frames. A worker judges each stretch on its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dmad.data.reading.decode import probe
from dmad.scan.addresses import readable_path
from dmad.scan.archive import ArchiveSource
from dmad.scan.clock import recorded_at
from dmad.scan.film import Stretch, read_index, stated_seconds
from dmad.scan.parts import PartInfo, SourceOutcome
from dmad.scan.plan import Task
from dmad.scan.views import ModelCard, Views

DEFAULT_FPS = 10.0  # used if neither source nor model state a frame rate
SHORTEST_CUT = 1.5  # a film longer than this many stretches is cut


class Cutter:
    """Cuts long films and long folders of frames into stretches (parts).

    Args:
        model: The model.
        views: The views of the archive.
        seconds: Length of a stretch in seconds.
    """

    def __init__(self, model: ModelCard, views: Views, seconds: float) -> None:
        self.model, self.views, self.seconds = model, views, seconds

    def past(self, view: str) -> int:
        """Return the number of past frames that a score depends on."""
        calibration = self.views.of(view).calibration
        window = calibration.scorer.window if calibration else 1
        return int(self.model.config.data.history) + window - 1

    def depends_on_all(self, view: str) -> bool:
        """True if a score depends on all frames before it. Then films of this view are not cut.

        This is so if the background template of the view comes from its past frames.
        """
        has_templates = bool(getattr(self.model.config.model, "background", False))
        return has_templates and self.views.needs_template(view)

    def rate(self, path: Path, view: str) -> float:
        """Return the frames per second of a source.

        If unknown, return the frame rate of the model, or else `DEFAULT_FPS`.
        """
        calibration = self.model.calibration
        usual = calibration.fps if calibration else self.model.config.data.fps
        given = self.views.of(view).fps
        stated = given if path.is_dir() else probe(path, given)[0]
        return stated or float(usual) or DEFAULT_FPS

    def outcome(self, source: ArchiveSource) -> SourceOutcome:
        """Return what is known of a film or a folder of frames before it is judged."""
        path = readable_path(source.path)
        film = None if path.is_dir() else path
        seconds = stated_seconds(path) if film else 0.0
        recorded, clock = recorded_at(source.path, film, source.stamp, seconds)
        return replace(
            outcome_of(source),
            fps=self.rate(path, source.view),
            recorded=recorded,
            clock=clock,
        )

    def info(self, task: Task) -> PartInfo | None:
        """Return the result of a task whose film is cut: a list of stretches (parts), no scores.

        None if nothing is cut, because the task is a stretch, or the film is judged as a whole.
        """
        (source,) = task.sources
        if task.stretch is not None:
            return None
        stretches = self.cut(readable_path(source.path), task.view)
        if not stretches:
            return None
        return PartInfo(task.view, (self.outcome(source),), tuple(stretches))

    def cut(self, path: Path, view: str) -> Sequence[Stretch]:
        """Return the stretches of a long film or folder; empty if it is judged as a whole."""
        longest = SHORTEST_CUT * self.seconds
        if self.depends_on_all(view) or not (path.is_dir() or stated_seconds(path) > longest):
            return ()
        index = read_index(path, self.rate(path, view))
        if index is None or index.seconds <= longest:
            return ()
        stretches = index.cut(self.seconds, self.past(view))
        return stretches if len(stretches) > 1 else ()


def outcome_of(source: ArchiveSource) -> SourceOutcome:
    """Return an outcome that contains only the path, size and stamp of a source."""
    return SourceOutcome(source.path, source.size, source.stamp)
