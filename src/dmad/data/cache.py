"""Footage: the frames of many clips, decoded once into a memory-mapped file."""

from __future__ import annotations

import json
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from rich.progress import Progress, TaskID

from dmad.config import DataConfig
from dmad.console import bars_are_shown, error_console
from dmad.data.footage import Clip, ClipSource, Footage
from dmad.data.reading.decode import decode, probe
from dmad.data.reading.image_files import Frames
from dmad.data.reading.paths import image_files, is_image
from dmad.errors import DmadError, brief, require

_VERSION = 4  # of the cache; a change of decoding or of the files raises it

_FRAMES, _INDEX, _PART = "frames.u8", "index.json", ".dmad-part-"

Decoding = tuple[int, int, int, bool]  # size, channels and tiles of what is decoded, antialiasing

_ANY = ("utf-8", "surrogateescape")  # names of files need not be UTF-8

_DAY = 86_400.0  # seconds

_LONG = 200  # frames from which on decoding shows its progress


def load_footage(
    sources: Sequence[ClipSource],
    size: int,
    channels: int,
    cache: Path | None = None,
    minimum: int = 1,
    tiles: int = 1,
    antialias: bool = True,
) -> Footage:
    """Decode clips once into a cache on disk, and map them into memory from then on.

    Args:
        sources: Clips, in the order they shall have.
        size: Height and width of a frame in pixels.
        channels: 1 for grey, 3 for colour.
        cache: Folder of the cache (default: $DMAD_CACHE, else ~/.cache/dmad).
        minimum: Clips with fewer frames are left out.
        tiles: Cut each source that is an image into tiles x tiles frames.
        antialias: Resize videos and folders with antialiasing.

    Raises:
        DmadError: a source is missing, no clip is usable or the cache cannot be written.
    """
    names = [source.name for source in sources]
    require(len(set(names)) == len(names), f"clips share a name: {', '.join(sorted(names))}")
    base = cache or Path(os.environ.get("DMAD_CACHE") or Path.home() / ".cache" / "dmad")
    minimum = max(minimum, 1)
    form = (size, channels, tiles, antialias)
    key = _key(sources, form)
    for folder in (base / key, base / f"{key}-{minimum}"):
        if not (folder / _INDEX).is_file():
            _build(folder, sources, form, minimum)
        index = _read_index(folder)
        if _serves(index, minimum):
            break
    return _map(folder, index, minimum)


def _key(sources: Sequence[ClipSource], form: Decoding) -> str:
    digest = sha256(f"{_VERSION} {form}".encode())
    for source in sources:
        require(source.path.exists(), f"{source.path} does not exist; expected a clip there")
        files = image_files(source.path) if source.path.is_dir() else [source.path]
        digest.update(f"\n{source.name}\t{source.scene}\t{source.path.resolve()}".encode(*_ANY))
        for path in files:
            stat = path.stat()
            digest.update(f"\n{path.name}\t{stat.st_size}\t{stat.st_mtime_ns}".encode(*_ANY))
    return digest.hexdigest()[:32]


def _read_index(folder: Path) -> dict[str, Any]:
    try:
        index: dict[str, Any] = json.loads((folder / _INDEX).read_text())
    except ValueError as error:
        raise DmadError(f"{folder} is damaged ({brief(error)}); delete it and retry") from error
    return index


def _serves(index: dict[str, Any], minimum: int) -> bool:
    """Whether a cache holds just the clips with enough frames."""
    kept = all(clip["length"] >= minimum for clip in index["clips"])
    return kept and all(length < minimum for length in index["short"].values())


def _map(folder: Path, index: dict[str, Any], minimum: int) -> Footage:
    clips = tuple(Clip(**clip) for clip in index["clips"])
    try:
        frames = np.memmap(folder / _FRAMES, np.uint8, "r", shape=tuple(index["shape"]))
    except (OSError, ValueError) as error:
        raise DmadError(f"{folder} is damaged ({brief(error)}); delete it and retry") from error
    short = [_too_short(name, length, minimum) for name, length in index["short"].items()]
    return Footage(frames, clips, (*index["skipped"], *short))


def _too_short(name: str, length: int, minimum: int) -> str:
    return f"clip {name} has {length} frames, fewer than the {minimum} needed: left out"


def _build(folder: Path, sources: Sequence[ClipSource], form: Decoding, minimum: int) -> None:
    """Decode beside the cache, then rename; whoever is first wins."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _sweep(folder.parent)
        prefix = f"{_PART}{socket.gethostname()}-{os.getpid()}-"
        part = Path(tempfile.mkdtemp(prefix=prefix, dir=folder.parent))
        try:
            with (part / _FRAMES).open("wb") as file:
                index = _write(file, sources, form, minimum)
                file.flush()
                os.fsync(file.fileno())
            (part / _INDEX).write_text(json.dumps(index))
            part.chmod(0o755)
            _publish(part, folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    except OSError as error:
        raise DmadError(
            f"cannot write the cache {folder.parent} ({brief(error)}); "
            "give a writable folder with --data.cache or $DMAD_CACHE"
        ) from error


def _publish(part: Path, folder: Path) -> None:
    try:
        part.rename(folder)
    except OSError:
        if not (folder / _INDEX).is_file():  # not a race that another process won
            raise


def _sweep(base: Path) -> None:
    """Remove what killed processes left behind."""
    for part in base.glob(f"{_PART}*"):
        try:
            written = max(entry.stat().st_mtime for entry in (part, *part.iterdir()))
        except OSError:  # its owner has just finished
            continue
        if time.time() - written > _DAY or _orphaned(part.name):
            shutil.rmtree(part, ignore_errors=True)


def _orphaned(name: str) -> bool:
    host, pid, _ = name.removeprefix(_PART).rsplit("-", 2)
    if host != socket.gethostname() or os.name != "posix":
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False


def _write(
    file: BinaryIO, sources: Sequence[ClipSource], form: Decoding, minimum: int
) -> dict[str, Any]:
    """Append all frames to a file, and say what lies where."""
    size, channels, *_ = form
    clips: list[Clip] = []
    skipped: list[str] = []
    short: dict[str, int] = {}
    promised = [probe(source.path) for source in sources]
    total = sum(frames for _, frames in promised)
    hidden = total <= _LONG or not bars_are_shown()
    with Progress(console=error_console(), disable=hidden) as progress:
        task = progress.add_task("decoding", total=total or None)
        start = 0  # of the next clip
        for source, (fps, count) in zip(sources, promised, strict=True):
            notes = len(skipped)
            frames = _decoded(source.path, form, skipped)
            length = sum(_append(file, frame, progress, task) for frame in frames)
            if length < minimum:
                if length > 0 or len(skipped) == notes:
                    short[source.name] = length
                file.truncate(start * size * size * channels)
                file.seek(0, os.SEEK_END)
            else:
                damaged = len(skipped) > notes and not source.path.is_dir()
                cut = damaged and not 0 < count <= length
                clips.append(Clip(source.name, source.scene, start, length, fps, cut))
                start += length
    _require_some(clips, sources, skipped, minimum)
    shape = (start, size, size, channels)
    kept = [asdict(clip) for clip in clips]
    return {"shape": shape, "clips": kept, "skipped": skipped, "short": short}


def _append(file: BinaryIO, frame: Frames, progress: Progress, task: TaskID) -> int:
    file.write(frame.tobytes())
    progress.advance(task)
    return 1


def _decoded(path: Path, form: Decoding, skipped: list[str]) -> Iterator[Frames]:
    """`decode`, with a clip that cannot be read at all noted too."""
    try:
        size, channels, tiles, antialias = form
        yield from decode(path, size, channels, skipped.append, tiles, antialias)
    except DmadError as error:
        skipped.append(f"{error}: left out")


def _require_some(
    clips: Sequence[Clip], sources: Sequence[ClipSource], skipped: Sequence[str], minimum: int
) -> None:
    why = f"; first trouble: {skipped[0]}" if skipped else ""
    paths = [source.path for source in sources]
    place = paths[0] if len(paths) == 1 else paths[0].parent if paths else "nothing"
    if not clips and paths and all(map(is_image, paths)):
        raise DmadError(f"none of {len(paths)} images in {place} could be read{why}")
    require(
        len(clips) > 0,
        f"no clip of {len(sources)} in {place} has the {minimum} readable frames it needs; "
        f"give longer or intact clips, or a smaller data.history{why}",
    )


def read(sources: Sequence[ClipSource], data: DataConfig) -> Footage:
    """Clips decoded as the settings say; those too short for a window are left out."""
    return load_footage(
        sources,
        data.size,
        data.channels,
        data.cache,
        minimum=data.history + 1,
        tiles=data.tiles,
        antialias=data.antialias,
    )
