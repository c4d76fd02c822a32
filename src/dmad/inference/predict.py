"""`dmad predict`: judge footage, and write what a person wants to see."""

from __future__ import annotations

import heapq
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from dmad import visualize
from dmad.config import require
from dmad.data.decoding import VIDEOS, decode, holds_images, natural, probe
from dmad.errors import DmadError
from dmad.evaluation.calibration import Calibration, read_calibration
from dmad.evaluation.events import find_events
from dmad.inference.detector import Detector, Explained, load
from dmad.inference.explain import Limits, Picture, pictures
from dmad.inference.images import predict_images
from dmad.inference.tables import as_csv
from dmad.inference.video import VideoWriter, annotate
from dmad.runs import make_folder, no_two_alike, write_whole

FPS = 10.0  # where nobody says


@dataclass(frozen=True)
class Wanted:
    """What to write beside the scores."""

    panels: int = 4  # panels of the strongest frames
    video: bool = True  # annotated video
    scene: str = ""  # view trained on; unknown ones get a template from their own past
    fps: float = 0.0  # where the source does not say; 0 is that of the threshold


def predict(
    run: str | Path,
    sources: Sequence[str | Path],
    out: Path = Path("predictions"),
    panels: int = 4,
    video: bool = True,
    scene: str = "",
    fps: float = 0.0,
    calibration: Path | None = None,
) -> Iterator[Path]:
    """Judge each source and write `scores.csv`, `timeline.png`, panels and an annotated video.

    Args:
        run: Run folder, `.safetensors` file or name of a shipped model.
        sources: Videos, frame folders, or folders of these; for a model of images, images and
            folders of them, written as `predict_images` says.
        out: Where to write; a folder for each source.
        panels: How many of the strongest frames are explained in a panel each.
        video: Whether to write the annotated video.
        scene: Name of the view, where the model was trained on several; one it does not know gets
            its template from its own past.
        fps: Frames a second where a source does not say; those of the threshold where 0.
        calibration: File that `dmad calibrate --out` wrote; the model's own where None. Video only.

    Yields:
        The folder of each source, when it is done.

    Raises:
        DmadError: No such model, or not one source could be judged.
    """
    detector = load(run)
    if calibration:
        require(not detector.config.model.teacher, "--calibration is for video; see dmad calibrate")
        detector.calibration = read_calibration(calibration, scene)
    wanted = Wanted(panels, video, scene, fps)
    problems, done = [], 0
    make_folder(out)
    if detector.config.model.teacher:
        yield predict_images(detector, [Path(source) for source in sources], out)
        return
    clips = [clip for given in sources for clip in clips_in(Path(given))]
    for source, name in zip(clips, folder_names(clips), strict=True):
        try:
            yield predict_one(detector, source, out / name, wanted)
            done += 1
        except DmadError as error:
            problems.append(str(error))
            print(f"skipped: {error}", file=sys.stderr)
    require(done > 0, problems[0] if problems else "nothing to judge; give videos or folders")


def clips_in(source: Path) -> list[Path]:
    """The videos and frame folders a path stands for: itself, or what lies right inside it."""
    require(source.exists(), f"{source} does not exist; give a video or a folder of frames")
    if source.is_file() or holds_images(source):
        return [source]
    seen = [path for path in source.iterdir() if not path.name.startswith(".")]
    inside = [p for p in seen if p.suffix.lower() in VIDEOS or (p.is_dir() and holds_images(p))]
    require(bool(inside), f"{source} holds no videos, frames or folders of frames")
    return sorted(inside, key=natural)


def folder_names(clips: Sequence[Path]) -> list[str]:
    """A folder's name for each clip, none twice: `street`, `street-2`."""
    return no_two_alike(clip.absolute().name if clip.is_dir() else clip.stem for clip in clips)


def predict_one(detector: Detector, source: Path, out: Path, wanted: Wanted) -> Path:
    """Judge one clip.

    Returns:
        `out`, with `scores.csv`, `timeline.png`, `annotated.mp4` and `panels/` in it, and
        `events.csv` where the model has a threshold.

    Raises:
        DmadError: The clip is unreadable or shorter than the model's history.
    """
    data = detector.config.data
    told, expected = probe(source)
    usual = detector.calibration.fps if detector.calibration else data.fps
    fps = told or wanted.fps or usual or FPS
    notes = rate_notes(detector.calibration, fps)
    frames = decode(source, data.size, data.channels, notes.append, antialias=data.antialias)
    table, best, limits = Table(fps), Best(wanted.panels), Limits(detector.config)
    with ExitStack() as stack:
        film = None
        if wanted.video:
            film = stack.enter_context(VideoWriter(out / "annotated.mp4", fps))
        for found in _progress(detector.explain(frames, wanted.scene), source, expected):
            table.add(found)
            for picture in pictures(found, limits):
                best.offer(picture)
                if film:
                    film.write(film_frame(picture))
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    require(
        table.count > 0,
        f"{source} is shorter than {data.history + 1} frames, the least that can be judged",
    )
    _write(out, table, best, detector)
    return out


def rate_notes(calibration: Calibration | None, fps: float) -> list[str]:
    """What to say where the footage runs at another rate than the threshold was set at."""
    if calibration is None or abs(fps - calibration.fps) < 0.1 * calibration.fps:
        return []
    return [
        f"the threshold was set at {calibration.fps:g} frames a second, this footage has {fps:g}; "
        "calibrate on footage of the same rate"
    ]


def _progress(results: Iterator[Explained], source: Path, expected: int) -> Iterator[Explained]:
    console = Console(stderr=True)
    total = -(-expected // 8) or None
    quiet = not console.is_terminal
    yield from track(results, source.name, total, console=console, transient=True, disable=quiet)


def film_frame(picture: Picture) -> NDArray[np.uint8]:
    """Heat and deformation side by side, with the score."""
    lines = [f"frame {picture.index}", f"score {picture.score:.3f}"]
    return annotate(np.hstack((picture.heat, picture.arrows)), lines)


class Best:
    """The pictures with the highest scores, at most `size` of them."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._heap: list[tuple[float, int, Picture]] = []

    def offer(self, picture: Picture) -> None:
        """Keep it if it is among the highest."""
        item = (picture.score, picture.index, picture)
        if len(self._heap) < self.size:
            heapq.heappush(self._heap, item)
        elif self._heap and item[:2] > self._heap[0][:2]:
            heapq.heapreplace(self._heap, item)

    @property
    def pictures(self) -> list[Picture]:
        """Highest first."""
        return [item[2] for item in sorted(self._heap, key=lambda item: item[:2], reverse=True)]


class Table:
    """Per-frame scores of one clip.

    Args:
        fps: Frames a second, for the column of times.
    """

    def __init__(self, fps: float) -> None:
        self.fps = fps
        self.rows: list[tuple[int, float, float, float]] = []

    @property
    def count(self) -> int:
        """Frames judged."""
        return len(self.rows)

    def add(self, found: Explained) -> None:
        """The rows of a batch."""
        scores = found.scores
        columns = (scores.score, scores.reconstruction, scores.deformation)
        values = [column.double().cpu().numpy() for column in columns]
        self.rows += zip(found.index.tolist(), *(v.tolist() for v in values), strict=True)

    def csv(self, gap: int, judged: NDArray[np.float64] | None = None) -> str:
        """frame, time in seconds, score and its two terms; empty for the first `gap` frames.

        Args:
            gap: Frames before the first that is judged.
            judged: (gap + count,) the calibrated score, for one more column.
        """
        names = ["frame", "time", "score", "reconstruction", "deformation"]
        columns = [self.column(which, gap) for which in (1, 2, 3)]
        if judged is not None:
            names.append("calibrated")
            columns.append(judged)
        lines = (
            (i, f"{i / self.fps:.3f}", *("" if np.isnan(v) else f"{v:.6g}" for v in values))
            for i, values in enumerate(zip(*columns, strict=True))
        )
        return as_csv(names, lines)

    def column(self, which: int, gap: int) -> NDArray[np.float64]:
        """One column with NaN for the first `gap` frames."""
        return np.array([np.nan] * gap + [row[which] for row in self.rows])


def _write(out: Path, table: Table, best: Best, detector: Detector) -> None:
    gap, found = detector.config.data.history, detector.calibration
    terms = {"reconstruction": table.column(2, gap), "deformation": table.column(3, gap)}
    judged, level = table.column(1, gap), None
    if found:
        judged, level = found.scorer(*terms.values()), found.threshold
        write_whole(out / "events.csv", events_csv(judged, found, table.fps))
    write_whole(out / "scores.csv", table.csv(gap, judged if found else None))
    drawing = visualize.timeline(judged, None, terms, table.fps, level)
    visualize.save(drawing, out / "timeline.png")
    for rank, picture in enumerate(best.pictures, 1):
        name = f"{rank:02d}-frame-{picture.index:05d}.png"
        visualize.save(picture.panel(), out / "panels" / name)


def events_csv(scores: NDArray[np.float64], calibration: Calibration, fps: float) -> str:
    """The events above the threshold: start, end and peak in seconds, and the peak's score."""
    events = find_events(scores, calibration.rule)
    lines = [
        (f"{e.start / fps:.3f}", f"{e.end / fps:.3f}", f"{e.peak / fps:.3f}", f"{e.score:.4g}")
        for e in events
    ]
    return as_csv(("start", "end", "peak", "score"), lines)
