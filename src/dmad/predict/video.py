"""`dmad predict`: judge footage, and write what a person wants to see."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dmad.calibration.calibration import read_calibration
from dmad.config import DataConfig
from dmad.console import progress_bar
from dmad.data.reading.decode import aspect, decode, probe
from dmad.data.reading.paths import holds_frames, image_files, is_clip, is_image, natural, own_name
from dmad.data.reading.source_frames import hole_at
from dmad.data.reading.sources import clocked
from dmad.data.reading.video_files import shrink, video_frames
from dmad.data.zones import ALL
from dmad.drawing import pictures as visualize
from dmad.errors import DmadError, checked, require
from dmad.files import make_folder, no_two_alike, write_whole
from dmad.forms.video.pictures import Best, Limits, pictures
from dmad.inference.detector import Detector, load
from dmad.inference.warnings import rate_notes, view_notes
from dmad.predict.film import Film
from dmad.predict.images import predict_images
from dmad.predict.tables import Table

logger = logging.getLogger(__name__)

FPS = 10.0  # where nobody says

PANELS = 4  # unless told otherwise

APART = 1.0  # seconds between the moments of two panels

MOST = 0.5  # share of frames above the threshold, from which the view is in doubt


@dataclass(frozen=True)
class Wanted:
    """What to write beside the scores."""

    panels: int = PANELS  # panels of the strongest frames
    video: bool = True  # annotated video
    scene: str = ""  # view trained on; unknown ones get a template from their own past
    fps: float = 0.0  # where the source does not say; 0 is that of the threshold

    def __post_init__(self) -> None:
        checked(self, "predict", panels=0, fps=0)


def predict(
    run: str | Path,
    sources: Sequence[str | Path],
    out: Path = Path("predictions"),
    panels: int = PANELS,
    video: bool = True,
    scene: str = "",
    fps: float = 0.0,
    calibration: Path | None = None,
) -> Iterator[Path]:
    """Judge each source and write `scores.csv`, `timeline.png`, panels and an annotated video.

    Args:
        run: Run folder, export, `.safetensors` file or name of a shipped model.
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
    given = {"--calibration": calibration, "--scene": scene, "--fps": fps}
    given |= {"--panels": panels != PANELS, "--video": not video}
    told = ", ".join(name for name, value in given.items() if value)
    require(not (told and detector.config.model.teacher), f"{told}: for video, not for images")
    if calibration:
        detector.calibration = read_calibration(calibration, scene)
    wanted = Wanted(panels, video, scene, fps)
    make_folder(out)
    if detector.config.model.teacher:
        yield predict_images(detector, [Path(source) for source in sources], out)
        return
    clips = [clip for given in sources for clip in clips_in(Path(given))]
    problems, names = [], folder_names(clips)
    for source, name in zip(clips, names, strict=True):
        own = (out / name).resolve() != source.resolve()
        require(own, f"{out / name} is the clip itself; choose another folder with --out")
    for source, name in zip(clips, names, strict=True):
        try:
            yield predict_one(detector, source, out / name, wanted)
        except DmadError as error:
            problems.append(str(error))
            if len(clips) > 1:
                logger.warning(f"skipped: {error}")
    require(len(problems) < len(clips), problems[0] if problems else "give videos or folders")
    if problems:
        logger.warning(f"{len(problems)} of {len(clips)} clips were skipped")


def clips_in(source: Path) -> list[Path]:
    """The videos and frame folders a path stands for: itself, or what lies right inside it."""
    require(source.exists(), f"{source} does not exist; give a video or a folder of frames")
    if source.is_file() or holds_frames(source):
        return [source]
    inside = [path for path in source.iterdir() if is_clip(path)]
    if beside := len(image_files(source)):
        logger.warning(f"{source}: {beside} images beside its clips left out")
    require(bool(inside), f"{source} holds no videos, frames or folders of frames")
    return sorted(inside, key=natural)


def folder_names(clips: Sequence[Path]) -> list[str]:
    """A folder's name for each clip, none twice: `street`, `street-2`."""
    return no_two_alike(own_name(clip) if clip.is_dir() else clip.stem for clip in clips)


def predict_one(detector: Detector, source: Path, out: Path, wanted: Wanted) -> Path:
    """Judge one clip.

    Returns:
        `out`, with `scores.csv`, `timeline.png`, `annotated.mp4` and `panels/` in it, and
        `events.csv` where the model has a threshold.

    Raises:
        DmadError: The clip is unreadable or shorter than the model's history.
    """
    data = detector.config.data
    fps = rate_of(source, detector, wanted)
    notes = rate_notes(detector.calibration, fps)
    notes += view_notes(detector, detector.calibration, wanted.scene)
    table = Table(fps, detector.calibration)
    found = Findings(table, Best(wanted.panels, round(APART * fps)), notes)
    try:
        _judge(detector, source, out, wanted, found)
    except KeyboardInterrupt:
        notes.append(f"stopped after {table.count} judged frames")
        raise
    finally:  # also of what Ctrl-C ends
        if holes := len(table.breaks):
            notes.append(f"{holes} hole{'s' * (holes > 1)} in it, over which nothing was judged")
        for note in notes:
            logger.warning(note)
        if table.count:
            _write(out, found)
    require(
        table.count > 0,
        f"{source} is shorter than {data.history + 1} frames, the least that can be judged",
    )
    logger.info(f"{own_name(source)}: {_summary(table, detector, wanted.scene)}")
    return out


def rate_of(source: Path, detector: Detector, wanted: Wanted) -> float:
    """Frames a second: of the file, or as said, or as calibrated or trained on."""
    usual = detector.calibration.fps if detector.calibration else detector.config.data.fps
    return probe(source)[0] or wanted.fps or usual or FPS


def _judge(detector: Detector, source: Path, out: Path, wanted: Wanted, findings: Findings) -> None:
    """Fill the findings, and film."""
    data, calibration = detector.config.data, detector.calibration
    table, note = findings.table, findings.notes.append
    waiting = deque[np.ndarray]()  # frames not yet judged
    frames = timed(source, data, table, waiting, note)
    mask = detector.mask(calibration.zone if calibration else ALL)
    limits = Limits.of(detector)
    film = None
    if wanted.video:
        path, shape = out / "annotated.mp4", aspect(source)
        film = Film(path, table.fps, shape, calibration, note, table.times.__getitem__)
    with film or nullcontext():
        explained = detector.explain(frames, wanted.scene)
        for whole in progress_bar(explained, own_name(source), -(-probe(source)[1] // 8) or None):
            found = whole.within(mask, detector.config.score)
            _pass_over(waiting, found.index[0] - table.length, film)
            table.add(found)
            rows = table.rows[-len(found.index) :]
            for picture, row in zip(pictures(found, limits), rows, strict=True):
                findings.best.offer(picture)
                waiting.popleft()
                if film:
                    film.judged(picture, *row[2:])
        if table.count:
            _pass_over(waiting, len(waiting), film)
            table.length = len(table.times)
    findings.filmed = bool(film and film.whole)


def _pass_over(waiting: deque[np.ndarray], count: int, film: Film | None) -> None:
    for _ in range(count):
        frame = waiting.popleft()
        if film:
            film.unjudged(frame)


def timed(
    source: Path,
    data: DataConfig,
    table: Table,
    waiting: deque[np.ndarray],
    report: Callable[[str], None],
) -> Iterator[np.ndarray | None]:
    """Frames of a video or folder as the model takes them, None where a recording has a hole.

    `table` gets the second of each and where holes are, `waiting` the frames themselves.
    """
    size, channels, antialias = data.size, data.channels, data.antialias
    if source.is_dir() or is_image(source):
        for image in decode(source, size, channels, report, antialias=antialias):
            table.times.append(len(table.times) / table.fps)
            waiting.append(image)
            yield image
    else:
        for frame, now, missing in clocked(video_frames(source, report), table.fps):
            if missing > hole_at(table.fps):
                table.breaks.append(len(table.times))
                yield None
            table.times.append(now)
            waiting.append(shrink(frame, size, channels, antialias))
            yield waiting[-1]


def _summary(table: Table, detector: Detector, scene: str) -> str:
    """How many alarms there were and the strongest; the highest score without a threshold."""
    if not detector.calibration:
        score, peak = max((row[1], row[0]) for row in table.rows)
        return f"highest score {score:.3f} at {table.times[peak]:.1f} s; no threshold is set"
    events, level = table.events, detector.calibration.threshold
    share = float((table.judged >= level).sum() / table.count)
    if not events:
        return f"no alarm (highest {np.nanmax(table.judged):.1f}, threshold {level:.1f})"
    strongest = max(events, key=lambda event: event.score)
    told = f"{len(events)} alarm{'s' * (len(events) > 1)}, the strongest at "
    told += f"{table.times[strongest.peak]:.1f} s ({strongest.score:.1f}, threshold {level:.1f})"
    if share < MOST or detector.needs_template(scene):
        return told
    return f"{told}; {share:.0%} of its frames are above it: is it another view? --scene NAME then"


@dataclass
class Findings:
    """What was found in one clip so far."""

    table: Table
    best: Best
    notes: list[str]
    filmed: bool = False  # whether there is a whole film


def _write(out: Path, found: Findings) -> None:
    table, calibration = found.table, found.table.calibration
    for old in (out / "events.csv", *out.glob("panels/??-frame-*.png")):  # of a call before
        old.unlink(missing_ok=True)
    if not found.filmed:
        (out / "annotated.mp4").unlink(missing_ok=True)
    terms = {"reconstruction": table.column(2), "deformation": table.column(3)}
    level = calibration.threshold if calibration else None
    if level is not None:
        write_whole(out / "events.csv", table.events_csv())
    write_whole(out / "scores.csv", table.csv())
    seconds = np.array(table.times[: table.length])
    drawing = visualize.timeline(table.judged, None, terms, seconds, level)
    visualize.save(drawing, out / "timeline.png")
    for rank, picture in enumerate(found.best.pictures, 1):
        name = f"{rank:02d}-frame-{picture.index:05d}.png"
        visualize.save(picture.panel(), out / "panels" / name)
