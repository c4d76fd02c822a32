"""Cuts long films and folders of frames into stretches (parts), and reads their frames.

The frames of a stretch get the same scores as in one pass over the whole film. For this, decoding
starts before the stretch. The model and the averaged score use the frames before the stretch as
past frames. A film is cut at keyframes. A folder of frames can be cut anywhere.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain, pairwise
from pathlib import Path

import av

from dmad.data.reading.decode import decode
from dmad.data.reading.frame_format import Frame, FrameFormat
from dmad.data.reading.image_files import open_image
from dmad.data.reading.paths import image_files, is_image
from dmad.data.reading.source_frames import shortest_gap
from dmad.data.reading.sources import with_times
from dmad.data.reading.video_files import DamagedError, Decoding, resize_frame, video_frames
from dmad.data.reading.video_header import (
    is_grid,
    is_timed,
    open_video,
    packet_time,
    read_header,
    video_stream,
)
from dmad.errors import DmadError, one_line, require

Report = Callable[[str], None]


@dataclass(frozen=True)
class Stretch:
    """A part of a film or of a folder of frames.

    Times of a film are in ticks, the time unit of its video track. In a folder, the time of a frame
    is its position among all frames.
    """

    number: int
    count: int  # number of stretches of the film
    start: int | None  # time of its first frame; None: the start of the film
    stop: int | None  # time of the first frame after it; None: the end of the film
    past: int | None  # time of the first frame that its scores depend on; None: as `start`
    seek: int | None  # time of the keyframe where decoding starts; None: the start of the film
    intact_from: int | None = None  # if a frame from this time on is damaged, use `from_start`

    @property
    def from_start(self) -> Stretch:
        """The same stretch, but decoding begins at the start of the film, not at `seek`."""
        return replace(self, seek=None, intact_from=None)

    def holds(self, time: int | None) -> bool:
        """True if the frame with this time belongs to the stretch."""
        if time is None:
            return True
        is_late = self.start is None or time >= self.start
        return is_late and (self.stop is None or time < self.stop)


WHOLE = Stretch(0, 1, None, None, None, None)


@dataclass(frozen=True, eq=False)
class ReadFrame:
    """A frame in the format that the model needs, with its time."""

    image: Frame  # (size, size, channels)
    time: float  # seconds; the first frame of a whole source has 0
    gap: bool  # True if frames are missing before this frame
    wanted: bool = True  # False for a frame before the stretch, which scores depend on


@dataclass(frozen=True)
class FilmIndex:
    """The times of all frames of a film or folder, in ticks, in the order of display."""

    times: list[int]
    keyframes: list[int]  # positions in `times`, rising; of a folder: all positions
    tick: float  # length of a tick in seconds

    @property
    def seconds(self) -> float:
        """Length of the film in seconds."""
        return (self.times[-1] - self.times[0]) * self.tick if self.times else 0.0

    def cut(self, seconds: float, past: int) -> list[Stretch]:
        """Return stretches of about the same length. Each begins with a keyframe.

        Args:
            seconds: Length of a stretch in seconds.
            past: Number of frames before a stretch that its scores depend on.
        """
        count = max(1, round(self.seconds / seconds))
        targets = [index * len(self.times) // count for index in range(1, count)]
        starts = sorted({self._nearest_keyframe(target) for target in targets} - {0})
        places = [None, *starts, None]
        return [
            self._stretch((number, len(places) - 1), first, last, past)
            for number, (first, last) in enumerate(pairwise(places))
        ]

    def at(self, first: float, last: float, past: int) -> Stretch:
        """Return the stretch between two times in seconds since the first frame.

        `past` is the number of frames before the stretch that its scores depend on.
        """
        ticks = [self.times[0] + round(seconds / self.tick) for seconds in (first, last)]
        start = min(bisect_left(self.times, ticks[0]), len(self.times) - 1)
        stop = bisect_right(self.times, ticks[1])
        return self._stretch((0, 1), start, stop if stop < len(self.times) else None, past)

    def _stretch(
        self, place: tuple[int, int], first: int | None, last: int | None, past: int
    ) -> Stretch:
        """Return the stretch between two positions in `times`.

        Args:
            place: The number of this stretch, counted from 0, and the number of all stretches.
            first: Position of the first frame. None: the start of the film.
            last: Position of the first frame after the stretch. None: the end of the film.
            past: Number of frames before the stretch that its scores depend on.
        """
        stop = None if last is None else self.times[last]
        if first is None:
            return Stretch(*place, None, stop, None, None)
        needed = max(0, first - past)
        usable = self.keyframes[: bisect_right(self.keyframes, needed)]
        seek, intact_from = None, None
        if len(usable) > 1:  # decode one keyframe earlier, to notice damage
            seek, intact_from = (self.times[keyframe] for keyframe in usable[-2:])
        return Stretch(*place, self.times[first], stop, self.times[needed], seek, intact_from)

    def _nearest_keyframe(self, place: int) -> int:
        after = bisect_left(self.keyframes, place)
        near = self.keyframes[max(0, after - 1) : after + 1]
        return min(near, key=lambda keyframe: abs(keyframe - place), default=0)


def read_index(path: Path, fps: float) -> FilmIndex | None:
    """Read the times of all frames of a film or of a folder of frames, without decoding them.

    Args:
        path: The source.
        fps: Frames per second of a folder.

    Returns:
        The times. None if the film cannot be cut: it is unreadable, it is a raw stream or an AVI
        file with B-frames, it has unknown times or times that jump back, or it has an edit list
        that hides frames.
    """
    if path.is_dir():
        places = list(range(len(image_files(path))))
        return FilmIndex(places, places, 1 / fps)
    times: list[int] = []
    keys: list[int] = []
    last_dts = None
    try:
        with open_video(path) as container:
            stream = video_stream(container)
            has_places = is_grid(container)
            is_reordered = has_places and stream.codec_context.has_b_frames
            if is_reordered or not is_timed(container):
                return None
            for packet in container.demux(stream):
                if not packet.size:
                    continue
                time = packet.dts if has_places else packet_time(packet)
                jumps = packet.dts is not None and last_dts is not None and packet.dts < last_dts
                if time is None or packet.is_discard or jumps:
                    return None
                last_dts = packet.dts if packet.dts is not None else last_dts
                times.append(time)
                if packet.is_keyframe:
                    keys.append(time)
            tick = float(stream.time_base or 0)
    except (av.FFmpegError, ValueError):
        if not times:
            return None
    shown = sorted(times)
    if has_places and shown:  # at an empty place, a player repeats the frame before
        shown = list(range(shown[0], shown[-1] + 1))
    if len(set(shown)) < len(shown) or not tick:
        return None
    return FilmIndex(shown, [bisect_left(shown, key) for key in sorted(keys)], tick)


def stated_seconds(path: Path) -> float:
    """Return the seconds that a film states as its length; 0 if unknown. Nothing is decoded."""
    header = read_header(path)
    return header.frames / header.fps if header.fps and header.has_clock else 0.0


def read_frames(
    path: Path, frame_format: FrameFormat, fps: float, report: Report, threads: int = 0
) -> Iterator[ReadFrame]:
    """Read all frames of a film or of a folder of frames.

    Args:
        path: The source.
        frame_format: Size and colours of the frames.
        fps: Frames per second, for frames without a time.
        report: Called with one line for each damaged frame or file.
        threads: Number of processor cores that decode a film. 0: FFmpeg chooses.

    Raises:
        DmadError: No frame can be read.
    """
    if path.is_dir() or is_image(path):
        for index, image in enumerate(decode(path, frame_format, report)):
            yield ReadFrame(image, index / fps, False)
        return
    frames = video_frames(path, report, decoding=Decoding(threads=threads))
    for timed in with_times(frames, fps):
        gap = timed.missing > shortest_gap(fps)
        yield ReadFrame(resize_frame(timed.frame, frame_format), timed.time, gap)


def read_stretch(
    path: Path,
    stretch: Stretch,
    frame_format: FrameFormat,
    fps: float,
    report: Report,
    threads: int = 0,
) -> Iterator[ReadFrame]:
    """Read the past frames that the scores of a stretch need, then the frames of the stretch.

    The times count from an unknown moment, which is the same for all stretches of a film. The other
    arguments are those of `read_frames`.

    Raises:
        DamagedError: A frame is damaged. Read `stretch.from_start` instead.
        DmadError: No frame can be read.
    """
    if path.is_dir():
        yield from _read_folder(path, stretch, frame_format, fps, report)
        return
    frames = _decoded_from(path, stretch, report, threads)
    for timed in with_times(frames, fps):
        ticks = timed.frame.pts
        if ticks is not None and stretch.stop is not None and ticks >= stretch.stop:
            return
        if ticks is not None and stretch.past is not None and ticks < stretch.past:
            continue
        yield ReadFrame(
            image=resize_frame(timed.frame, frame_format),
            time=timed.time if timed.frame.time is None else timed.frame.time,
            gap=timed.missing > shortest_gap(fps),
            wanted=stretch.holds(ticks),
        )


def _read_folder(
    path: Path, stretch: Stretch, frame_format: FrameFormat, fps: float, report: Report
) -> Iterator[ReadFrame]:
    """Do the same as `read_stretch`, but only for a folder of frames."""
    files, past = image_files(path), stretch.past or 0
    start = _last_readable(files, past, frame_format)
    images = decode(path, frame_format, report, files=files, start=start)
    first = next(images, None)
    require(first is not None, f"{path} holds no readable image")
    assert first is not None
    for place, image in enumerate(chain([first], images), start):
        if stretch.stop is not None and place >= stretch.stop:
            return
        if place >= past:
            yield ReadFrame(image, place / fps, False, stretch.holds(place))


def _last_readable(files: Sequence[Path], place: int, frame_format: FrameFormat) -> int:
    """Return the position of the last readable image up to position `place`.

    If no image is readable, return 0.

    That image replaces the unreadable images after it.
    """
    for number in range(place, 0, -1):
        with suppress(Exception), open_image(files[number], 0, frame_format.megapixels) as image:
            image.load()
            return number
    return 0


def _decoded_from(
    path: Path, stretch: Stretch, report: Report, threads: int
) -> Iterator[av.VideoFrame]:
    """Decode a film from the keyframe `stretch.seek` on.

    If this is impossible, decode from the start of the film.
    """
    if stretch.seek is None or stretch.past is None:
        return video_frames(path, report, decoding=Decoding(threads=threads))
    decoding = Decoding(stretch.seek, threads, stretch.intact_from)
    frames = video_frames(path, report, decoding=decoding)
    try:
        first = next(frames, None)
    except DamagedError:
        raise
    except DmadError as error:
        report(f"{path}: decoding starts at the beginning ({one_line(error)})")
        first = None
    if first is None or first.pts is None or first.pts > stretch.past:
        return video_frames(path, report, decoding=Decoding(threads=threads))
    return chain([first], frames)
