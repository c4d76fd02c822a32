"""Damaged frames of videos are replaced, and turned videos are turned upright."""

import re

import av
import numpy as np
import pytest

from dmad.data.cache import load_footage
from dmad.data.footage import ClipSource
from dmad.data.reading.decode import aspect_ratio, decode
from dmad.data.reading.frame_format import FrameFormat
from dmad.data.reading.source_frames import picture_for_people
from dmad.data.reading.video_files import DamagedError, Decoding, video_frames
from dmad.drawing.video_writer import VideoWriter
from dmad.errors import DmadError


def test_damaged_frames_of_a_video_are_replaced_by_others(tmp_path):
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
    footage = load_footage([ClipSource("clip", path)], FrameFormat(32, 1), tmp_path / "cache")
    (clip,) = footage.clips
    assert clip.length == 60
    assert not clip.cut
    assert np.median(footage.frames[-10:], (1, 2, 3)) == pytest.approx(grey[-10:] + 4, abs=5)
    assert len(footage.skipped) == 1
    assert re.search(r"damaged frames .* other frames replace them", footage.skipped[0])


def test_a_truncated_video_ends_at_its_last_good_frame(write_video, truncate, tmp_path):
    video = write_video(tmp_path / "a.avi", 60)
    truncate(video, 0.6)
    notes: list[str] = []
    frames = list(video_frames(video, notes.append))
    assert 0 < len(frames) < 60
    assert len(notes) == 1
    assert str(video) in notes[0]


def test_an_unreadable_video_is_an_error_of_one_line(tmp_path):
    path = tmp_path / "a.avi"
    path.write_bytes(b"x" * 500)
    with pytest.raises(DmadError, match=r"a\.avi is not a readable video") as caught:
        list(video_frames(path, print))
    assert "\n" not in str(caught.value)


def test_a_text_file_is_refused(tmp_path):
    path = tmp_path / "clip.mp4"
    path.write_text("not a film\n" * 500)
    with pytest.raises(DmadError, match=r"clip\.mp4 is n"):
        list(decode(path, FrameFormat(32, 1)))


def matrix(*values) -> bytes:
    """The display matrix that an MP4 stores."""
    return (65536 * np.array(values)).astype(">i4").tobytes()


@pytest.mark.parametrize(
    ("stored", "turns"),
    [
        (matrix(0, 1, 0, -1, 0, 0, 64, 0), -1),  # a phone held upright: to the right
        (matrix(-1, 0, 0, 0, -1, 0, 96, 64), 2),
        (matrix(0, -1, 0, 1, 0, 0, 0, 96), 1),
        (matrix(-1, 0, 0, 0, 1, 0, 96, 0), 0),  # mirrored: not turned
    ],
)
def test_videos_of_phones_are_turned_upright(tmp_path, stored, turns):
    image = np.zeros((64, 96, 3), np.uint8)
    image[:32, :48] = 255
    path = tmp_path / "film.mp4"
    with VideoWriter(path, 10) as film:
        for _ in range(3):
            film.write(image)
    plain = [list(decode(path, FrameFormat(32, 1, antialias))) for antialias in (True, False)]
    head, found, tail = path.read_bytes().partition(b"tkhd")
    usual = matrix(1, 0, 0, 0, 1, 0, 0, 0)
    assert tail.count(usual) == 1
    path.write_bytes(head + found + tail.replace(usual, stored))
    turned = [list(decode(path, FrameFormat(32, 1, antialias))) for antialias in (True, False)]
    np.testing.assert_array_equal(turned, np.rot90(plain, turns, axes=(2, 3)))
    sides = (64, 96) if turns % 2 else (96, 64)
    assert aspect_ratio(path) == sides[0] / sides[1]
    with av.open(str(path)) as container:
        assert picture_for_people(next(container.decode(video=0))).shape == (*sides[::-1], 3)


def test_decoding_starts_at_a_keyframe_and_may_refuse_damage(write_video, tmp_path):
    path = write_video(tmp_path / "film.mp4", 40)
    whole = [frame.pts for frame in video_frames(path, print)]
    with av.open(str(path)) as container:
        packets = [one for one in container.demux(video=0) if one.size]
        key = max(n for n, one in enumerate(packets[:25]) if one.is_keyframe)
        start, size = packets[key + 2].pos, packets[key + 2].size
    late = [frame.pts for frame in video_frames(path, print, decoding=Decoding(whole[key], 1))]
    assert late == whole[key:]
    content = bytearray(path.read_bytes())
    content[start : start + size] = bytes(size)
    path.write_bytes(bytes(content))
    strict = Decoding(whole[key], 1, intact_from=whole[key])
    with pytest.raises(DamagedError, match="damaged frames"):
        list(video_frames(path, lambda line: None, decoding=strict))
    early = Decoding(whole[key], 1, intact_from=whole[-1])
    assert list(video_frames(path, lambda line: None, decoding=early))
