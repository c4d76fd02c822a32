"""Decodes each clip once, and stores its frames in a memory-mapped file in the cache folder."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from filelock import FileLock, Timeout
from rich.progress import Progress

from dmad.checked_files import read_mapping
from dmad.config import DataConfig
from dmad.console import bars_are_shown, error_console
from dmad.data.footage import Clip, ClipSource, Footage
from dmad.data.pieces import decode_piece
from dmad.data.reading.decode import aspect_ratio, decode, probe
from dmad.data.reading.frame_format import Frame, FrameFormat
from dmad.data.reading.paths import image_files, is_image
from dmad.data.reading.video_header import count_frames
from dmad.errors import DmadError, one_line, require
from dmad.files import size_text
from dmad.typed import dataclass_from

logger = logging.getLogger(__name__)

VERSION = 8  # raise it when decoding changes, or the format of the files in the cache
FRAMES, INDEX = "frames.u8", "index.json"  # the two files of an entry
LOCK, PART = ".lock", ".part"  # suffixes of an entry's lock file and of an unfinished entry
ANY_NAME = ("utf-8", "surrogateescape")  # encodes file names even if they are not valid UTF-8
FREE_SHARE = 0.8  # share of the free space that pieces of long footage may fill
FRAMES_FOR_A_BAR = 200  # decoding more frames than this shows a progress bar


@dataclass(frozen=True)
class Index:
    """Describes the frames in an entry of the cache. An entry is a folder for one list of clips.

    Args:
        shape: Number of frames, their height and width, and their channels.
        clips: The clips, in the order of their frames.
        skipped: A line of text for each file and each frame that could not be read.
        short: The names of the clips that were left out because they have too few frames, each with
            its number of frames.
    """

    shape: tuple[int, int, int, int]
    clips: tuple[Clip, ...]
    skipped: tuple[str, ...]
    short: dict[str, int]


def decode_clips(sources: Sequence[ClipSource], data: DataConfig) -> Footage:
    """Decode clips in the frame format of the settings.

    Clips with fewer than T + 1 frames are left out. T is `data.history`.

    Raises:
        DmadError: A source is missing, no clip is usable or the cache cannot be written.
    """
    return load_footage(
        sources, FrameFormat.from_settings(data), data.cache, minimum=data.history + 1
    )


def load_footage(
    sources: Sequence[ClipSource],
    frame_format: FrameFormat,
    cache: Path | None = None,
    minimum: int = 1,
) -> Footage:
    """Decode clips into the cache on disk. Clips that are in the cache are not decoded again.

    Args:
        sources: The clips. The result has the same order.
        frame_format: Size and colours of the frames.
        cache: Folder of the cache (default: $DMAD_CACHE, else ~/.cache/dmad).
        minimum: Clips with fewer frames are left out.

    Raises:
        DmadError: A source is missing, no clip is usable or the cache cannot be written.
    """
    counts = Counter(source.name for source in sources)
    repeated = sorted(name for name, count in counts.items() if count > 1)
    require(not repeated, f"several clips share a name: {', '.join(repeated)}")
    base = cache or Path(os.environ.get("DMAD_CACHE") or Path.home() / ".cache" / "dmad")
    minimum = max(minimum, 1)
    key = _key(sources, frame_format)
    entry = base / key
    index = _open_entry(entry, sources, frame_format, minimum)
    if not _has_right_clips(index, minimum):  # the entry was made for another minimum
        entry = base / f"{key}-{minimum}"
        index = _open_entry(entry, sources, frame_format, minimum)
    return _map_frames(entry, index, minimum)


def _key(sources: Sequence[ClipSource], frame_format: FrameFormat) -> str:
    """Name of the folder in the cache for these clips.

    The name changes if the files or the frame format change.
    """
    form = (
        *(frame_format.size, frame_format.channels, frame_format.tiles, frame_format.antialias),
        *(frame_format.values, frame_format.megapixels),
    )
    digest = sha256(f"{VERSION} {form}".encode())
    for source in sources:
        require(source.path.exists(), f"{source.path} does not exist; expected a clip there")
        files = image_files(source.path) if source.path.is_dir() else [source.path]
        line = f"\n{source.name}\t{source.scene}\t{source.path.resolve()}"
        if source.frames:
            line += f"\t{source.first}\t{source.frames}"
        digest.update(line.encode(*ANY_NAME))
        for path in files:
            stat = path.stat()
            line = f"\n{path.name}\t{stat.st_size}\t{stat.st_mtime_ns}"
            digest.update(line.encode(*ANY_NAME))
    return digest.hexdigest()[:32]


def _open_entry(
    entry: Path, sources: Sequence[ClipSource], frame_format: FrameFormat, minimum: int
) -> Index:
    """Return the index of `entry`, a folder in the cache.

    If the folder does not exist, the clips are decoded into it first.
    """
    if not (entry / INDEX).is_file():
        try:
            _remove_leftovers(entry.parent)
            with _locked(entry):
                if not (entry / INDEX).is_file():  # another process may have made it meanwhile
                    _make_entry(entry, sources, frame_format, minimum)
        except OSError as error:
            raise DmadError(
                f"cannot write the cache {entry.parent} ({one_line(error)}); "
                "give a writable folder with --data.cache or $DMAD_CACHE"
            ) from error
    return _read_index(entry, frame_format)


def _read_index(entry: Path, frame_format: FrameFormat) -> Index:
    """Read the index of `entry`, a folder in the cache. Check that it fits the stored frames."""
    try:
        index = dataclass_from(Index, read_mapping(entry / INDEX, "delete it"), INDEX)
        size = frame_format.size
        require(index.shape[1:] == (size, size, frame_format.channels), "the frames differ in size")
        ends = [0, *(clip.start + clip.length for clip in index.clips)]
        starts = [*(clip.start for clip in index.clips), index.shape[0]]
        require(ends == starts and min(ends) == 0, "the clips do not fit the frames")
        stored = (entry / FRAMES).stat().st_size
        require(stored == prod(index.shape), f"{FRAMES} has {stored} bytes")
    except (DmadError, OSError) as error:
        raise DmadError(f"{entry} is damaged ({one_line(error)}); delete it and retry") from error
    return index


def _has_right_clips(index: Index, minimum: int) -> bool:
    """True if an entry of the cache contains all clips of at least `minimum` frames, and no others.

    The entry may have been made for another minimum.
    """
    all_long = all(clip.length >= minimum for clip in index.clips)
    return all_long and all(length < minimum for length in index.short.values())


def _map_frames(entry: Path, index: Index, minimum: int) -> Footage:
    try:
        frames = np.memmap(entry / FRAMES, np.uint8, "r", shape=index.shape)
    except (OSError, ValueError) as error:
        raise DmadError(f"{entry} is damaged ({one_line(error)}); delete it and retry") from error
    short = [
        f"clip {name} has {length} frames, fewer than the {minimum} needed: left out"
        for name, length in index.short.items()
    ]
    return Footage(frames, index.clips, (*index.skipped, *short))


@contextmanager
def _locked(entry: Path) -> Iterator[None]:
    """In a `with` block, let no other process write `entry`, a folder in the cache.

    If the process is killed, the lock is released too.
    """
    entry.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(_beside(entry, LOCK))
    try:
        acquired = lock.acquire(blocking=False)
    except Timeout:
        logger.info("another process decodes the same clips: waiting for it")
        acquired = lock.acquire()
    with acquired:
        yield


def _beside(entry: Path, suffix: str) -> Path:
    return entry.with_name(f".{entry.name}{suffix}")


def _remove_leftovers(base: Path) -> None:
    """Remove unfinished folders from the cache `base`. Killed processes have left them.

    Folders that a process has locked are kept, because the process still decodes.
    """
    for part in base.glob(f".*{PART}"):
        try:
            with FileLock(part.with_suffix(LOCK), blocking=False):
                shutil.rmtree(part, ignore_errors=True)
        except Timeout:
            continue  # its process is still running


def _make_entry(
    entry: Path, sources: Sequence[ClipSource], frame_format: FrameFormat, minimum: int
) -> None:
    """Decode the clips into a temporary folder, then rename this folder to `entry`."""
    part = _beside(entry, PART)
    shutil.rmtree(part, ignore_errors=True)  # a killed process may have left it
    part.mkdir()
    try:
        with (part / FRAMES).open("wb") as file:
            index = _decode_all(file, sources, frame_format, minimum)
            file.flush()
            os.fsync(file.fileno())
        (part / INDEX).write_text(json.dumps(index))
        part.rename(entry)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _decode_all(
    file: BinaryIO, sources: Sequence[ClipSource], frame_format: FrameFormat, minimum: int
) -> dict[str, Any]:
    """Append the frames of all clips to a file. Return the fields of an `Index` of these frames."""
    clips: list[Clip] = []
    skipped: list[str] = []
    short: dict[str, int] = {}
    start = 0  # index of the next clip's first frame
    frame_bytes = frame_format.size**2 * frame_format.channels
    stated = [_stated(source) for source in sources]
    total = sum(count for _, count in stated)
    _require_space(Path(file.name).parent.parent, total * frame_bytes, sources, frame_bytes)
    hidden = total <= FRAMES_FOR_A_BAR or not bars_are_shown()
    with Progress(console=error_console(), disable=hidden) as progress:
        task = progress.add_task("decoding", total=total or None)
        for source, (fps, count) in zip(sources, stated, strict=True):
            notes_before, length = len(skipped), 0
            shifts: list[bool] = []
            for frame in _decode_source(source, frame_format, skipped, shifts):
                file.write(frame.tobytes())
                length += 1
                progress.advance(task)
            has_notes = len(skipped) > notes_before
            if length >= minimum:
                complete = 0 < count <= length or source.frames > 0
                cut = has_notes and not source.path.is_dir() and not complete
                clip = Clip(source.name, source.scene, start, length, fps, cut)
                aspect = aspect_ratio(source.path)
                clips.append(replace(clip, aspect=aspect, shifted=bool(shifts)))
                start += length
                continue
            if length > 0 or not has_notes:
                short[source.name] = length
            file.truncate(start * frame_bytes)
            file.seek(0, os.SEEK_END)
    _require_some(clips, sources, skipped, minimum)
    return {
        "shape": (start, frame_format.size, frame_format.size, frame_format.channels),
        "clips": [asdict(clip) for clip in clips],
        "skipped": skipped,
        "short": short,
    }


def _stated(source: ClipSource) -> tuple[float, int]:
    """Frames per second and number of frames of a clip, found without decoding; 0 if unknown."""
    fps, count = probe(source.path)
    return fps, source.frames or count


def _require_space(
    folder: Path, needed: int, sources: Sequence[ClipSource], frame_bytes: int
) -> None:
    """Check that the decoded frames fit on the disk, before hours are spent on decoding.

    `needed` is the size of all frames in bytes. For long videos, this size is an estimate. If the
    estimate is larger than the free space, the frames are counted before an error is raised.

    Raises:
        DmadError: There is too little space.
    """
    free = shutil.disk_usage(folder).free
    if needed > free:
        needed = frame_bytes * sum(source.frames or _count(source.path) for source in sources)
    require(
        needed <= free,
        f"the decoded frames need {size_text(needed)} in {folder}, and {size_text(free)} are free; "
        "give another folder with --data.cache or $DMAD_CACHE, a smaller --data.size, or fewer "
        f"clips{_hint_to_hours(sources, free // frame_bytes)}",
    )


def _hint_to_hours(sources: Sequence[ClipSource], frames: int) -> str:
    """Return the advice to train on pieces of the videos, with the hours that fit on the disk.

    The text is empty if no source states its frame rate, as for images. `frames` is the number of
    frames that fit on the disk.
    """
    rates = [fps for fps, _ in map(_stated, sources) if fps]
    if not rates:
        return ""
    hours = FREE_SHARE * frames / max(rates) / 3600
    return f"; --data.hours {hours:.2g} trains on evenly spread pieces of them"


def _count(path: Path) -> int:
    return probe(path)[1] if path.is_dir() or is_image(path) else count_frames(path)


def _decode_source(
    source: ClipSource, frame_format: FrameFormat, skipped: list[str], shifts: list[bool]
) -> Iterator[Frame]:
    """Decode a clip. If it is unreadable or damaged, a line of text is added to `skipped`.

    If frames may be missing and it is not known where, True is added to `shifts`. The frames after
    that place may then have wrong indices.
    """
    frame_format = replace(frame_format, page=source.page)
    try:
        if source.frames:
            yield from decode_piece(source, frame_format, skipped.append)
            return
        yield from decode(source.path, frame_format, skipped.append, lambda: shifts.append(True))
    except DmadError as error:
        skipped.append(f"{error}: left out")


def _require_some(
    clips: Sequence[Clip], sources: Sequence[ClipSource], skipped: Sequence[str], minimum: int
) -> None:
    """Raise `DmadError` if all clips are unreadable or too short, so that `clips` is empty."""
    if clips:
        return
    first = f"; first problem: {skipped[0]}" if skipped else ""
    paths = [source.path for source in sources]
    place = "nothing"
    if paths:
        place = str(paths[0] if len(paths) == 1 else paths[0].parent)
    if paths and all(is_image(path) for path in paths):
        raise DmadError(f"none of {len(paths)} images in {place} could be read{first}")
    raise DmadError(
        f"no clip of {len(sources)} in {place} has the {minimum} readable frames it needs; "
        f"give longer or intact clips, or a smaller data.history{first}"
    )
