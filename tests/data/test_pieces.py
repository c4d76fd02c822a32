"""Long footage is cut into evenly spread pieces, which hold the frames of the whole clip."""

import shutil
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from dmad.config import VideoDataConfig
from dmad.data import pieces
from dmad.data.cache import load_footage
from dmad.data.footage import ClipSource
from dmad.data.pieces import decode_piece, spread_pieces
from dmad.data.reading.decode import decode
from dmad.data.reading.frame_format import FrameFormat
from dmad.data.splits import load_split
from dmad.errors import DmadError

GREY = FrameFormat(16, 1)
FPS = 10


def write_film(path: Path, count: int, form: str | None = None) -> Path:
    """A film whose frames get brighter, with a keyframe every 7 frames and frames out of order."""
    with av.open(str(path), "w", format=form) as film:
        stream = film.add_stream("libx264", rate=FPS, options={"g": "7", "bf": "2", "crf": "10"})
        stream.width = stream.height = 32
        stream.pix_fmt, stream.time_base = "yuv420p", Fraction(1, 1000)
        for index in range(count):
            image = np.full((32, 32, 3), 20 + 2 * index, np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = 100 * index, Fraction(1, 1000)
            film.mux(stream.encode(frame))
        film.mux(stream.encode(None))
    return path


@pytest.fixture
def short_pieces(monkeypatch):
    monkeypatch.setattr(pieces, "PIECE_SECONDS", 1.0)


def hours(seconds: float) -> float:
    return seconds / 3600


def test_pieces_are_spread_evenly_over_all_clips(tmp_path, short_pieces):
    clips = [
        ClipSource("long", write_film(tmp_path / "long.mp4", 80), "yard"),
        ClipSource("short", write_film(tmp_path / "short.mp4", 20)),
    ]
    found = spread_pieces(clips, hours(5), fps=0)
    spans = [(piece.path.stem, piece.first, piece.frames) for piece in found]
    assert spans == [
        ("long", 5, 10),
        ("long", 25, 10),
        ("long", 45, 10),
        ("long", 65, 10),
        ("short", 5, 10),
    ]
    assert [piece.scene for piece in found] == ["yard"] * 4 + [""]
    assert len({piece.name for piece in found}) == 5


def test_short_footage_stays_whole(tmp_path):
    clips = [ClipSource("a", write_film(tmp_path / "a.mp4", 20))]
    assert spread_pieces(clips, hours(5), fps=0) == clips


def test_clips_without_a_frame_rate_are_cut_only_if_it_is_given(tmp_path, write_clip, short_pieces):
    clips = [ClipSource("a", write_clip(tmp_path / "a", count=40))]
    with pytest.raises(DmadError, match=r"--data\.fps"):
        spread_pieces(clips, hours(1), fps=0)
    assert [piece.first for piece in spread_pieces(clips, hours(2), fps=10)] == [5, 25]


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.h264"])
@pytest.mark.parametrize("first", [0, 4, 33])
def test_a_piece_of_a_film_has_the_same_frames_as_the_film(tmp_path, name, first):
    film = write_film(tmp_path / name, 60, "h264" if name == "a.h264" else None)
    whole = list(decode(film, GREY))
    piece = list(decode_piece(ClipSource("a", film, first=first, frames=9), GREY, print))
    assert len(whole) == 60
    assert np.array_equal(piece, whole[first : first + 9])


@pytest.mark.parametrize("first", [0, 4, 33])
def test_a_piece_of_a_transport_stream_begins_at_most_one_keyframe_later(tmp_path, first):
    film = write_film(tmp_path / "a.ts", 60)
    whole = np.stack(list(decode(film, GREY)))
    piece = list(decode_piece(ClipSource("a", film, first=first, frames=9), GREY, print))
    starts = [start for start in range(first, first + 8) if (whole[start] == piece[0]).all()]
    assert any(np.array_equal(piece, whole[start : start + 9]) for start in starts)


def test_a_piece_of_a_folder_has_the_same_frames_as_the_folder(tmp_path, write_clip):
    folder = write_clip(tmp_path / "a", count=12)
    piece = list(decode_piece(ClipSource("a", folder, first=3, frames=5), GREY, print))
    assert np.array_equal(piece, list(decode(folder, GREY))[3:8])


def test_the_cache_keeps_pieces_apart(tmp_path):
    film = write_film(tmp_path / "a.mp4", 30)
    first, second = (ClipSource("a", film, first=start, frames=5) for start in (0, 20))
    one, two = (load_footage([piece], GREY, tmp_path / "cache") for piece in (first, second))
    assert one.frames.shape == two.frames.shape == (5, 16, 16, 1)
    assert two.frames.mean() > one.frames.mean() + 20
    assert not one.skipped
    assert not one.clips[0].cut


def test_training_takes_pieces_and_testing_whole_clips(tmp_path, short_pieces):
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        write_film(tmp_path / split / "a.mp4", 80)
    data = VideoDataConfig(
        root=tmp_path, size=16, channels=1, cache=tmp_path / "cache", hours=hours(4), held_out=0.25
    )
    lengths = {
        split: [clip.length for clip in load_split(data, split).footage.clips]
        for split in ("train", "held_out", "test")
    }
    assert lengths == {"train": [10] * 3, "held_out": [10], "test": [80]}


def test_labelled_footage_cannot_be_cut(tmp_path, short_pieces):
    write_film(tmp_path / "a.mp4", 80)
    np.save(tmp_path / "a.npy", np.zeros(80, np.uint8))
    data = VideoDataConfig(root=tmp_path, cache=tmp_path / "cache", hours=hours(4))
    with pytest.raises(DmadError, match="without labels"):
        load_split(data, "train")


def test_the_error_of_a_full_disk_names_the_hours_that_fit(tmp_path, monkeypatch, short_pieces):
    film = write_film(tmp_path / "a.mp4", 80)
    free = shutil.disk_usage(tmp_path)._replace(free=16 * 16 * 40)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: free)
    with pytest.raises(DmadError, match=r"--data\.hours (\S+) trains") as error:
        load_footage([ClipSource("a", film)], GREY, tmp_path / "cache")
    fitting = float(str(error.value).split("--data.hours ")[1].split()[0])
    chosen = spread_pieces([ClipSource("a", film)], fitting, fps=0)
    assert len(chosen) == 3
    footage = load_footage(chosen, GREY, tmp_path / "cache")
    assert [clip.length for clip in footage.clips] == [10, 10, 10]
