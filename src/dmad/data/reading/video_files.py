"""Decodes video files, replaces damaged frames, and turns and resizes frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
from PIL import Image

from dmad.data.reading.frame_format import Frame, FrameFormat
from dmad.data.reading.image_files import resize_without_antialiasing
from dmad.errors import one_line, require

LONGEST_DAMAGE = 10.0  # seconds; after a longer gap, timestamps are not used any more


def video_frames(path: Path, report: Callable[[str], None]) -> Iterator[av.VideoFrame]:
    """Decode a video file frame by frame.

    A damaged frame is replaced by the frame before it, so that later frames keep their indices.
    This needs timestamps at a regular rate. In other videos, damaged frames are left out.

    Args:
        path: Video file.
        report: Called with one line if frames are missing.

    Raises:
        DmadError: No frame can be read.
    """
    count, stated = 0, 0
    errors: list[str] = []  # one for each damaged packet
    try:
        with av.open(str(path)) as container:
            require(container.format.name != "tty", f"{path} is a text file, not a video")
            stream = video_stream(container)
            stream.thread_type = "AUTO"
            stated = stream.frames
            frames = _decodable(container.demux(stream), errors)
            for frame in _fill_gaps(frames, errors, stated_rate(stream)):
                yield frame
                count += 1
    except (av.FFmpegError, ValueError) as error:
        require(count > 0, f"{path} is not a readable video ({one_line(error)})")
        report(f"{path} is damaged after frame {count} ({one_line(error)}): the rest is left out")
        return
    reason = errors[0] if errors else "it holds no frame"
    require(count > 0, f"{path} is not a readable video ({reason})")
    if errors:
        complete = 0 < stated <= count
        rest = "other frames replace them" if complete else f"{count} frames are left"
        report(f"{path}: {len(errors)} damaged frames ({reason}): {rest}")
    elif count < stated:
        report(f"{path} states {stated} frames but holds {count}: the rest is left out")


def video_stream(container: av.container.InputContainer) -> av.VideoStream:
    """The first video stream of a file or camera.

    Raises:
        ValueError: There is none.
    """
    if not container.streams.video:
        raise ValueError("it holds no video")
    return container.streams.video[0]


def stated_rate(stream: av.VideoStream) -> float:
    """Frames per second from the header of the file; 0 if unknown."""
    return float(stream.average_rate or stream.guessed_rate or 0)


def _decodable(
    packets: Iterator[av.Packet[av.VideoStream]], errors: list[str]
) -> Iterator[av.VideoFrame]:
    """Yield the frames that can be decoded, and append the errors of all others."""
    for packet in packets:
        try:
            yield from packet.decode()
        except av.FFmpegError as error:
            errors.append(one_line(error))


def _fill_gaps(
    frames: Iterator[av.VideoFrame], errors: list[str], rate: float
) -> Iterator[av.VideoFrame]:
    """After an error, repeat frames until the next frame has the index that fits its timestamp.

    This is done only if all frames before the first error had such an index, and if no later gap
    is longer than `LONGEST_DAMAGE`.
    """
    start, last, count = None, None, 0
    trusted = rate > 0
    for frame in frames:
        if last is None:
            start = frame.time
        index = count
        if start is not None and frame.time is not None:
            index = round((frame.time - start) * rate)
        if errors:
            trusted = trusted and index - count <= LONGEST_DAMAGE * rate
        else:
            trusted = trusted and index == count
        if errors and trusted and last is not None:
            if index < count:
                continue  # this index is filled already
            for _ in range(index - count):
                last.pts = (last.pts or 0) + round(1 / rate / float(last.time_base or 1))
                yield last
            count = index
        yield frame
        count, last = count + 1, frame


def resize_frame(frame: av.VideoFrame, frame_format: FrameFormat) -> Frame:
    """A decoded frame, upright and resized: (size, size, channels)."""
    size, pixels, resized = frame_format.size, frame_format.pixel_format, frame
    if frame_format.antialias:
        resized = frame.reformat(size, size, pixels, interpolation="BILINEAR")
    image = turn_upright(np.asarray(resized.to_ndarray(format=pixels), np.uint8), frame)
    if frame_format.antialias:
        return image.reshape(size, size, frame_format.channels)
    return resize_without_antialiasing(Image.fromarray(image), size)


def turn_upright(image: Frame, frame: av.VideoFrame) -> Frame:
    """Rotate the pixels (H, W, ...) of a frame as its video says. Phones store such rotations."""
    return np.ascontiguousarray(np.rot90(image, quarter_turns(frame)))


def quarter_turns(frame: av.VideoFrame) -> int:
    """How often a frame must be turned left by 90° to be upright; 0 if it is mirrored."""
    turns = round(frame.rotation / 90)
    if not turns:
        return 0
    stored = frame.side_data["DISPLAYMATRIX"]  # type: ignore[typeddict-item]
    matrix = np.frombuffer(stored, np.int32).reshape(3, 3)
    mirrored = np.linalg.det(matrix[:2, :2].astype(float)) <= 0
    return 0 if mirrored else turns
