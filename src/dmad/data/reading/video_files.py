"""Decodes video files, replaces missing frames, and turns and resizes frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from PIL import Image

from dmad.data.reading.frame_format import Frame, FrameFormat
from dmad.data.reading.frame_places import FramePlaces
from dmad.data.reading.image_files import resize_without_antialiasing
from dmad.data.reading.paths import require_regular_file
from dmad.data.reading.video_header import (
    VideoHeader,
    note_on_tracks,
    open_video,
    read_header,
    video_stream,
    without_empty,
)
from dmad.errors import DmadError, one_line, require


@dataclass(frozen=True)
class Decoding:
    """Where decoding starts, and how many processor cores it uses.

    Args:
        start: Time in ticks of the track. Decoding starts at the last keyframe at or before this
            time. None: at the start of the file.
        threads: Number of cores. 0: FFmpeg chooses.
        intact_from: Time in ticks. If a frame at or after this time is damaged, `DamagedError` is
            raised: FFmpeg repairs a damaged frame with older pictures, so its pixels depend on
            where decoding starts. None: damaged frames are reported.
    """

    start: int | None = None
    threads: int = 0
    intact_from: int | None = None


class DamagedError(DmadError):
    """A frame at or after `Decoding.intact_from` is damaged."""


WHOLE = Decoding()


def video_frames(
    path: Path,
    report: Callable[[str], None],
    report_shift: Callable[[], None] = lambda: None,
    decoding: Decoding = WHOLE,
) -> Iterator[av.VideoFrame]:
    """Decode a video file frame by frame.

    A missing frame is replaced by the frame before it, so that later frames keep their indices.
    Frames are missing where an AVI file has empty chunks, and where timestamps show that frames
    were damaged. In a raw stream (.h264, .mjpeg), missing frames are not replaced, because frames
    have no timestamps.

    Args:
        path: Video file.
        report: Called with one line if frames are damaged or left out.
        report_shift: Called if frames may be missing and it is not known where. Then later frames
            may have wrong indices, which do not fit the labels.
        decoding: Where decoding starts, and how many cores it uses.

    Raises:
        DamagedError: A frame at or after `decoding.intact_from` is damaged.
        DmadError: No frame can be read.
    """
    require_regular_file(path)
    header = read_header(path)
    count = 0
    try:
        with open_video(path) as container:
            require(container.format.name != "tty", f"{path} is a text file, not a video")
            stream = video_stream(container)
            stream.thread_type = "AUTO"
            stream.codec_context.thread_count = decoding.threads
            stated, note = _stated_packets(stream), note_on_tracks(container)
            if decoding.start is not None:
                container.seek(decoding.start, stream=stream)
                stated = 0
            places = FramePlaces(container, stream, header)
            known = 0  # number of damaged frames before the frames that must be intact
            for frame in _in_place(container, stream, places):
                if decoding.intact_from is not None and len(places.damage) > known:
                    _require_early(frame, decoding.intact_from, path)
                    known = len(places.damage)
                yield frame
                count += 1
    except (av.FFmpegError, ValueError) as error:
        require(count > 0, f"{path} is not a readable video ({one_line(error)})")
        report(f"{path} is damaged after frame {count} ({one_line(error)}): later frames left out")
        return
    reason = places.damage[0] if places.damage else "it holds no frame"
    require(count > 0, f"{path} is not a readable video ({reason})")
    if note:
        report(f"{path} has {note}")
    if places.are_unknown:
        report_shift()
    if places.damage:
        report(f"{path}: {len(places.damage)} damaged frames ({reason}): {_remedy(places, header)}")
    elif places.packets < stated and count < header.frames:
        report(f"{path} states {stated} frames but holds {count}: its end is missing")


def _require_early(frame: av.VideoFrame, intact_from: int, path: Path) -> None:
    """Raise `DamagedError` if damage may have changed frames at or after `intact_from`.

    `frame` is the next frame after damage was found. The error is raised if this frame has no time,
    or if its time is not before `intact_from`. This is a time in ticks of the track.
    """
    if frame.pts is None or frame.pts >= intact_from:
        raise DamagedError(f"{path} has damaged frames")


def _remedy(places: FramePlaces, header: VideoHeader) -> str:
    if places.are_unknown:
        return f"{places.count} frames remain, and it is not known where frames are missing"
    complete = 0 < header.frames <= places.count
    return "other frames replace them" if complete else f"{places.count} frames remain"


def _stated_packets(stream: av.VideoStream) -> int:
    """The number of packets that a file states; 0 if it states none."""
    if not stream.frames:
        return 0
    return len(stream.index_entries) or stream.frames


def _in_place(
    container: av.container.InputContainer, stream: av.VideoStream, places: FramePlaces
) -> Iterator[av.VideoFrame]:
    """Decode all frames. Where frames are missing, repeat the frame before them.

    `places` finds out where frames are missing. A repeated frame is the same object with another
    timestamp.
    """
    last: av.VideoFrame | None = None
    for frame in _decoded(container, stream, places):
        missing = places.missing_before(frame)
        if missing < 0:
            continue
        yield from _repeated(last, frame, missing)
        yield frame
        last = frame
    if last is not None:
        for _ in range(places.missing_at_end()):
            yield last


def _decoded(
    container: av.container.InputContainer, stream: av.VideoStream, places: FramePlaces
) -> Iterator[av.VideoFrame]:
    """Yield the decoded frames. If a packet cannot be decoded, add the error to `places.damage`."""
    for packet in without_empty(_packets(container, stream, places)):
        places.add_packet(packet)
        try:
            yield from packet.decode()
        except av.FFmpegError as error:
            places.damage.append(one_line(error))


def _packets(
    container: av.container.InputContainer, stream: av.VideoStream, places: FramePlaces
) -> Iterator[av.Packet[av.VideoStream]]:
    """Yield the packets of a track.

    In an MKV file, the packets of all tracks are read, because a gap between the positions of two
    packets in the file shows that packets are lost.
    """
    if not container.format.name.startswith("matroska"):
        yield from container.demux(stream)
        return
    for packet in container.demux():
        places.add_position(packet)
        if packet.stream.index == stream.index:
            yield packet  # type: ignore[misc]  # a packet of this track


def _repeated(
    last: av.VideoFrame | None, following: av.VideoFrame, count: int
) -> Iterator[av.VideoFrame]:
    """Fill a gap of `count` frames: repeat the frame before it, with timestamps inside the gap.

    `last` is the frame before the gap, `following` the frame after it. If `last` is None,
    `following` is repeated.
    """
    if last is None or last.pts is None or following.pts is None:
        yield from [last or following] * count
        return
    start, distance = last.pts, (following.pts - last.pts) / (count + 1)
    for index in range(1, count + 1):
        last.pts = start + round(index * distance)
        yield last


def resize_frame(frame: av.VideoFrame, frame_format: FrameFormat) -> Frame:
    """Return a decoded frame, upright and resized: (size, size, channels)."""
    size, pixels = frame_format.size, frame_format.pixel_format
    if frame_format.antialias:
        image = upright_pixels(frame, pixels, size, size)
        return image.reshape(size, size, frame_format.channels)
    return resize_without_antialiasing(Image.fromarray(upright_pixels(frame, pixels)), size)


def upright_pixels(
    frame: av.VideoFrame, pixel_format: str, width: int | None = None, height: int | None = None
) -> Frame:
    """Convert a decoded frame to an array, and rotate it by the angle that its video states.

    Videos of phones often state such an angle. The conversion uses one thread. By default, PyAV
    starts a thread on each processor core for every frame, which is slower for usual sizes.

    Args:
        frame: The decoded frame.
        pixel_format: "gray" or "rgb24".
        width: New width in pixels, before the rotation. None: not resized.
        height: New height in pixels, before the rotation. None: not resized.

    Returns:
        (H, W) for "gray", (H, W, 3) for "rgb24".
    """
    converted = frame.reformat(width, height, pixel_format, interpolation="BILINEAR", threads=1)
    pixels = np.asarray(converted.to_ndarray(), np.uint8)
    return np.ascontiguousarray(np.rot90(pixels, quarter_turns(frame)))


def quarter_turns(frame: av.VideoFrame) -> int:
    """How often a frame must be turned left by 90° to be upright.

    The result is 0 if the video states that its frames are mirrored: this is not supported.
    """
    turns = round(frame.rotation / 90)
    if not turns:
        return 0
    stored = frame.side_data["DISPLAYMATRIX"]  # type: ignore[typeddict-item]
    matrix = np.frombuffer(stored, np.int32).reshape(3, 3)
    mirrored = np.linalg.det(matrix[:2, :2].astype(float)) <= 0
    return 0 if mirrored else turns
