from fractions import Fraction

import av
import numpy as np
import pytest

from dmad.data.reading.frame_format import FrameFormat
from dmad.predict.clip_frames import ClipFrames

FORMAT = FrameFormat(32, 1)


def write_video(path, frames, times):
    """A video whose frames have these times in seconds."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 32
        stream.codec_context.time_base = Fraction(1, 100)
        for image, second in zip(frames, times, strict=True):
            frame = av.VideoFrame.from_ndarray(np.broadcast_to(image, (32, 32, 3)).copy(), "rgb24")
            frame.pts, frame.time_base = round(100 * second), Fraction(1, 100)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def test_the_frames_of_a_folder_follow_each_other_at_the_given_rate(
    write_clip, frames_of, tmp_path
):
    frames = ClipFrames(write_clip(tmp_path / "clip", 3, 6), FORMAT, 5.0, print)
    np.testing.assert_array_equal(np.stack(list(frames)), frames_of(3, 6))
    assert frames.times == pytest.approx([index / 5 for index in range(6)])
    assert frames.gaps == []


def test_a_gap_in_a_video_is_yielded_and_noted(frames_of, tmp_path):
    times = [0.0, 0.1, 0.2, 2.0, 2.1]
    path = write_video(tmp_path / "gap.mkv", frames_of(3, 5), times)
    frames = ClipFrames(path, FORMAT, 10.0, print)
    assert [frame is None for frame in frames] == [False, False, False, True, False, False]
    assert frames.gaps == [3]
    assert frames.times == pytest.approx(times, abs=0.005)


def test_frames_are_kept_until_they_are_taken(write_clip, frames_of, tmp_path):
    frames = ClipFrames(write_clip(tmp_path / "clip", 3, 6), FORMAT, 5.0, print)
    reading = iter(frames)
    for _ in range(3):
        next(reading)
    np.testing.assert_array_equal(frames.take(), frames_of(3, 6)[0])
    np.testing.assert_array_equal(frames.take(), frames_of(3, 6)[1])
    assert frames.taken == 2


def test_damaged_frames_are_warned_about(write_clip, tmp_path):
    folder = write_clip(tmp_path / "clip", 3, 6)
    (folder / "002.png").write_bytes(b"no image")
    warnings: list[str] = []
    assert len(list(ClipFrames(folder, FORMAT, 5.0, warnings.append))) == 6
    assert warnings[0].startswith(f"{folder / '002.png'} is unreadable")
