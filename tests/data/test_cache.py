import multiprocessing
import os
import re
import socket
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import map_coordinates

from dmad.data import cache as module
from dmad.data.cache import load_footage
from dmad.data.footage import ClipSource
from dmad.data.reading.decode import aspect, decode
from dmad.data.reading.source_frames import picture_for_people
from dmad.drawing.video_writer import VideoWriter
from dmad.errors import DmadError


def sources(*paths: Path) -> list[ClipSource]:
    return [ClipSource(path.stem, path) for path in paths]


def test_folder_in_natural_order_without_hidden_files(write_frames, tmp_path):
    folder = write_frames(tmp_path / "clip", 12, "frame{}.png")
    (folder / "._frame0.png").write_bytes(b"mac")
    (folder / ".DS_Store").write_bytes(b"mac")
    (folder / "notes.txt").write_text("no image")
    frames = np.stack(list(decode(folder, 16, 3)))
    assert frames.shape == (12, 16, 16, 3)
    assert frames.dtype == np.uint8
    assert frames[:, 8, 8, 0].tolist() == [10 * i for i in range(12)]


@pytest.mark.parametrize("suffix", ["jpg", "jpeg", "png", "bmp", "tif", "tiff", "webp"])
def test_image_formats(write_frames, tmp_path, suffix):
    folder = write_frames(tmp_path, 2, "{}." + suffix)
    assert [abs(int(frame.mean()) - 10 * i) <= 1 for i, frame in enumerate(decode(folder, 16, 1))]


def test_sixteen_bits_keep_their_high_byte(tmp_path):
    Image.fromarray(np.full((20, 20), 40_000, np.uint16)).save(tmp_path / "0.tif")
    assert (next(decode(tmp_path, 16, 1)) == 40_000 >> 8).all()
    assert next(decode(tmp_path, 16, 3)).shape == (16, 16, 3)


def test_fractions_are_refused(tmp_path):
    Image.fromarray(np.full((20, 20), 0.5, np.float32)).save(tmp_path / "0.tif")
    notes: list[str] = []
    assert list(decode(tmp_path, 16, 1, notes.append)) == []
    assert "fractions" in notes[0]


def test_an_image_of_any_size_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    Image.fromarray(np.zeros((40, 40), np.uint8)).save(tmp_path / "0.png")
    assert len(list(decode(tmp_path, 16, 1))) == 1
    assert Image.MAX_IMAGE_PIXELS == 100


def test_resizing_is_antialiased(tmp_path):
    noise = np.random.default_rng(0).integers(0, 2, (128, 128, 3), np.uint8) * 255
    Image.fromarray(noise).save(tmp_path / "0.png")
    assert next(decode(tmp_path, 16, 1)).std() < 25


def test_without_antialiasing_a_pixel_is_one_of_four_neighbours(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (48, 64), np.uint8)
    Image.fromarray(image).save(tmp_path / "0.png")
    found = next(decode(tmp_path, 16, 1, antialias=False))[..., 0]
    rows, columns = (np.arange(16) + 0.5) * 3 - 0.5, (np.arange(16) + 0.5) * 4 - 0.5
    grid = np.stack(np.meshgrid(rows, columns, indexing="ij"))
    np.testing.assert_allclose(found, map_coordinates(image.astype(float), grid, order=1), atol=1)


def test_a_large_jpeg_is_sampled_at_its_own_pixels(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (256, 256), np.uint8)
    Image.fromarray(noise).save(tmp_path / "0.jpg", quality=100)
    with Image.open(tmp_path / "0.jpg") as image:
        own = np.asarray(image)
    jpeg = next(decode(tmp_path, 32, 1, antialias=False))
    (tmp_path / "0.jpg").unlink()
    Image.fromarray(own).save(tmp_path / "0.png")
    assert (jpeg == next(decode(tmp_path, 32, 1, antialias=False))).all()


def test_videos_and_folders_are_sampled_alike(write_frames, write_video, tmp_path):
    video = write_video(tmp_path / "a.avi", 3)
    folder, video = (
        np.stack(list(decode(path, 24, 3, antialias=False))).astype(int)
        for path in (write_frames(tmp_path / "b", 3), video)
    )
    assert folder.shape == (3, 24, 24, 3)
    assert np.abs(folder - video).max() <= 4


def test_the_cache_knows_how_frames_were_resized(write_frames, tmp_path):
    source = [ClipSource("a", write_frames(tmp_path / "a", 3))]
    smooth, sharp = (
        load_footage(source, 16, 1, tmp_path / "cache", antialias=way).frames
        for way in (True, False)
    )
    assert smooth.filename != sharp.filename


@pytest.mark.parametrize("channels", [1, 3])
def test_video_keeps_brightness(write_video, tmp_path, channels):
    frames = np.stack(list(decode(write_video(tmp_path / "a.avi", 20), 32, channels)))
    assert frames.shape == (20, 32, 32, channels)
    middle = frames[:, 16, 16, 0].astype(int)
    assert np.abs(middle - 10 * np.arange(20)).max() <= 4


def test_footage_lays_clips_in_a_row(write_frames, write_video, tmp_path):
    video = write_video(tmp_path / "a.avi", 7)
    folder = write_frames(tmp_path / "b", 5)
    clips = [ClipSource("a", video, "s1"), ClipSource("b", folder, "s2")]
    footage = load_footage(clips, 16, 1, tmp_path / "cache")
    assert footage.frames.shape == (12, 16, 16, 1)
    assert not footage.frames.flags.writeable
    assert isinstance(footage.frames, np.memmap)
    assert [(c.name, c.scene, c.start, c.length) for c in footage.clips] == [
        ("a", "s1", 0, 7),
        ("b", "s2", 7, 5),
    ]
    assert [clip.fps for clip in footage.clips] == [10.0, 0.0]
    assert footage.skipped == ()
    assert (footage.frames[7:] == np.stack(list(decode(folder, 16, 1)))).all()


def test_second_call_does_not_decode(write_frames, tmp_path, monkeypatch):
    clips = sources(write_frames(tmp_path / "a", 5))
    first = load_footage(clips, 16, 3, tmp_path / "cache")

    def never(*_):
        raise AssertionError("decoded again")

    monkeypatch.setattr(module, "decode", never)
    second = load_footage(clips, 16, 3, tmp_path / "cache", minimum=5)
    assert (first.frames == second.frames).all()
    assert first.clips == second.clips
    with pytest.raises(AssertionError):
        load_footage(clips, 32, 3, tmp_path / "cache")


def test_changed_frames_are_decoded_anew(write_frames, tmp_path):
    folder = write_frames(tmp_path / "a", 5)
    load_footage(sources(folder), 16, 3, tmp_path / "cache")
    write_frames(folder, 6)
    assert len(load_footage(sources(folder), 16, 3, tmp_path / "cache").frames) == 6


def test_cache_of_the_environment(write_frames, tmp_path, monkeypatch):
    monkeypatch.setenv("DMAD_CACHE", str(tmp_path / "elsewhere"))
    load_footage(sources(write_frames(tmp_path / "a", 2)), 16, 3)
    assert len(list((tmp_path / "elsewhere").iterdir())) == 1


def test_half_an_image_is_replaced_by_its_neighbour(write_frames, truncate, tmp_path):
    folder = write_frames(tmp_path / "a", 6, "{}.jpg", size=200)
    for i in (0, 1, 4):
        truncate(folder / f"{i}.jpg")
    footage = load_footage(sources(folder), 16, 1, tmp_path / "cache")
    middle = footage.frames[:, 8, 8, 0].astype(int)
    assert np.abs(middle - [20, 20, 20, 30, 30, 50]).max() <= 1
    assert [line.split()[0] for line in footage.skipped] == [
        str(folder / f"{i}.jpg") for i in (0, 1, 4)
    ]
    assert not any("\n" in line for line in footage.skipped)
    assert not footage.clips[0].cut


def test_mixed_sizes_are_resized_and_noted(write_frames, tmp_path):
    folder = write_frames(tmp_path / "a", 3)
    write_frames(folder, 2, "b{}.png", size=50)
    footage = load_footage(sources(folder), 16, 1, tmp_path / "cache")
    assert len(footage.frames) == 5
    assert len(footage.skipped) == 1
    assert "2 sizes" in footage.skipped[0]


def test_truncated_video_ends_early(write_video, truncate, tmp_path):
    video = write_video(tmp_path / "a.avi", 60)
    truncate(video, 0.6)
    whole = write_video(tmp_path / "b.avi", 5)
    footage = load_footage(sources(video, whole), 16, 1, tmp_path / "cache")
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
    footage = load_footage(sources(rubbish, empty, good), 16, 1, tmp_path / "cache")
    assert [clip.name for clip in footage.clips] == ["good"]
    assert len(footage.skipped) == 2
    assert str(rubbish) in footage.skipped[0]
    assert str(empty) in footage.skipped[1]


def test_short_clips_are_left_out_for_each_minimum(write_frames, tmp_path):
    clips = sources(*(write_frames(tmp_path / str(n), n) for n in (3, 6, 4)))

    def lengths(minimum: int) -> tuple[list[int], int]:
        footage = load_footage(clips, 16, 1, tmp_path / "cache", minimum)
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
def test_nothing_to_decode_is_one_line(tmp_path, make):
    path = tmp_path / make
    if make == "empty":
        path.mkdir()
    if make == "rubbish":
        path = path.with_suffix(".avi")
        path.write_bytes(b"x" * 500)
    with pytest.raises(DmadError) as caught:
        list(decode(path, 16, 3))
    assert "\n" not in str(caught.value)
    with pytest.raises(DmadError) as caught:
        load_footage(sources(path), 16, 3, tmp_path / "cache")
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    assert not list((tmp_path / "cache").glob("*"))


def test_no_clips_at_all(tmp_path):
    with pytest.raises(DmadError, match="no clip of 0"):
        load_footage([], 16, 3, tmp_path / "cache")


def test_shared_names_are_refused(write_frames, tmp_path):
    folder = write_frames(tmp_path / "a", 2)
    with pytest.raises(DmadError, match="share a name"):
        load_footage([*sources(folder), *sources(folder)], 16, 3, tmp_path / "cache")


def test_unwritable_cache(write_frames, tmp_path):
    (tmp_path / "file").write_text("in the way")
    clips = sources(write_frames(tmp_path / "a", 2))
    with pytest.raises(DmadError, match=r"--data\.cache or \$DMAD_CACHE"):
        load_footage(clips, 16, 3, tmp_path / "file" / "cache")


@pytest.mark.parametrize("file", ["frames.u8", "index.json"])
def test_damaged_cache_is_named(write_frames, truncate, tmp_path, file):
    clips = sources(write_frames(tmp_path / "a", 4))
    load_footage(clips, 16, 3, tmp_path / "cache")
    truncate(next((tmp_path / "cache").glob(f"*/{file}")))
    with pytest.raises(DmadError, match="delete it"):
        load_footage(clips, 16, 3, tmp_path / "cache")


def leave_part(cache: Path, host: str, pid: int, age: float = 0.0) -> Path:
    part = cache / f".dmad-part-{host}-{pid}-abc"
    part.mkdir(parents=True)
    (part / "frames.u8").write_bytes(b"half")
    for path in (part / "frames.u8", part):
        stamp = path.stat().st_mtime - age
        os.utime(path, (stamp, stamp))
    return part


def test_leftovers_of_killed_processes_are_swept(write_frames, tmp_path):
    cache, here = tmp_path / "cache", socket.gethostname()
    gone = multiprocessing.get_context("spawn").Process(target=os.getpid)
    gone.start()
    gone.join()
    dead = leave_part(cache, here, gone.pid)
    busy = leave_part(cache, here, os.getppid())
    foreign = leave_part(cache, "other-host", gone.pid)
    old = leave_part(cache, "other-host", 1, age=90_000)
    footage = load_footage(sources(write_frames(tmp_path / "a", 3)), 16, 1, cache)
    assert len(footage.frames) == 3
    assert [path.exists() for path in (dead, busy, foreign, old)] == [False, True, True, False]


def test_an_interrupted_decoding_leaves_nothing(write_frames, tmp_path, monkeypatch):
    def interrupted(*_):
        yield np.zeros((16, 16, 1), np.uint8)
        raise KeyboardInterrupt

    clips = sources(write_frames(tmp_path / "a", 3))
    with monkeypatch.context() as patch:
        patch.setattr(module, "decode", interrupted)
        with pytest.raises(KeyboardInterrupt):
            load_footage(clips, 16, 1, tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())
    assert len(load_footage(clips, 16, 1, tmp_path / "cache").frames) == 3


def test_another_process_may_win_the_race(write_frames, tmp_path, monkeypatch):
    clips = sources(write_frames(tmp_path / "a", 3))
    cache, nested = tmp_path / "cache", []

    def slow(*args):
        if not nested:  # while this one decodes, another finishes the same cache
            nested.append(True)
            load_footage(clips, 16, 1, cache)
        return decode(*args)

    monkeypatch.setattr(module, "decode", slow)
    footage = load_footage(clips, 16, 1, cache)
    assert len(footage.frames) == 3
    assert len(list(cache.iterdir())) == 1


def load_in_process(path: Path, cache: Path, barrier, results) -> None:
    barrier.wait(60)
    results.put(int(load_footage([ClipSource("a", path)], 16, 1, cache).frames.sum()))


def test_two_processes_at_once(write_frames, tmp_path):
    folder, cache = write_frames(tmp_path / "a", 8), tmp_path / "cache"
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(2), context.Queue()
    processes = [
        context.Process(target=load_in_process, args=(folder, cache, barrier, results))
        for _ in range(2)
    ]
    for process in processes:
        process.start()
    sums = [results.get(timeout=120) for _ in processes]
    for process in processes:
        process.join()
    assert sums == [16 * 16 * sum(range(0, 80, 10))] * 2
    assert len(list(cache.iterdir())) == 1


def test_progress_shows_for_long_footage_only(write_frames, tmp_path, caplog, capsys, monkeypatch):
    caplog.set_level("INFO", "dmad")  # as on the command line
    monkeypatch.setenv("TTY_COMPATIBLE", "1")  # as in a terminal
    clips = sources(write_frames(tmp_path / "a", 5))
    load_footage(clips, 16, 1, tmp_path / "quiet")
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(module, "_LONG", 3)
    load_footage(clips, 16, 1, tmp_path / "loud")
    captured = capsys.readouterr()
    assert "decoding" in captured.err
    assert captured.out == ""


def test_others_stand_in_for_damaged_frames_of_a_video(tmp_path):
    path = tmp_path / "clip.mp4"
    grey = np.linspace(20, 230, 60).astype(np.uint8)
    noise = np.random.default_rng(0).integers(0, 9, (60, 64, 64, 3), np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width = stream.height = 64
        stream.codec_context.gop_size = 10
        for level, frame in zip(grey, noise, strict=True):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(level + frame)))
        container.mux(stream.encode())
    content = bytearray(path.read_bytes())
    middle = content.index(b"mdat") + 4 + len(content) // 2
    content[middle : middle + 300] = bytes(300)
    path.write_bytes(content)
    footage = load_footage(sources(path), 32, 1, tmp_path / "cache")
    (clip,) = footage.clips
    assert clip.length == 60
    assert not clip.cut
    assert np.median(footage.frames[-10:], (1, 2, 3)) == pytest.approx(grey[-10:] + 4, abs=5)
    assert len(footage.skipped) == 1
    assert re.search(r"damaged frames .* others stand in", footage.skipped[0])


def test_folders_of_people_in_the_cache_are_left_alone(write_frames, tmp_path):
    cache = tmp_path / "cache"
    for name in ("part-1", "part-of-the-yard-9"):
        (cache / name).mkdir(parents=True)
        (cache / name / "film.mp4").touch()
        os.utime(cache / name / "film.mp4", (0, 0))
        os.utime(cache / name, (0, 0))
    load_footage(sources(write_frames(tmp_path / "a", 6)), 16, 1, cache)
    assert len(list(cache.glob("part-*/film.mp4"))) == 2


def test_a_text_is_no_video(tmp_path):
    path = tmp_path / "clip.mp4"
    path.write_text("not a film\n" * 500)
    with pytest.raises(DmadError, match=r"clip\.mp4 is n"):
        list(decode(path, 32, 1))


def matrix(*values) -> bytes:
    """What an MP4 says of how its frames are to be turned."""
    return (65536 * np.array(values)).astype(">i4").tobytes()


@pytest.mark.parametrize(
    ("told", "turns"),
    [
        (matrix(0, 1, 0, -1, 0, 0, 64, 0), -1),  # a phone held upright: to the right
        (matrix(-1, 0, 0, 0, -1, 0, 96, 64), 2),
        (matrix(0, -1, 0, 1, 0, 0, 0, 96), 1),
        (matrix(-1, 0, 0, 0, 1, 0, 96, 0), 0),  # mirrored, and left so
    ],
)
def test_films_of_phones_are_turned_upright(tmp_path, told, turns):
    image = np.zeros((64, 96, 3), np.uint8)
    image[:32, :48] = 255
    path = tmp_path / "film.mp4"
    with VideoWriter(path, 10) as film:
        for _ in range(3):
            film.write(image)
    plain = [list(decode(path, 32, 1, antialias=antialias)) for antialias in (True, False)]
    head, found, tail = path.read_bytes().partition(b"tkhd")
    usual = matrix(1, 0, 0, 0, 1, 0, 0, 0)
    assert tail.count(usual) == 1
    path.write_bytes(head + found + tail.replace(usual, told))
    turned = [list(decode(path, 32, 1, antialias=antialias)) for antialias in (True, False)]
    np.testing.assert_array_equal(turned, np.rot90(plain, turns, axes=(2, 3)))
    sides = (64, 96) if turns % 2 else (96, 64)
    assert aspect(path) == sides[0] / sides[1]
    with av.open(str(path)) as container:
        assert picture_for_people(next(container.decode(video=0))).shape == (*sides[::-1], 3)
