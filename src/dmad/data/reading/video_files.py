"""The frames of a video file, as they were stored and as models take them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
from PIL import Image

from dmad.data.reading.image_files import Frames, sampled
from dmad.errors import brief, require

LONGEST = 10.0  # seconds that damage takes at most


def video_frames(path: Path, report: Callable[[str], None]) -> Iterator[av.VideoFrame]:
    """The frames of a video as they were stored.

    The one before stands in for damaged ones, so that indices stay right. Of a film whose frames
    do not tell their place, by times at an even rate, damaged ones are left out.

    Args:
        path: Video file.
        report: Called with one line where frames are missing.

    Raises:
        DmadError: Not one frame can be read.
    """
    count, promised, bad = 0, 0, list[str]()
    try:
        with av.open(str(path)) as container:
            require(container.format.name != "tty", f"{path} is no video, but text")
            stream = video_stream(container)
            stream.thread_type = "AUTO"
            promised, frames = stream.frames, _readable(container.demux(stream), bad)
            for frame in _in_place(frames, bad, rate_told(stream)):
                yield frame
                count += 1
    except (av.FFmpegError, ValueError) as error:
        require(count > 0, f"{path} is not a readable video ({brief(error)})")
        report(f"{path} is damaged after frame {count} ({brief(error)}): the rest is left out")
    else:
        why = bad[0] if bad else "it holds no frame"
        require(count > 0, f"{path} is not a readable video ({why})")
        if bad:
            left = "others stand in" if 0 < promised <= count else f"{count} frames are left"
            report(f"{path}: {len(bad)} damaged frames ({why}): {left}")
        elif count < promised:
            report(f"{path} promises {promised} frames and holds {count}: the rest is left out")


def video_stream(container: av.container.InputContainer) -> av.VideoStream:
    """The first video of a file or stream; `ValueError` where it holds none."""
    if not container.streams.video:
        raise ValueError("it holds no video")
    return container.streams.video[0]


def rate_told(stream: av.VideoStream) -> float:
    """Frames a second, as far as a file tells them; 0 where unknown."""
    return float(stream.average_rate or stream.guessed_rate or 0)


def _readable(
    packets: Iterator[av.Packet[av.VideoStream]], bad: list[str]
) -> Iterator[av.VideoFrame]:
    """The frames that can be decoded; `bad` gets what is said of each piece that cannot."""
    for packet in packets:
        try:
            yield from packet.decode()
        except av.FFmpegError as error:
            bad.append(brief(error))


def _in_place(
    frames: Iterator[av.VideoFrame], bad: list[str], rate: float
) -> Iterator[av.VideoFrame]:
    """Once something was `bad`, each frame at the place that its time says.

    That is known of a film that had no frame out of place until then, and no long hole since.
    """
    begin, last, count, known = None, None, 0, rate > 0
    for frame in frames:
        begin = frame.time if last is None else begin
        told = None if begin is None or frame.time is None else (frame.time - begin) * rate
        place = count if told is None else round(told)
        known = known and (place == count if not bad else place - count <= LONGEST * rate)
        if bad and known and last is not None:
            if place < count:
                continue  # another stands there
            for _ in range(place - count):
                last.pts = (last.pts or 0) + round(1 / rate / float(last.time_base or 1))
                yield last
            count = place
        yield frame
        count, last = count + 1, frame


def shrink(frame: av.VideoFrame, size: int, channels: int, antialias: bool = True) -> Frames:
    """A decoded frame as models take it: (size, size, channels)."""
    pixels, small = "gray" if channels == 1 else "rgb24", frame
    if antialias:
        small = frame.reformat(size, size, pixels, interpolation="BILINEAR")
    image = turned(np.asarray(small.to_ndarray(format=pixels), np.uint8), frame)
    if antialias:
        return image.reshape(size, size, channels)
    return sampled(Image.fromarray(image), size)


def turned(image: Frames, frame: av.VideoFrame) -> Frames:
    """An image (H, W, ...) of a frame, turned upright as its video says, as those of phones do."""
    return np.ascontiguousarray(np.rot90(image, quarters(frame)))


def quarters(frame: av.VideoFrame) -> int:
    """Quarter turns to the left by which a frame is upright; none of a mirrored one."""
    turns = round(frame.rotation / 90)
    if not turns:
        return 0
    told = frame.side_data["DISPLAYMATRIX"]  # type: ignore[typeddict-item]
    matrix = np.frombuffer(told, np.int32)
    return turns if np.linalg.det(matrix.reshape(3, 3)[:2, :2].astype(float)) > 0 else 0
