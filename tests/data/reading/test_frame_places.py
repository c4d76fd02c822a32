"""Flashed frames keep their number in films of many kinds, or frames of unknown places are told."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from dmad.data.reading.frame_format import FrameFormat
from dmad.data.reading.sources import with_times
from dmad.data.reading.video_files import resize_frame, video_frames
from dmad.data.reading.video_header import read_header

COUNT, FPS = 40, 10
FLASHES = (3, 17, 33)
EDITED = 7  # frames at the start that an edit list leaves out

CONSTANT = [index / FPS for index in range(COUNT)]
VARIABLE = [(index + 0.3 * (index % 3 == 1)) / FPS for index in range(COUNT)]
PAUSED = [time + 600 * (index >= 20) for index, time in enumerate(CONSTANT)]
REPEATED = [(index + 2 * (index >= 10) + (index >= 25)) / FPS for index in range(COUNT)]
PLACES_OF_REPEATS = [3, 19, 36]


@pytest.fixture
def write_film(tmp_path) -> Callable[..., Path]:
    """Writes grainy frames at times in seconds. Those of `FLASHES` are white."""

    def write(name: str, times: Sequence[float], b_frames: int = 0, tracks: int = 1) -> Path:
        path = tmp_path / name
        grain = np.random.default_rng(0)
        ticks = FPS if path.suffix == ".avi" else 1000
        edited = {"avoid_negative_ts": "disabled"} if times[0] < 0 else {}
        with av.open(str(path), "w", options=edited) as film:
            options = {"bf": str(b_frames), "g": "10", "preset": "veryfast"}
            streams = [film.add_stream("libx264", FPS, options) for _ in range(tracks)]
            for stream in streams:
                stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
                stream.time_base = stream.codec_context.time_base = Fraction(1, ticks)
            for index, time in enumerate(times):
                image = grain.integers(20, 90, (48, 64, 3), np.uint8)
                if index in FLASHES:
                    image[:] = 250
                frame = av.VideoFrame.from_ndarray(image)
                frame.pts, frame.time_base = round(ticks * time), Fraction(1, ticks)
                for stream in streams:
                    film.mux(stream.encode(frame))
            for stream in streams:
                film.mux(stream.encode(None))
        return path

    return write


def damage(path: Path, count: int) -> None:
    content = bytearray(path.read_bytes())
    middle = int(0.6 * len(content))
    content[middle : middle + count] = bytes(count)
    path.write_bytes(content)


def decoded(path: Path) -> tuple[list[int], list[float], list[str], bool]:
    """The numbers of white frames, the times, the notes, and if places are unknown."""
    notes: list[str] = []
    shifts: list[bool] = []
    frames = video_frames(path, notes.append, lambda: shifts.append(True))
    white, times = [], []
    for index, timed in enumerate(with_times(frames, read_header(path).fps or FPS)):
        if resize_frame(timed.frame, FrameFormat(16, 1)).mean() > 150:
            white.append(index)
        times.append(timed.time)
    return white, times, notes, bool(shifts)


CONTAINERS = ["mp4", "mov", "mkv", "ts", "flv"]


@pytest.mark.parametrize("b_frames", [0, 2])
@pytest.mark.parametrize("suffix", [*CONTAINERS, "avi", "h264"])
def test_films_of_constant_rate(write_film, suffix, b_frames):
    path = write_film(f"film.{suffix}", CONSTANT, b_frames)
    white, times, notes, unknown = decoded(path)
    assert (white, notes, unknown) == (list(FLASHES), [], False)
    assert times == pytest.approx(CONSTANT, abs=2e-3)


@pytest.mark.parametrize("times", [VARIABLE, PAUSED], ids=["variable", "paused"])
@pytest.mark.parametrize("suffix", CONTAINERS)
def test_films_of_variable_rate_and_with_pauses(write_film, suffix, times):
    path = write_film(f"film.{suffix}", times)
    white, read, notes, unknown = decoded(path)
    assert (white, notes, unknown) == (list(FLASHES), [], False)
    assert read == pytest.approx(times, abs=2e-3)
    if times is PAUSED:
        assert read_header(path).fps == FPS


@pytest.mark.parametrize("b_frames", [0, 2])
def test_empty_chunks_of_an_avi_file_repeat_a_frame(write_film, b_frames):
    path = write_film("film.avi", REPEATED, b_frames)
    white, times, notes, unknown = decoded(path)
    assert (white, notes, unknown) == (PLACES_OF_REPEATS, [], False)
    assert times == pytest.approx([index / FPS for index in range(COUNT + 3)])


@pytest.mark.parametrize("b_frames", [0, 2])
@pytest.mark.parametrize("suffix", ["mp4", "mov"])
def test_an_edit_list_leaves_frames_out(write_film, suffix, b_frames):
    path = write_film(f"film.{suffix}", [time - EDITED / FPS for time in CONSTANT], b_frames)
    white, times, notes, unknown = decoded(path)
    assert (white, notes, unknown) == ([10, 26], [], False)
    assert len(times) == COUNT - EDITED == read_header(path).frames


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "mov"])
def test_the_second_of_two_tracks_is_told(write_film, suffix):
    white, _, notes, unknown = decoded(write_film(f"film.{suffix}", CONSTANT, tracks=2))
    assert (white, unknown) == (list(FLASHES), False)
    assert len(notes) == 1
    assert "2 video tracks: only track 1 is read" in notes[0]


@pytest.mark.parametrize("count", [200, 3000])
@pytest.mark.parametrize("b_frames", [0, 2])
@pytest.mark.parametrize("suffix", [*CONTAINERS, "avi"])
def test_after_damage_frames_keep_their_number_or_their_places_are_unknown(
    write_film, suffix, b_frames, count
):
    path = write_film(f"film.{suffix}", CONSTANT, b_frames)
    damage(path, count)
    white, times, notes, unknown = decoded(path)
    if not unknown:
        assert {3, 17} <= set(white)
        assert not {31, 32, 34, 35} & set(white) or 33 in white
        assert len(times) == COUNT or notes
    assert suffix in ("avi", "flv") or not unknown


def test_damaged_films_of_variable_rate_keep_their_numbers(write_film):
    path = write_film("film.mp4", VARIABLE)
    damage(path, 3000)
    white, times, notes, unknown = decoded(path)
    assert not unknown
    assert len(times) == COUNT
    assert "other frames replace them" in notes[0]
    assert {3, 17} <= set(white)
