import os
import threading

import av
import numpy as np
import pytest

from dmad.data.reading.decode import decode
from dmad.data.reading.frame_format import FrameFormat
from dmad.data.reading.sources import open_source, source_name
from dmad.drawing.video_writer import VideoWriter
from dmad.errors import DmadError

FORMAT = FrameFormat(32, 1)


@pytest.fixture
def video(tmp_path, frames_of):
    def write(name="street.mp4", count=30, fps=10.0):
        with VideoWriter(tmp_path / name, fps) as writer:
            for frame in frames_of(3, count):
                writer.write(frame)
        return tmp_path / name

    return write


def frames_of_source(path, target_fps=0.0):
    with open_source(str(path), FORMAT, target_fps) as source:
        return list(source)


def test_a_video_gives_every_frame_with_its_time(video):
    path = video()
    with open_source(str(path), FORMAT) as source:
        frames = list(source)
    assert [frame.time for frame in frames] == pytest.approx([i / 10 for i in range(30)])
    images = np.stack([frame.image for frame in frames])
    np.testing.assert_array_equal(images, np.stack(list(decode(path, FORMAT))))
    assert frames[0].picture.shape == (32, 32, 3)
    assert (source.live, source.done, source.dropped) == (False, True, 0)


def join(path, parts) -> None:
    """Join several recordings into one file. Each recording starts at its given time in seconds."""
    with av.open(str(path), "w", format="mpegts") as out:
        stream = None
        for part, start in parts:
            with av.open(str(part)) as source:
                (video,) = source.streams.video
                stream = stream or out.add_stream_from_template(video)
                for packet in source.demux(video):
                    if packet.dts is not None:
                        packet.pts += round(start / packet.time_base)
                        packet.dts += round(start / packet.time_base)
                        packet.stream = stream
                        out.mux(packet)


def test_times_start_at_zero_and_missing_frames_are_a_gap(video, tmp_path):
    path = tmp_path / "gap.ts"
    join(path, [(video(), 3600.0), (video("b.mp4"), 4200.0)])
    frames = frames_of_source(path)
    assert frames[0].time == 0
    assert frames[-1].time == pytest.approx(602.9, abs=0.01)
    assert [round(frame.gap) for frame in frames if frame.gap] == [597]


def test_times_continue_where_recordings_were_joined(video, tmp_path):
    join(tmp_path / "a.ts", [(video(), 7.0)])
    join(tmp_path / "b.ts", [(video("b.mp4"), 7.0)])
    path = tmp_path / "joined.ts"
    path.write_bytes((tmp_path / "a.ts").read_bytes() + (tmp_path / "b.ts").read_bytes())
    times = [frame.time for frame in frames_of_source(path, target_fps=5.0)]
    assert len(times) == pytest.approx(30, abs=2)
    assert np.diff(times) == pytest.approx(0.2, abs=0.11)


def test_a_fast_video_is_thinned_to_the_target_rate(video):
    times = [frame.time for frame in frames_of_source(video(fps=25.0, count=50), target_fps=10)]
    assert len(times) == 20
    assert times[-1] < 2


@pytest.mark.parametrize(("target_fps", "step"), [(10, 0.1), (5, 0.2), (0, 1.0)])
def test_a_folder_has_the_target_rate_or_one_frame_a_second(write_clip, tmp_path, target_fps, step):
    frames = frames_of_source(write_clip(tmp_path / "clip", count=6), target_fps)
    assert [frame.time for frame in frames] == pytest.approx([i * step for i in range(6)])
    assert frames[0].picture.shape == (32, 32, 3)


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.9])
def test_a_cut_file_is_refused_in_one_line(video, tmp_path, share):
    whole = video().read_bytes()
    part = tmp_path / "part.mp4"
    part.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(DmadError, match=r"part\.mp4 is not a readable video") as caught:
        frames_of_source(part)
    assert "\n" not in str(caught.value)


def test_a_cut_transport_stream_is_read_as_far_as_possible(video, tmp_path):
    path, warnings = tmp_path / "cut.ts", []
    join(path, [(video(count=60), 0.0)])
    path.write_bytes(path.read_bytes()[:-3000])
    with open_source(str(path), FORMAT, report=warnings.append) as source:
        frames = list(source)
    assert 0 < len(frames) <= 60
    assert len(warnings) <= 1


@pytest.mark.parametrize(
    ("name", "message"),
    [("nowhere.mp4", "does not exist"), ("ftp://host/film", "cannot read ftp://")],
)
def test_a_missing_file_or_unknown_scheme_is_refused_at_once(name, message):
    with pytest.raises(DmadError, match=message):
        open_source(name, FORMAT)


def test_names_hold_no_password():
    assert source_name("rtsp://me:secret@host:554/live/1") == "host-554-live-1"
    assert source_name("rtsp://me:s3/cr#t@host/live") == "host-live"
    assert source_name("rtsp://host:554/user=admin_password=tl_channel=1.sdp?real") == "host-554"
    assert source_name("rtmp://host/live/key") == "host"
    in_path = "user=admin&password=Pw@99&channel=1"
    assert source_name(f"rtsp://127.0.0.1:9/{in_path}") == "127.0.0.1-9"
    assert source_name(f"rtsp://me:secret@host/{in_path}") == "rtsp"
    assert source_name("rtsp:/me:secret@host/live") == "host-live"
    assert source_name("http://host/me:secret/1") == "host"


@pytest.mark.parametrize("name", ["rtsp:/me:secret@host/live", "me:secret@host/live.mp4"])
def test_a_mistyped_address_does_not_show_its_password(name):
    with pytest.raises(DmadError, match="does not exist") as caught:
        open_source(name, FORMAT)
    assert "secret" not in str(caught.value)


def test_the_time_stands_still_where_parts_overlap(video, tmp_path):
    path = tmp_path / "overlap.ts"
    join(tmp_path / "a.ts", [(video(), 7.0)])
    join(tmp_path / "b.ts", [(video("b.mp4"), 9.0)])
    path.write_bytes((tmp_path / "a.ts").read_bytes() + (tmp_path / "b.ts").read_bytes())
    times = [frame.time for frame in frames_of_source(path)]
    assert times[-1] == pytest.approx(4.9, abs=0.11)
    assert (np.diff(times) >= 0).all()


def test_a_pipe_is_refused(tmp_path):
    os.mkfifo(tmp_path / "film.mp4")
    with pytest.raises(DmadError, match="a pipe or a device"):
        open_source(str(tmp_path / "film.mp4"), FORMAT)


def test_names_of_files_and_devices_have_no_folders():
    assert source_name("/films/gate.mp4") == "gate"
    assert source_name("/dev/video0") == "video0"


def test_a_closed_source_leaves_no_thread_behind(video):
    path, before = str(video()), threading.active_count()
    for _ in range(20):
        with open_source(path, FORMAT) as source:
            assert source.next_frame() is not None
    assert threading.active_count() == before
