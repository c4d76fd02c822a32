"""What a video file says before its frames are decoded: its track, frame rate and length."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from dmad.data.reading.recording_clock import RecordingClock

NO_TIMESTAMPS = 0x80  # flag of FFmpeg's formats, AVFMT_NOTIMESTAMPS
SAMPLE = 600  # the frame rate is measured from this many frames at the start of a video
NEAR = 0.2  # a time between two frames is usual if it is within this share of the median
MOST = 0.9  # frames are regular if more than this share of the times between them is usual
RATE_ERROR = 0.02  # a stated frame rate is right if it differs by less than this share


@dataclass(frozen=True)
class VideoHeader:
    """What is known about a video before its frames are decoded.

    Args:
        fps: Frames per second; 0 if unknown. Pauses between frames do not count.
        frames: Number of frames; 0 if unknown. It may be an estimate.
        has_clock: True if the frames have timestamps.
        is_regular: True if the time between two frames is nearly always the same.
    """

    fps: float = 0.0
    frames: int = 0
    has_clock: bool = True
    is_regular: bool = False


UNREADABLE = VideoHeader()


def open_video(path: Path) -> av.container.InputContainer:
    """Open a video file.

    FFmpeg would read the `16` in a relative name such as `16:01:04.mp4` as a protocol. So the path
    is made absolute. A path of another kind, such as an address of an object store, is opened with
    its method `open`.

    Raises:
        av.FFmpegError: The file is not readable.
    """
    if isinstance(path, os.PathLike):
        return av.open(os.path.abspath(path))
    return av.open(path.open("rb"))


def read_header(path: Path) -> VideoHeader:
    """Return what a video file states; `UNREADABLE` if it cannot be read.

    The first `SAMPLE` packets are read but not decoded.
    """
    try:
        with open_video(path) as container:
            stream = video_stream(container)
            has_clock = is_timed(container)
            times, count = _first_times(container, stream)
            return VideoHeader(
                fps=_rate(stream, times) if has_clock else _rate_in_stream(stream),
                frames=_frame_count(container, stream, count, times),
                has_clock=has_clock,
                is_regular=has_clock and _are_regular(times),
            )
    except (av.FFmpegError, ValueError):
        return UNREADABLE


def count_frames(path: Path) -> int:
    """Count the frames of a video file by reading all its packets.

    If the file cannot be read up to its end, only the frames before the damage are counted.
    """
    count = 0
    try:
        with open_video(path) as container:
            stream = video_stream(container)
            for packet in container.demux(stream):
                count += is_shown(packet)
            return max(count, stream.frames if is_grid(container) else 0)
    except (av.FFmpegError, ValueError):
        return count


def ticks(path: Path, seconds: float) -> int:
    """Convert seconds since the start of a readable video to a timestamp of this video."""
    with open_video(path) as container:
        stream = video_stream(container)
        return (stream.start_time or 0) + round(seconds / float(stream.time_base or 1))


def frame_times(path: Path) -> list[float]:
    """The times of all frames of a video file, in seconds since the first frame.

    All packets are read. The list is empty for AVI files (their frame rate is fixed), for files
    without timestamps, and for unreadable files.
    """
    parts: list[list[int]] = [[]]  # more than one if several recordings were joined
    last_dts = -(2**63)
    try:
        with open_video(path) as container:
            stream = video_stream(container)
            if is_grid(container) or not is_timed(container):
                return []
            for packet in container.demux(stream):
                time = packet_time(packet)
                if packet.dts is not None:
                    if packet.dts < last_dts:
                        parts.append([])
                    last_dts = packet.dts
                if is_shown(packet) and time is not None:
                    parts[-1].append(time)
            tick = float(stream.time_base or 0)
            rate = _rate(stream, sorted(parts[0][:SAMPLE])) or 1.0
    except (av.FFmpegError, ValueError):
        return []
    clock = RecordingClock(rate)
    return [clock.time_of(time * tick) for part in parts for time in sorted(part)]


def video_stream(container: av.container.InputContainer) -> av.VideoStream:
    """Return the video track that is read. Still previews are left out.

    If several tracks have the codec and size of FFmpeg's choice, the first of them is returned.

    Raises:
        ValueError: There is no video track.
    """
    best = container.streams.best("video")
    if not isinstance(best, av.VideoStream):
        raise ValueError("it holds no video")
    kind = (best.codec_context.name, best.width, best.height)
    similar = [
        stream
        for stream in container.streams.video
        if (stream.codec_context.name, stream.width, stream.height) == kind
    ]
    return similar[0]


def note_on_tracks(container: av.container.InputContainer) -> str:
    """Return a text that says which of several video tracks is read; "" for a single track."""
    tracks = container.streams.video
    if len(tracks) < 2:
        return ""
    number = tracks.index(video_stream(container)) + 1
    return f"{len(tracks)} video tracks: only track {number} is read"


def is_timed(container: av.container.InputContainer) -> bool:
    """True if the packets of a container have timestamps, False for raw streams (.h264, .mjpeg).

    FFmpeg states 25 frames per second for raw streams, but this value has no meaning.
    """
    return not container.format.flags & NO_TIMESTAMPS


def is_grid(container: av.container.InputContainer) -> bool:
    """True for AVI files, False for other files.

    An AVI file has a fixed frame rate and a chunk for each frame. An empty chunk repeats the frame
    before it.
    """
    return container.format.name == "avi"


def is_shown(packet: av.Packet[av.VideoStream]) -> bool:
    """True if a packet holds a frame that is shown.

    False if it is empty, or if the file says that its frame is not shown (edit list of MP4).
    """
    return packet.size > 0 and not packet.is_discard


def without_empty(
    packets: Iterable[av.Packet[av.VideoStream]],
) -> Iterator[av.Packet[av.VideoStream]]:
    """Leave out all empty packets except the last, which is put at the end.

    An empty packet tells a decoder that the video ends. Then the decoder gives its last frames. But
    cameras also send empty packets earlier.
    """
    empty = None
    for packet in packets:
        if packet.size:
            yield packet
        else:
            empty = packet
    if empty is not None:
        yield empty


def packet_time(packet: av.Packet[av.VideoStream]) -> int | None:
    """Time at which the frame of a packet is shown, in ticks of the track; None if unknown."""
    return packet.dts if packet.pts is None else packet.pts


def _first_times(
    container: av.container.InputContainer, stream: av.VideoStream
) -> tuple[list[int], int]:
    """The times of the first `SAMPLE` frames in ticks, sorted, and the number of all frames.

    If there are `SAMPLE` frames or more, reading stops there, and the number is 0 (unknown). If
    several recordings were joined, only times of the first recording are returned.
    """
    times: list[int] = []
    count, last_dts, is_joined = 0, -(2**63), False
    packets = container.demux(stream)
    try:
        for packet in packets:
            is_joined = is_joined or (packet.dts is not None and packet.dts < last_dts)
            last_dts = last_dts if packet.dts is None else packet.dts
            if is_shown(packet):
                count += 1
                if not is_joined:
                    times.append(packet_time(packet) or 0)
            if count == SAMPLE:
                return sorted(times), 0
    except av.FFmpegError as error:  # the start may still be readable
        if not times:
            raise error
    return sorted(times), count


def _are_regular(times: Sequence[int]) -> bool:
    if len(times) < 2:
        return False
    distances = np.diff(times)
    near = np.abs(distances - np.median(distances)) <= NEAR * np.median(distances)
    return bool(near.mean() > MOST)


def _rate(stream: av.VideoStream, times: list[int]) -> float:
    """Frames per second from the usual time between two frames, so that pauses do not count.

    If the file states nearly the same rate, the stated rate is returned. `times` are the times of
    frames in ticks, sorted.
    """
    stated = [float(rate) for rate in (stream.average_rate, stream.guessed_rate) if rate]
    distances = np.diff(times)
    distances = distances[distances > 0]
    if not len(distances) or not stream.time_base:
        return stated[0] if stated else 0.0
    median = np.median(distances)
    usual = distances[np.abs(distances - median) <= NEAR * median].mean()
    measured = 1 / float(usual * stream.time_base)
    return next((rate for rate in stated if abs(rate - measured) < RATE_ERROR * measured), measured)


def _rate_in_stream(stream: av.VideoStream) -> float:
    """The frame rate that a raw stream itself states; 0 if it states none."""
    rate = stream.codec_context.framerate
    return float(rate) if rate and rate == stream.guessed_rate else 0.0


def _frame_count(
    container: av.container.InputContainer,
    stream: av.VideoStream,
    counted: int,
    times: list[int],
) -> int:
    if is_grid(container) and stream.frames:
        return stream.frames
    if counted:
        return counted
    if stream.frames:
        index = [entry for entry in stream.index_entries if not entry.is_discard]
        return min(len(index) or stream.frames, stream.frames)
    seconds = (container.duration or 0) / av.time_base
    return round(_rate(stream, times) * seconds)
