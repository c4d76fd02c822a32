"""Labels by frame and by time belong to the right frames in films of every kind."""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from films import (
    CONSTANT,
    COUNT,
    FPS,
    PAUSED,
    VARIABLE,
    damage,
    display_matrix,
    set_display_matrix,
    shown_number,
    write_film,
)

from dmad.config import VideoDataConfig
from dmad.data.footage import LabelledFootage
from dmad.data.layouts.videos import load_videos
from dmad.errors import DmadError

FLASHES = (3, 17, 33)  # the abnormal frames
ALL = tuple(range(COUNT))
REPEATED = tuple((index + 2 * (index >= 10) + (index >= 25)) / FPS for index in range(COUNT))
WITH_REPEATS = (*range(10), 9, 9, *range(10, 25), 24, *range(25, COUNT))
EDITED = 7  # frames at the start that an edit list leaves out
DAMAGED = range(18, 32)  # frames that damage may change


@dataclass(frozen=True)
class Film:
    """A film, and what a player shows.

    Args:
        ending: Ending of its name.
        times: Times at which frames are written; those before 0 are cut off.
        shown: Number of each frame that is shown.
        seconds: Time of each shown frame in seconds since the first. Empty: `times`.
        change: Changes the written film. It is called with the path of the film.
        unsure: Indices of frames that may show another number.
        fps: Frame rate that the user gives, because the film states none.
        refused: A part of the message that refuses the film.
        cut: True if frames at the end are missing.
        options: More arguments of `write_film`.
    """

    ending: str
    times: Sequence[float] = CONSTANT
    shown: Sequence[int] = ALL
    seconds: Sequence[float] = ()
    change: Callable[[Path], None] | None = None
    unsure: Sequence[int] = ()
    fps: float = 0.0
    refused: str = ""
    cut: bool = False
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def is_noted(self) -> bool:
        """True if a line says what is special about the film."""
        return bool(self.unsure or self.cut or "tracks" in self.options)

    def write(self, folder: Path) -> Path:
        path = write_film(folder / f"film.{self.ending}", self.times, **self.options)
        if self.change:
            self.change(path)
        return path


def damaged(path: Path) -> None:
    damage(path, 1500, 0.6)


def cut_off(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(0.7 * len(content))])


def joined(path: Path) -> None:
    path.write_bytes(2 * path.read_bytes())


def turned_right(path: Path) -> None:
    set_display_matrix(path, display_matrix(0, 1, 0, -1, 0, 0, 64, 0))


def turned_over(path: Path) -> None:
    set_display_matrix(path, display_matrix(-1, 0, 0, 0, -1, 0, 64, 48))


def without_frames_10_to_19(path: Path) -> None:
    """Write an edit list with two edits. The index of an MP4 file is at its end and may grow."""
    content = bytearray(path.read_bytes())
    start = content.index(b"elst") - 4
    (size,) = struct.unpack_from(">I", content, start)
    (first,) = struct.unpack_from(">i", content, start + 20)  # time of the first frame
    (scale,) = struct.unpack_from(">I", content, content.index(b"mdhd") + 16)
    edits = [(1000, first), (2000, first + 2 * scale)]
    entries = b"".join(struct.pack(">IiI", *edit, 1 << 16) for edit in edits)
    new = struct.pack(">I4sII", 16 + len(entries), b"elst", 0, len(edits)) + entries
    for box in (b"moov", b"trak", b"edts"):
        place = content.index(box) - 4
        grown = struct.unpack_from(">I", content, place)[0] + len(new) - size
        struct.pack_into(">I", content, place, grown)
    content[start : start + size] = new
    path.write_bytes(content)


B = {"b_frames": 2}
EDITS = {
    "times": tuple(time - EDITED / FPS for time in CONSTANT),
    "shown": ALL[EDITED:],
    "seconds": CONSTANT[: COUNT - EDITED],
}
REPEATS = {
    "times": REPEATED,
    "shown": WITH_REPEATS,
    "seconds": tuple(index / FPS for index in range(len(WITH_REPEATS))),
}
TWICE = {
    "shown": ALL + ALL,
    "seconds": tuple(index / FPS for index in range(2 * COUNT)),
    "change": joined,
}
DAMAGE = {"change": damaged, "unsure": DAMAGED}
CUT = {"change": cut_off, "cut": True}
CUT_IN_SILENCE = {"change": cut_off, "refused": "which has"}
LATE = {"muxing": {"output_ts_offset": "5"}}
RAW = {"fps": FPS}
H265 = {"codec": "libx265", "form": "hevc"}
MJPEG = {"codec": "mjpeg", "form": "mjpeg"}
NO_RATE = "does not state its frame rate"
UNKNOWN_PLACES = "lost frames at unknown places"
MIDDLE = {"shown": (*ALL[:10], *ALL[20:]), "seconds": CONSTANT[:30]}

FILMS = {
    "mp4": Film("mp4"),
    "mp4, B-frames": Film("mp4", options=B),
    "mp4, variable rate": Film("mp4", VARIABLE),
    "mp4, variable rate, B-frames": Film("mp4", VARIABLE, options=B),
    "mp4, paused": Film("mp4", PAUSED),
    "mp4, paused, B-frames": Film("mp4", PAUSED, options=B),
    "mp4, edit list": Film("mp4", **EDITS),
    "mp4, edit list, B-frames": Film("mp4", **EDITS, options=B),
    "mp4, edit list without the middle": Film("mp4", **MIDDLE, change=without_frames_10_to_19),
    "mp4, starts late": Film("mp4", options=LATE),
    "mp4, rotated": Film("mp4", change=turned_right, options={"turns": 1}),
    "mp4, upside down, variable rate": Film(
        "mp4", VARIABLE, change=turned_over, options={"turns": 2}
    ),
    "mp4, two tracks": Film("mp4", options={"tracks": 2}),
    "mp4, fragments": Film("mp4", options={"muxing": {"movflags": "frag_keyframe+empty_moov"}}),
    "mp4, H.265": Film("mp4", options={"codec": "libx265"}),
    "mp4, damaged": Film("mp4", **DAMAGE),
    "mp4, damaged, B-frames": Film("mp4", **DAMAGE, options=B),
    "mp4, damaged, variable rate": Film("mp4", VARIABLE, **DAMAGE),
    "mov": Film("mov"),
    "mov, edit list, B-frames": Film("mov", **EDITS, options=B),
    "mkv": Film("mkv"),
    "mkv, B-frames": Film("mkv", options=B),
    "mkv, variable rate": Film("mkv", VARIABLE),
    "mkv, paused, B-frames": Film("mkv", PAUSED, options=B),
    "mkv, starts late": Film("mkv", options=LATE),
    "mkv, two tracks": Film("mkv", options={"tracks": 2}),
    "mkv, Motion JPEG": Film("mkv", options={"codec": "mjpeg"}),
    "mkv, damaged": Film("mkv", **DAMAGE),
    "mkv, damaged, variable rate": Film("mkv", VARIABLE, **DAMAGE, refused=UNKNOWN_PLACES),
    "mkv, cut off": Film("mkv", **CUT_IN_SILENCE),
    "avi": Film("avi"),
    "avi, B-frames": Film("avi", options=B),
    "avi, MPEG-4": Film("avi", options={"codec": "mpeg4"}),
    "avi, Motion JPEG": Film("avi", options={"codec": "mjpeg"}),
    "avi, repeated frames": Film("avi", **REPEATS),
    "avi, repeated frames, B-frames": Film("avi", **REPEATS, options=B),
    "avi, Motion JPEG, repeated frames": Film("avi", **REPEATS, options={"codec": "mjpeg"}),
    "avi, damaged": Film("avi", **DAMAGE),
    "avi, damaged, repeated frames": Film("avi", **{**REPEATS, **DAMAGE}),
    "avi, damaged, B-frames": Film("avi", **DAMAGE, options=B, refused=UNKNOWN_PLACES),
    "avi, cut off": Film("avi", **CUT),
    "ts": Film("ts"),
    "ts, B-frames": Film("ts", options=B),
    "ts, variable rate": Film("ts", VARIABLE),
    "ts, paused": Film("ts", PAUSED),
    "ts, starts late": Film("ts", options=LATE),
    "ts, clock starts again": Film("ts", options={"muxing": {"output_ts_offset": "95441"}}),
    "ts, two recordings joined": Film("ts", **TWICE),
    "ts, two tracks": Film("ts", options={"tracks": 2}),
    "ts, damaged": Film("ts", **DAMAGE),
    "ts, damaged, variable rate": Film("ts", VARIABLE, **DAMAGE, refused=UNKNOWN_PLACES),
    "ts, cut off": Film("ts", **CUT_IN_SILENCE),
    "flv, paused": Film("flv", PAUSED),
    "mpg": Film("mpg", options={"codec": "mpeg2video"}),
    "h264": Film("h264", **RAW),
    "h264, B-frames": Film("h264", **RAW, options=B),
    "h264, no rate is given": Film("h264", refused=NO_RATE),
    "h264, damaged": Film("h264", **RAW, **DAMAGE, refused=UNKNOWN_PLACES),
    "h265": Film("h265", **RAW, options=H265),
    "h265, damaged": Film("h265", **RAW, **DAMAGE, options=H265, refused=UNKNOWN_PLACES),
    "mjpeg": Film("mjpeg", **RAW, options=MJPEG),
    "mjpeg, damaged": Film("mjpeg", **RAW, **DAMAGE, options=MJPEG, refused=UNKNOWN_PLACES),
}


@pytest.mark.parametrize("film", FILMS.values(), ids=FILMS)
def test_labels_belong_to_the_flashed_frames(film: Film, tmp_path):
    path = film.write(tmp_path / "films")
    seconds = film.seconds or film.times
    flashes = [index for index, number in enumerate(film.shown) if number in FLASHES]
    data = VideoDataConfig(root=path, size=48, channels=1, fps=film.fps, cache=tmp_path / "cache")
    by_number = "".join(f"{index},{index}\n" for index in flashes)
    by_time = "".join(f"{time_code(seconds[i])},{time_code(seconds[i])}\n" for i in flashes)
    for rows in (by_number, by_time):
        path.with_suffix(".csv").write_text(rows)
        loaded, refusal = load(data)
        if loaded is None:
            assert film.refused
            assert film.refused in refusal
            continue
        assert not film.refused or rows == by_number
        numbers = [shown_number(frame) for frame in loaded.footage.frames]
        expected = list(film.shown)[: len(numbers)] if film.cut else list(film.shown)
        assert len(numbers) == len(expected) > COUNT / 2
        unsure = {*film.unsure, *(range(len(numbers) - 2, len(numbers)) if film.cut else ())}
        sure = [index for index in range(len(numbers)) if index not in unsure]
        assert [numbers[i] for i in sure] == [expected[i] for i in sure]
        found = np.flatnonzero(loaded.labels).tolist()
        assert found == [index for index in flashes if index < len(numbers)]
        skipped = loaded.footage.skipped
        if film.change is joined:  # FFmpeg finds damage only if the numbers of packets do not fit
            assert all("damage" in line for line in skipped)
        else:
            assert bool(skipped) == film.is_noted


def load(data: VideoDataConfig) -> tuple[LabelledFootage | None, str]:
    """The labelled frames, or the line that refuses them."""
    try:
        return load_videos(data, "test"), ""
    except DmadError as error:
        return None, str(error)


def time_code(seconds: float) -> str:
    """A time as players show it, such as 0:01:02.500."""
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes // 60)}:{int(minutes % 60):02}:{rest:06.3f}"
