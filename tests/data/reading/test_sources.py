import socket
import threading
import time
from contextlib import contextmanager
from fractions import Fraction
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import av
import numpy as np
import pytest

from dmad.config import VideoDataConfig
from dmad.data.reading import live
from dmad.data.reading.decode import decode
from dmad.data.reading.live import SLIP, Live
from dmad.data.reading.source_frames import SHOWN, Form, Pace, Source, hole_at, picture_of
from dmad.data.reading.sources import open_source, plain_name
from dmad.drawing.video_writer import VideoWriter
from dmad.errors import DmadError

FORM = Form(32, 1)


@pytest.fixture
def video(tmp_path, frames_of):
    def write(name="street.mp4", count=30, fps=10.0):
        with VideoWriter(tmp_path / name, fps) as writer:
            for frame in frames_of(3, count):
                writer.write(frame)
        return tmp_path / name

    return write


def taken(rate: float, source: float, seconds: float = 10.0, jitter: float = 0.0) -> np.ndarray:
    pace = Pace(rate, source)
    noise = np.random.default_rng(0).uniform(-jitter, jitter, round(seconds * source))
    return np.array([t for i, n in enumerate(noise) if pace.due(t := i / source + n)])


def test_rates_are_thinned_evenly():
    assert len(taken(10, 25)) == 100
    assert np.diff(taken(10, 30)) == pytest.approx(0.1)
    assert np.diff(taken(10, 25)).max() < 0.13
    assert len(taken(10, 12.5)) == 100
    assert len(taken(0, 25)) == 250


def test_slower_and_nearly_equal_rates_lose_nothing():
    assert len(taken(10, 5)) == 50
    assert len(taken(25, 24)) == 240
    assert len(taken(10, 10, jitter=0.02)) == 100


def test_after_a_stall_nothing_is_made_up_for():
    pace = Pace(10, 25)
    times = [*np.arange(25) / 25, *(100 + np.arange(25) / 25)]
    found = [t for t in times if pace.due(t)]
    assert 10 <= sum(t >= 100 for t in found) <= 11


def test_what_is_a_hole_at_each_rate():
    assert [hole_at(rate) for rate in (25, 3, 2, 0.5)] == [1, 1, 1.5, 6]


@pytest.mark.parametrize(
    ("rate", "fps", "judged"), [(10, 25, 10), (10, 5, 5), (10, 0, 10), (0, 25, 25)]
)
def test_the_lower_rate_is_judged(rate, fps, judged):
    source = Source(Form(32, 1, rate=rate))
    source.fps = fps
    assert source.rate == judged


def test_the_rate_of_the_threshold_counts_and_one_that_is_told_before_it(calibration_of):
    data = VideoDataConfig(fps=10.0, antialias=False)
    assert Form.of(data, None).rate == 10
    assert Form.of(data, None, 5.0).rate == 5
    assert Form.of(data, calibration_of(1.0, fps=12.5)).rate == 12.5
    assert not Form.of(data, None).antialias


def test_tall_pictures_are_made_smaller_too():
    assert picture_of(av.VideoFrame(360, 1280, "rgb24")).shape == (SHOWN, 180, 3)
    assert picture_of(av.VideoFrame(64, 48, "rgb24")).shape == (48, 64, 3)


def test_a_video_gives_every_frame_with_its_time(video):
    path = video()
    with open_source(str(path), FORM) as source:
        shots = list(source)
    assert [shot.time for shot in shots] == pytest.approx([i / 10 for i in range(30)])
    assert (np.stack([s.image for s in shots]) == np.stack(list(decode(path, 32, 1)))).all()
    assert shots[0].picture.shape == (32, 32, 3)
    assert (source.live, source.done, source.dropped) == (False, True, 0)


def remuxed(path, parts) -> None:
    """One file of several, each with its own start in seconds."""
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


def test_a_hole_in_a_recording_is_a_gap_and_time_begins_at_nothing(video, tmp_path):
    path = tmp_path / "hole.ts"
    remuxed(path, [(video(), 3600.0), (video("b.mp4"), 4200.0)])
    with open_source(str(path), FORM) as source:
        shots = list(source)
    assert shots[0].time == 0
    assert shots[-1].time == pytest.approx(602.9, abs=0.01)
    assert [round(shot.gap) for shot in shots if shot.gap] == [597]


def test_joined_recordings_go_on(video, tmp_path):
    remuxed(tmp_path / "a.ts", [(video(), 7.0)])
    remuxed(tmp_path / "b.ts", [(video("b.mp4"), 7.0)])
    path = tmp_path / "joined.ts"
    path.write_bytes((tmp_path / "a.ts").read_bytes() + (tmp_path / "b.ts").read_bytes())
    with open_source(str(path), Form(32, 1, rate=5.0)) as source:
        times = [shot.time for shot in source]
    assert len(times) == pytest.approx(30, abs=2)
    assert np.diff(times) == pytest.approx(0.2, abs=0.11)


def test_a_fast_video_is_thinned_to_the_trained_rate(video):
    with open_source(str(video(fps=25.0, count=50)), Form(32, 1, rate=10)) as source:
        times = [shot.time for shot in source]
    assert len(times) == 20
    assert times[-1] < 2


def test_a_folder_takes_the_rate_it_is_told(write_clip, tmp_path):
    folder = write_clip(tmp_path / "clip", count=6)
    for form, fps, step in ((Form(32, 1, rate=10), 0, 0.1), (FORM, 5.0, 0.2), (FORM, 0, 1.0)):
        with open_source(str(folder), form, fps) as source:
            shots = list(source)
        assert [shot.time for shot in shots] == pytest.approx([i * step for i in range(6)])
    assert shots[0].picture.shape == (32, 32, 3)


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.9])
def test_half_a_file_ends_in_one_line(video, tmp_path, share):
    whole = video().read_bytes()
    half = tmp_path / "half.mp4"
    half.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(DmadError, match=r"half\.mp4 is not a readable video") as caught:
        list(open_source(str(half), FORM))
    assert "\n" not in str(caught.value)


def test_a_cut_transport_stream_is_read_as_far_as_it_goes(tmp_path, frames_of):
    path, lines = stream_file(tmp_path, frames_of), []
    path.write_bytes(path.read_bytes()[:-3000])
    shots = list(open_source(str(path), FORM, report=lines.append))
    assert 0 < len(shots) <= 60
    assert len(lines) <= 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere.mp4", "does not exist"),
        ("ftp://host/film", "cannot read ftp://"),
    ],
)
def test_what_is_not_there_is_refused_at_once(name, message):
    with pytest.raises(DmadError, match=message):
        open_source(name, FORM)


def test_names_hold_no_password():
    assert plain_name("rtsp://me:secret@host:554/live/1") == "host-554-live-1"
    assert plain_name("rtsp://me:s3/cr#t@host/live") == "host-live"
    assert plain_name("rtsp://host:554/user=admin_password=tl_channel=1.sdp?real") == "host-554"
    assert plain_name("rtmp://host/live/key") == "host"
    assert plain_name("/films/gate.mp4") == "gate"
    assert plain_name("/dev/video0") == "video0"


def test_a_camera_that_is_not_there_is_waited_for():
    with open_source("99", FORM) as source:
        deadline = time.monotonic() + 5
        while source.lost == "connecting" and time.monotonic() < deadline:
            time.sleep(0.02)
        assert source.lost not in ("connecting", "")
        assert not source.done


def test_a_clock_that_is_set_stops_nothing(monkeypatch):
    """Set back by ten minutes, or ahead by an hour: a short gap, and frames go on coming."""
    frame = SimpleNamespace(time=0.0)
    clock = SimpleNamespace(time=1e9, monotonic=0.0)
    ours = SimpleNamespace(time=lambda: clock.time, clock_gettime=lambda _: clock.monotonic)
    ours.CLOCK_MONOTONIC = 1
    monkeypatch.setattr(live, "time", ours)
    monkeypatch.setattr(Live, "_run", lambda self: None)
    source = Live("rtsp://host", Form(32, 1, rate=10))
    slots = []
    for second, step in enumerate((0.0, -600.0, 3600.0)):
        clock.time += step
        for _ in range(250):
            clock.time, clock.monotonic = clock.time + 0.04, clock.monotonic + 0.04
            frame.time += 0.04
            source._offer(frame)
            if source._slot:
                slots.append((second, clock.time, source._slot))
                source._slot = None
    for part in range(3):
        mine = [slot for second, _, slot in slots if second == part]
        assert len(mine) == pytest.approx(100, abs=2)
        assert (mine[0][2] > 0) == (part > 0)
        assert not any(gap for _, _, gap in mine[1:])
    assert all(abs(now - slot[1]) < 1 for _, now, slot in slots)
    assert source.gap_seconds < 1


def offered(monkeypatch, seconds, stamps, **more):
    """What a live source makes of frames that come at some seconds with stamps of their own."""
    clock = SimpleNamespace(now=0.0)
    ours = SimpleNamespace(time=lambda: 1e9 + clock.now, clock_gettime=lambda _: clock.now)
    ours.CLOCK_MONOTONIC = 1
    monkeypatch.setattr(live, "time", ours)
    monkeypatch.setattr(Live, "_run", lambda self: None)
    source = Live("rtsp://host", Form(32, 1, rate=10))
    vars(source).update(more)
    slots = []
    for clock.now, stamp in zip(seconds, stamps, strict=True):
        source._offer(SimpleNamespace(time=stamp))
        slots.append(source._slot)
        source._slot = None
    return source, [slot for slot in slots if slot]


def test_a_stall_is_a_gap(monkeypatch):
    seconds = [*np.arange(20) / 10, *(5 + np.arange(20) / 10)]
    source, slots = offered(monkeypatch, seconds, seconds, fps=10.0)
    assert [round(gap, 1) for _, _, gap in slots if gap] == [3.1]
    assert (source.gaps, round(source.gap_seconds, 1)) == (1, 3.1)


def test_times_that_say_nothing_are_left(monkeypatch):
    """Motion JPEG of ten frames a second, which FFmpeg stamps as if they were 25."""
    seconds = np.arange(100) / 10
    _, slots = offered(monkeypatch, seconds, np.arange(100) / 25, _timed=False)
    assert np.diff([now for _, now, _ in slots]) == pytest.approx(np.full(99, 0.1), abs=1e-3)


def test_motion_jpeg_is_told_by_our_clock(tmp_path, frames_of):
    path = tmp_path / "camera.mjpeg"
    with av.open(str(path), "w", format="mpjpeg") as out:
        stream = out.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuvj420p"
        for frame in frames_of(3, 6):
            image = av.VideoFrame.from_ndarray(np.repeat(frame, 3, 2), format="rgb24")
            out.mux(stream.encode(image))
        out.mux(stream.encode(None))
    source = Live(str(path), FORM, format="mpjpeg")
    assert until(lambda: source.take() is not None)
    source.close()
    assert not source._timed
    assert source.fps == 0


def stream_file(folder, frames_of, count=60):
    """MPEG-TS, which any part of can be sent."""
    path = folder / "stream.ts"
    with av.open(str(path), "w", format="mpegts") as out:
        stream = out.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        stream.gop_size = 5
        for frame in frames_of(3, count):
            image = av.VideoFrame.from_ndarray(np.repeat(frame, 3, 2), format="rgb24")
            out.mux(stream.encode(image))
        out.mux(stream.encode(None))
    return path


@contextmanager
def camera(content: bytes, port: int = 0, seconds: float = 0.0):
    """A server that sends the same film to whoever connects, and then hangs up."""
    server = socket.create_server(("127.0.0.1", port))
    over = threading.Event()

    def serve():
        while not over.is_set():
            try:
                there, _ = server.accept()
            except OSError:
                return
            with there:
                step = -(-len(content) // 20)
                for start in range(0, len(content), step):
                    try:
                        there.sendall(content[start : start + step])
                    except OSError:
                        break
                    over.wait(seconds / 20)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield server.getsockname()[1]
    over.set()
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join(5)


def until(holds, seconds: float = 30.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.02)
    return False


def test_of_a_live_source_the_newest_frame_wins(tmp_path, frames_of):
    content = stream_file(tmp_path, frames_of).read_bytes()
    with camera(content) as port, open_source(f"tcp://127.0.0.1:{port}", FORM) as source:
        assert until(lambda: source.dropped > 40)
        shot = source.take()
    assert shot.image.shape == (32, 32, 1)
    assert abs(shot.time - time.time()) < 30
    assert source.done


def test_a_lost_source_is_found_again_and_the_gap_counted(tmp_path, frames_of):
    content = stream_file(tmp_path, frames_of).read_bytes()
    with camera(content) as port:
        source = open_source(f"tcp://127.0.0.1:{port}", FORM)
        assert until(lambda: source.gaps == 2)
        assert until(lambda: (shot := source.take()) is not None and shot.gap > 0)
    assert until(lambda: bool(source.lost))
    before = source.gaps
    with camera(content, port):
        assert until(lambda: source.gaps > before)
    assert source.gap_seconds > 0
    source.close()
    assert not source._thread.is_alive()


def test_times_never_go_back(monkeypatch):
    monkeypatch.setattr(Live, "_run", lambda self: None)
    source = Live("rtsp://host", FORM)
    frame, stamps = av.VideoFrame(16, 16, "gray"), []
    for pts in (0, 1, 2, 1, 0, 50):
        frame.pts, frame.time_base = pts, Fraction(1, 10)
        stamps.append(source._stamp(frame))
        source._last = stamps[-1]
    assert (np.diff(stamps) > 0).all()
    assert abs(stamps[-1] - time.time()) < SLIP + 0.1


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def test_a_film_over_http_has_an_end(video, tmp_path):
    video()
    handler = partial(Quiet, directory=str(tmp_path))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with open_source(f"http://127.0.0.1:{server.server_port}/street.mp4", FORM) as source:
            shots = list(source)
    finally:
        server.shutdown()
        server.server_close()
    assert len(shots) + source.dropped == 30
    assert source.gaps == 0
    assert shots[-1].time - shots[0].time == pytest.approx(2.9, abs=0.5)  # at its own speed
    assert len(shots) > 20


def test_opening_and_closing_leaves_nothing(video):
    path, before = str(video()), threading.active_count()
    for _ in range(20):
        with open_source(path, FORM) as source:
            assert source.take() is not None
    assert threading.active_count() == before
