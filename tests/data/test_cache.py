"""Clips are decoded once, even if two processes need them, and damage is reported."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from dmad.config import VideoDataConfig
from dmad.data.cache import FRAMES, decode_clips, load_footage
from dmad.data.footage import ClipSource
from dmad.data.reading.decode import decode
from dmad.data.reading.frame_format import FrameFormat
from dmad.errors import DmadError


def sources(*paths: Path) -> list[ClipSource]:
    return [ClipSource(path.stem, path) for path in paths]


def entries(cache: Path) -> list[Path]:
    """The paths in a cache, without lock files."""
    return [path for path in cache.iterdir() if path.suffix != ".lock"]


def test_footage_holds_the_clips_one_after_the_other(write_frames, write_video, tmp_path):
    video = write_video(tmp_path / "a.avi", 7)
    folder = write_frames(tmp_path / "b", 5)
    clips = [ClipSource("a", video, "s1"), ClipSource("b", folder, "s2")]
    footage = load_footage(clips, FrameFormat(16, 1), tmp_path / "cache")
    assert footage.frames.shape == (12, 16, 16, 1)
    assert not footage.frames.flags.writeable
    assert isinstance(footage.frames, np.memmap)
    assert [(c.name, c.scene, c.start, c.length) for c in footage.clips] == [
        ("a", "s1", 0, 7),
        ("b", "s2", 7, 5),
    ]
    assert [clip.fps for clip in footage.clips] == [10.0, 0.0]
    assert footage.skipped == ()
    assert (footage.frames[7:] == np.stack(list(decode(folder, FrameFormat(16, 1))))).all()


def test_settings_decide_the_format_and_the_shortest_clip(write_frames, tmp_path):
    clips = sources(*(write_frames(tmp_path / str(n), n) for n in (3, 6)))
    data = VideoDataConfig(size=24, channels=1, history=4, cache=tmp_path / "cache")
    footage = decode_clips(clips, data)
    assert footage.frames.shape == (6, 24, 24, 1)
    assert [clip.name for clip in footage.clips] == ["6"]


def test_a_second_call_does_not_decode(write_frames, tmp_path):
    clips = sources(write_frames(tmp_path / "a", 5))
    first = load_footage(clips, FrameFormat(16, 3), tmp_path / "cache")
    (entry,) = entries(tmp_path / "cache")
    written = (entry / FRAMES).stat().st_mtime_ns
    second = load_footage(clips, FrameFormat(16, 3), tmp_path / "cache")
    assert (entry / FRAMES).stat().st_mtime_ns == written
    assert (first.frames == second.frames).all()
    assert first.clips == second.clips


def test_changed_files_are_decoded_again(write_frames, tmp_path):
    folder = write_frames(tmp_path / "a", 5)
    load_footage(sources(folder), FrameFormat(16, 3), tmp_path / "cache")
    write_frames(folder, 6)
    assert len(load_footage(sources(folder), FrameFormat(16, 3), tmp_path / "cache").frames) == 6


def test_the_environment_names_the_cache(write_frames, tmp_path, monkeypatch):
    monkeypatch.setenv("DMAD_CACHE", str(tmp_path / "elsewhere"))
    load_footage(sources(write_frames(tmp_path / "a", 2)), FrameFormat(16, 3))
    assert len(entries(tmp_path / "elsewhere")) == 1


def test_another_way_of_resizing_is_another_entry(write_frames, tmp_path):
    source = [ClipSource("a", write_frames(tmp_path / "a", 3))]
    smooth, sharp = (
        load_footage(source, FrameFormat(16, 1, antialias), tmp_path / "cache").frames
        for antialias in (True, False)
    )
    assert smooth.filename != sharp.filename


def test_a_damaged_image_is_replaced_by_its_neighbour(write_frames, truncate, tmp_path):
    folder = write_frames(tmp_path / "a", 6, "{}.jpg", size=200)
    for i in (0, 1, 4):
        truncate(folder / f"{i}.jpg")
    footage = load_footage(sources(folder), FrameFormat(16, 1), tmp_path / "cache")
    middle = footage.frames[:, 8, 8, 0].astype(int)
    assert np.abs(middle - [20, 20, 20, 30, 30, 50]).max() <= 1
    assert [line.split()[0] for line in footage.skipped] == [
        str(folder / f"{i}.jpg") for i in (0, 1, 4)
    ]
    assert not any("\n" in line for line in footage.skipped)
    assert not footage.clips[0].cut


def test_a_truncated_video_ends_early(write_video, truncate, tmp_path):
    video = write_video(tmp_path / "a.avi", 60)
    truncate(video, 0.6)
    whole = write_video(tmp_path / "b.avi", 5)
    footage = load_footage(sources(video, whole), FrameFormat(16, 1), tmp_path / "cache")
    cut, intact = footage.clips
    assert 0 < cut.length < 60
    assert cut.cut
    assert not intact.cut
    assert len(footage.frames) == cut.length + 5
    assert len(footage.skipped) == 1
    assert str(video) in footage.skipped[0]


def test_unreadable_and_empty_clips_are_left_out(write_frames, tmp_path):
    rubbish = tmp_path / "rubbish.mp4"
    rubbish.write_bytes(b"no video" * 100)
    empty = tmp_path / "empty"
    empty.mkdir()
    good = write_frames(tmp_path / "good", 3)
    footage = load_footage(sources(rubbish, empty, good), FrameFormat(16, 1), tmp_path / "cache")
    assert [clip.name for clip in footage.clips] == ["good"]
    assert len(footage.skipped) == 2
    assert str(rubbish) in footage.skipped[0]
    assert str(empty) in footage.skipped[1]


def test_short_clips_are_left_out_for_each_minimum(write_frames, tmp_path):
    clips = sources(*(write_frames(tmp_path / str(n), n) for n in (3, 6, 4)))

    def lengths(minimum: int) -> tuple[list[int], int]:
        footage = load_footage(clips, FrameFormat(16, 1), tmp_path / "cache", minimum)
        assert len(footage.frames) == sum(clip.length for clip in footage.clips)
        assert (footage.frames[-1] == 10 * (footage.clips[-1].length - 1)).all()
        return [clip.length for clip in footage.clips], len(footage.skipped)

    assert lengths(5) == ([6], 2)
    assert lengths(1) == ([3, 6, 4], 0)
    assert lengths(4) == ([6, 4], 1)
    assert lengths(5) == ([6], 2)
    with pytest.raises(DmadError, match="9 readable frames"):
        lengths(9)


@pytest.mark.parametrize("make", ["missing", "empty", "rubbish"])
def test_nothing_to_decode_is_an_error_of_one_line(tmp_path, make):
    path = tmp_path / make
    if make == "empty":
        path.mkdir()
    if make == "rubbish":
        path = path.with_suffix(".avi")
        path.write_bytes(b"x" * 500)
    with pytest.raises(DmadError) as caught:
        list(decode(path, FrameFormat(16, 3)))
    assert "\n" not in str(caught.value)
    with pytest.raises(DmadError) as caught:
        load_footage(sources(path), FrameFormat(16, 3), tmp_path / "cache")
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    assert not (tmp_path / "cache").exists() or not entries(tmp_path / "cache")


def test_no_clips_are_refused(tmp_path):
    with pytest.raises(DmadError, match="no clip of 0"):
        load_footage([], FrameFormat(16, 3), tmp_path / "cache")


def test_clips_of_one_name_are_refused(write_frames, tmp_path):
    clips = sources(*(write_frames(tmp_path / name, 2) for name in ("a", "b")))
    with pytest.raises(DmadError, match=r"share a name: b$"):
        load_footage([*clips, clips[1]], FrameFormat(16, 3), tmp_path / "cache")


def test_a_cache_that_cannot_be_written_is_an_error_that_names_the_option(write_frames, tmp_path):
    (tmp_path / "file").write_text("in the way")
    clips = sources(write_frames(tmp_path / "a", 2))
    with pytest.raises(DmadError, match=r"--data\.cache or \$DMAD_CACHE"):
        load_footage(clips, FrameFormat(16, 3), tmp_path / "file" / "cache")


@pytest.mark.parametrize("file", ["frames.u8", "index.json"])
def test_a_damaged_entry_is_named(write_frames, truncate, tmp_path, file):
    clips = sources(write_frames(tmp_path / "a", 4))
    load_footage(clips, FrameFormat(16, 3), tmp_path / "cache")
    truncate(next((tmp_path / "cache").glob(f"*/{file}")))
    with pytest.raises(DmadError, match="delete it"):
        load_footage(clips, FrameFormat(16, 3), tmp_path / "cache")


@pytest.mark.parametrize(
    "change",
    [
        {"shape": [4, 16, 16]},
        {"shape": [3, 16, 16, 3]},
        {"shape": [4, 8, 32, 3]},
        {"clips": [1]},
        {"clips": []},
        {"skipped": None},
        {"short": {"a": "1"}},
        {"more": 1},
    ],
)
def test_an_index_that_does_not_fit_its_frames_is_refused(write_frames, tmp_path, change):
    clips = sources(write_frames(tmp_path / "a", 4))
    load_footage(clips, FrameFormat(16, 3), tmp_path / "cache")
    (index,) = (tmp_path / "cache").glob("*/index.json")
    index.write_text(json.dumps(json.loads(index.read_text()) | change))
    with pytest.raises(DmadError, match=r"is damaged .*; delete it") as caught:
        load_footage(clips, FrameFormat(16, 3), tmp_path / "cache")
    assert "\n" not in str(caught.value)


def test_leftovers_of_killed_processes_are_removed(write_frames, tmp_path):
    cache = tmp_path / "cache"
    for name in (".left.part", ".busy.part"):
        (cache / name).mkdir(parents=True)
        (cache / name / FRAMES).write_bytes(b"half")
    with FileLock(cache / ".busy.lock"):
        load_footage(sources(write_frames(tmp_path / "a", 3)), FrameFormat(16, 1), cache)
        assert not (cache / ".left.part").exists()
        assert (cache / ".busy.part" / FRAMES).exists()


DECODE = """
import signal, sys
from pathlib import Path
from dmad.data.cache import load_footage
from dmad.data.footage import ClipSource
from dmad.data.reading.frame_format import FrameFormat
signal.signal(signal.SIGINT, signal.default_int_handler)  # a process in the background ignores it
print("ready", flush=True)
sys.stdin.readline()
path, cache = map(Path, sys.argv[1:])
print(load_footage([ClipSource("a", path)], FrameFormat(64, 1), cache).frames.sum())
"""


def start_decoding(path: Path, cache: Path) -> subprocess.Popen[str]:
    """A process that decodes a clip as soon as it gets a line."""
    command = [sys.executable, "-c", DECODE, str(path), str(cache)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    return process


def test_two_processes_at_once_get_the_same_frames(write_frames, tmp_path):
    folder, cache = write_frames(tmp_path / "a", 8), tmp_path / "cache"
    processes = [start_decoding(folder, cache) for _ in range(2)]
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    outputs = [process.communicate(timeout=120) for process in processes]
    assert [int(text) for text, _ in outputs] == [64 * 64 * sum(range(0, 80, 10))] * 2
    assert len(entries(cache)) == 1


@pytest.fixture
def stop_while_decoding(write_frames, tmp_path) -> Callable[[int], tuple[Path, Path]]:
    """Sends a signal to a process that decodes a clip, and returns the clip and the cache."""

    def stop(number: int) -> tuple[Path, Path]:
        folder, cache = write_frames(tmp_path / "a", 2), tmp_path / "cache"
        more = [folder / f"{index}.png" for index in range(2, 16000)]  # takes seconds to decode
        for path in more:
            path.hardlink_to(folder / "0.png")
        process = start_decoding(folder, cache)
        process.stdin.write("\n")
        process.stdin.flush()
        deadline = time.monotonic() + 60
        while not list(cache.glob(f".*.part/{FRAMES}")) and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(number)
        process.communicate(timeout=60)
        for path in more:
            path.unlink()
        return folder, cache

    return stop


def test_the_next_process_removes_the_files_of_a_killed_process(stop_while_decoding):
    folder, cache = stop_while_decoding(signal.SIGKILL)
    assert [path.suffix for path in entries(cache)] == [".part"]
    footage = load_footage([ClipSource("a", folder)], FrameFormat(64, 1), cache)
    assert len(footage.frames) == 2
    assert [path.suffix for path in entries(cache)] == [""]


def test_an_interrupted_process_leaves_nothing(stop_while_decoding):
    _, cache = stop_while_decoding(signal.SIGINT)
    assert entries(cache) == []


def test_a_long_decoding_shows_a_bar(write_frames, tmp_path, caplog, capsys, monkeypatch):
    caplog.set_level("INFO", "dmad")  # as on the command line
    monkeypatch.setenv("TTY_COMPATIBLE", "1")  # as in a terminal
    short = sources(write_frames(tmp_path / "a", 5, size=16))
    load_footage(short, FrameFormat(16, 1), tmp_path / "cache")
    assert capsys.readouterr().err == ""
    long = [ClipSource(str(i), write_frames(tmp_path / f"{i}", 25, size=16)) for i in range(9)]
    load_footage(long, FrameFormat(16, 1), tmp_path / "cache")
    captured = capsys.readouterr()
    assert "decoding" in captured.err
    assert captured.out == ""


def test_other_folders_in_the_cache_are_left_alone(write_frames, tmp_path):
    cache = tmp_path / "cache"
    for name in ("part-1", "yard.part"):
        (cache / name).mkdir(parents=True)
        (cache / name / "film.mp4").touch()
    load_footage(sources(write_frames(tmp_path / "a", 6)), FrameFormat(16, 1), cache)
    assert len(list(cache.glob("*/film.mp4"))) == 2


def test_an_index_states_what_was_skipped(write_frames, truncate, tmp_path):
    folder = write_frames(tmp_path / "a", 4, "{}.jpg", size=200)
    truncate(folder / "2.jpg")
    load_footage(sources(folder), FrameFormat(16, 3), tmp_path / "cache")
    (entry,) = entries(tmp_path / "cache")
    index = json.loads((entry / "index.json").read_text())
    assert index["shape"] == [4, 16, 16, 3]
    assert "2.jpg" in index["skipped"][0]
