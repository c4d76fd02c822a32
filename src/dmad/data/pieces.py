"""Evenly spread pieces of long footage, so that many hours fit on a small disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

from dmad.data.footage import ClipSource
from dmad.data.reading.decode import decode, probe
from dmad.data.reading.frame_format import Frame, FrameFormat
from dmad.data.reading.paths import image_files
from dmad.data.reading.video_files import Decoding, resize_frame, video_frames
from dmad.data.reading.video_header import read_header, ticks
from dmad.errors import require

PIECE_SECONDS = 10.0


def spread_pieces(sources: Sequence[ClipSource], hours: float, fps: float) -> list[ClipSource]:
    """Cut clips into pieces of 10 seconds that are spread evenly and last `hours` together.

    The number of pieces of a clip is proportional to its length, and at least one. If all clips
    together are shorter than `hours`, they are returned whole.

    Args:
        sources: The clips, not yet cut.
        hours: Length of all pieces together, above 0.
        fps: Frame rate of clips that do not state it; 0 if unknown.

    Raises:
        DmadError: A clip does not state its frame rate, and `fps` is 0.
    """
    lengths = []
    for source in sources:
        rate, count = probe(source.path, fps)
        rate = rate or fps
        require(
            rate > 0 or not count,
            f"{source.path} states no frame rate, so data.hours has no meaning; give the rate with "
            "--data.fps",
        )
        lengths.append((count, rate))
    total = sum(count / rate for count, rate in lengths if count)
    share = 3600 * hours / total if total else 1.0
    if share >= 1:
        return list(sources)
    pieces = []
    for source, (count, rate) in zip(sources, lengths, strict=True):
        pieces += _pieces(source, count, max(1, round(PIECE_SECONDS * rate)), share)
    return pieces


def _pieces(source: ClipSource, count: int, length: int, share: float) -> list[ClipSource]:
    """The pieces of one clip of `count` frames. Each piece has `length` frames.

    `share` is the share of the clip that the pieces cover. If the pieces would cover the whole
    clip, it is not cut.
    """
    number = max(1, round(share * count / length))
    if number * length >= count:
        return [source]
    starts = [round((index + 0.5) * count / number - length / 2) for index in range(number)]
    return [
        replace(source, name=f"{source.name}@{start}", first=start, frames=length)
        for start in starts
    ]


def decode_piece(
    source: ClipSource, frame_format: FrameFormat, report: Callable[[str], None]
) -> Iterator[Frame]:
    """Decode the frames of one piece. Decoding of a video begins at the keyframe before the piece.

    A transport stream (.ts) has no list of keyframes. So its piece may begin late, at the next
    keyframe.

    Args:
        source: The piece. Its number of frames is above 0.
        frame_format: Size and colours of the frames.
        report: Called with one line of text for each damaged frame or file.
    """
    path, first, last = source.path, source.first, source.first + source.frames
    if path.is_dir():
        yield from decode(path, frame_format, report, files=image_files(path)[first:last])
        return
    header = read_header(path)
    if not first or not (header.has_clock and header.fps):
        yield from islice(decode(path, frame_format, report), first, last)
        return
    start = ticks(path, first / header.fps)
    frames = video_frames(path, report, decoding=Decoding(start))
    wanted = (frame for frame in frames if frame.pts is None or frame.pts >= start)
    for frame in islice(wanted, source.frames):
        yield resize_frame(frame, frame_format)
