"""In damaged films, frames keep their index, or it is reported that their index is not known."""

from pathlib import Path
from types import SimpleNamespace

import av
import pytest
from films import CONSTANT, COUNT, FPS, PAUSED, VARIABLE, damage, shown_number, write_film

from dmad.data.reading.frame_format import FrameFormat
from dmad.data.reading.frame_places import FramePlaces
from dmad.data.reading.sources import with_times
from dmad.data.reading.video_files import resize_frame, video_frames
from dmad.data.reading.video_header import frame_times, read_header


def decoded(path: Path) -> tuple[list[int | None], list[float], list[str], bool]:
    """Decode a film whose frames show their numbers.

    Returns:
        The numbers, the times in seconds, the notes, and True if the indices are not known.
    """
    notes: list[str] = []
    shifts: list[bool] = []
    frames = video_frames(path, notes.append, lambda: shifts.append(True))
    numbers, times = [], []
    for timed in with_times(frames, read_header(path).fps or FPS):
        numbers.append(shown_number(resize_frame(timed.frame, FrameFormat(48, 1))))
        times.append(timed.time)
    return numbers, times, notes, bool(shifts)


CONTAINERS = ["mp4", "mov", "mkv", "ts", "flv"]


@pytest.mark.parametrize(
    "times", [CONSTANT, VARIABLE, PAUSED], ids=["constant", "variable", "paused"]
)
@pytest.mark.parametrize("suffix", CONTAINERS)
def test_frames_have_their_times_and_the_rate_of_most_of_them(tmp_path, suffix, times):
    path = write_film(tmp_path / f"film.{suffix}", times)
    numbers, read, notes, unknown = decoded(path)
    assert (numbers, notes, unknown) == (list(range(COUNT)), [], False)
    assert read == pytest.approx(times, abs=2e-3)
    assert frame_times(path) == pytest.approx(times, abs=2e-3)
    assert read_header(path).fps == FPS


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "mov"])
def test_a_second_track_is_reported(tmp_path, suffix):
    _, _, notes, _ = decoded(write_film(tmp_path / f"film.{suffix}", tracks=2))
    assert len(notes) == 1
    assert "2 video tracks: only track 1 is read" in notes[0]


@pytest.mark.parametrize("count", [200, 3000])
@pytest.mark.parametrize("b_frames", [0, 2])
@pytest.mark.parametrize("suffix", [*CONTAINERS, "avi", "h264"])
def test_after_damage_frames_keep_their_index_or_are_reported_as_unknown(
    tmp_path, suffix, b_frames, count
):
    path = write_film(tmp_path / f"film.{suffix}", b_frames=b_frames)
    damage(path, count, 0.4)
    numbers, _, _, unknown = decoded(path)
    assert numbers[:10] == list(range(10))
    assert unknown or numbers[30:] == list(range(30, COUNT))
    assert suffix in ("avi", "flv", "h264") or not unknown


@pytest.mark.parametrize("codec", ["libx264", "mjpeg"])
def test_chunks_that_an_avi_file_lost_are_found_with_its_index(tmp_path, codec):
    path = write_film(tmp_path / "film.avi", codec=codec)
    damage(path, 4000, 0.4)
    numbers, _, notes, unknown = decoded(path)
    assert len(numbers) == COUNT
    assert numbers[30:] == list(range(30, COUNT))
    assert "other frames replace them" in notes[0]
    assert not unknown


def test_blocks_that_an_mkv_file_lost_are_noticed(tmp_path):
    path = write_film(tmp_path / "film.mkv")
    damage(path, 4000, 0.4)
    numbers, _, notes, _ = decoded(path)
    assert numbers[30:] == list(range(30, COUNT))
    assert "damaged frames" in notes[0]


def test_damaged_films_of_variable_rate_keep_their_numbers(tmp_path):
    path = write_film(tmp_path / "film.mp4", VARIABLE)
    damage(path, 3000)
    numbers, _, notes, unknown = decoded(path)
    assert not unknown
    assert len(numbers) == COUNT
    assert "other frames replace them" in notes[0]


def test_times_of_two_joined_recordings_continue(tmp_path):
    path = write_film(tmp_path / "film.ts")
    path.write_bytes(2 * path.read_bytes())
    numbers, times, _, unknown = decoded(path)
    assert numbers == [*range(COUNT), *range(COUNT)]
    assert not unknown
    assert times == pytest.approx([index / FPS for index in range(2 * COUNT)], abs=2e-3)


def test_sound_with_several_frames_in_a_block_is_no_damage(tmp_path):
    """All frames of a block of an MKV file have the position of the block."""
    path = write_film(tmp_path / "film.mkv")
    with av.open(str(path)) as container:
        places = FramePlaces(container, container.streams.video[0], read_header(path))
        for position in (1000, 1000, 1000, 1000, 5020, 5020, 9100):
            places.add_position(
                SimpleNamespace(pos=position, size=2000 if position > 5000 else 1000)
            )
        assert places.damage == []
        places.add_position(SimpleNamespace(pos=20_000, size=1000))
        assert places.damage == ["lost packets"]
