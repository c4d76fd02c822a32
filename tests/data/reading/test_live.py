import io
import socket
import threading
import time
from contextlib import contextmanager, suppress
from fractions import Fraction
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer

import av
import numpy as np
import pytest
from PIL import Image

from dmad.data.reading.frame_format import FrameFormat
from dmad.data.reading.live import LiveSource
from dmad.data.reading.sources import open_source
from dmad.data.reading.stream_clock import StreamClock
from dmad.drawing.video_writer import VideoWriter

FORMAT = FrameFormat(32, 1)
MILLISECONDS = Fraction(1, 1000)


class QuietSource:
    """A live source without a connection. The test adds frames and sets the time."""

    def __init__(self, fps: float = 0.0):
        self.day, self.up = 1e9, 0.0  # what the clocks of the machine show
        self.source = LiveSource("nowhere.ts", FORMAT, target_fps=10)
        self.source.close()
        self.source.source_fps = fps
        self.source.clock = StreamClock(lambda: self.day, lambda: self.up)

    def wait(self, seconds: float) -> None:
        self.day += seconds
        self.up += seconds

    def add(self, stream_time: float):
        """Add a frame. Return the frame that the source gives; None if it left the frame out."""
        frame = av.VideoFrame(32, 32, "gray")
        frame.pts, frame.time_base = round(1000 * stream_time), MILLISECONDS
        self.source.add_frame(frame)
        return self.source.next_frame()


@pytest.mark.parametrize("change", [-600.0, 3600.0])
def test_frames_continue_after_the_clock_was_changed(change):
    quiet, before, after = QuietSource(), [], []
    for index in range(500):
        if index == 250:
            quiet.day += change
        quiet.wait(0.04)
        frame = quiet.add(0.04 * (index + 1))
        if frame is not None:
            (before if index < 250 else after).append(frame)
            assert abs(frame.time - quiet.day) < 1
    assert len(before) == pytest.approx(100, abs=2)
    assert len(after) == pytest.approx(100, abs=2)
    assert not any(frame.gap for frame in before)
    assert after[0].gap > 0  # the next frame does not follow the last
    assert not any(frame.gap for frame in after[1:])
    assert quiet.source.gap_seconds < 1


def test_a_pause_is_a_gap():
    quiet = QuietSource(fps=10.0)
    gaps, now = [], 0.0
    for seconds in [*np.arange(20) / 10, *(5 + np.arange(20) / 10)]:
        quiet.wait(seconds - now)
        now = seconds
        frame = quiet.add(seconds)
        gaps.append(frame.gap if frame else 0.0)
    assert [round(gap, 1) for gap in gaps if gap] == [3.1]
    assert (quiet.source.gaps, round(quiet.source.gap_seconds, 1)) == (1, 3.1)


def test_without_trusted_timestamps_the_clock_of_this_machine_is_used():
    """Motion JPEG has ten frames a second, but FFmpeg states timestamps of 25 a second."""
    quiet, times = QuietSource(), []
    quiet.source.clock.trusts_stream = False
    for index in range(100):
        quiet.wait(0.1)
        times.append(quiet.add(index / 25).time)
    assert np.diff(times) == pytest.approx(np.full(99, 0.1), abs=1e-3)


def test_the_times_of_motion_jpeg_are_not_trusted(tmp_path, frames_of):
    path = tmp_path / "camera.mjpeg"
    with av.open(str(path), "w", format="mpjpeg") as out:
        stream = out.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuvj420p"
        for frame in frames_of(3, 6):
            image = av.VideoFrame.from_ndarray(np.repeat(frame, 3, 2), format="rgb24")
            out.mux(stream.encode(image))
        out.mux(stream.encode(None))
    source = LiveSource(str(path), FORMAT, format="mpjpeg")
    assert until(lambda: source.next_frame() is not None)
    source.close()
    assert not source.clock.trusts_stream
    assert source.source_fps == 0


def write_stream(path, frames):
    """Write an MPEG-TS file. A part of such a file can be read too."""
    with av.open(str(path), "w", format="mpegts") as out:
        stream = out.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        stream.gop_size = 5
        for frame in frames:
            image = av.VideoFrame.from_ndarray(np.repeat(frame, 3, 2), format="rgb24")
            out.mux(stream.encode(image))
        out.mux(stream.encode(None))
    return path


@pytest.fixture
def content(tmp_path, frames_of) -> bytes:
    return write_stream(tmp_path / "stream.ts", frames_of(3, 60)).read_bytes()


@contextmanager
def camera(content: bytes, port: int = 0):
    """A server that sends the same film to everybody who connects, and then hangs up."""
    server = socket.create_server(("127.0.0.1", port))

    def serve():
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                step = -(-len(content) // 20)
                for start in range(0, len(content), step):
                    try:
                        connection.sendall(content[start : start + step])
                    except OSError:
                        break

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield server.getsockname()[1]
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


def test_the_newest_frame_replaces_older_ones(content):
    with camera(content) as port, open_source(f"tcp://127.0.0.1:{port}", FORMAT) as source:
        assert until(lambda: source.dropped > 40)
        frame = source.next_frame()
    assert frame.image.shape == (32, 32, 1)
    assert abs(frame.time - time.time()) < 30
    assert source.done


def test_a_lost_source_is_connected_again_and_the_gap_counted(content):
    def next_frame_has_a_gap():
        frame = source.next_frame()
        return frame is not None and frame.gap > 0

    with camera(content) as port:
        source = open_source(f"tcp://127.0.0.1:{port}", FORMAT)
        assert until(lambda: source.gaps == 2)
        assert until(next_frame_has_a_gap)
    assert until(lambda: bool(source.outage))
    before = source.gaps
    with camera(content, port):
        assert until(lambda: source.gaps > before)
    assert source.gap_seconds > 0
    threads = threading.active_count()
    source.close()
    assert threading.active_count() == threads - 1


def test_a_missing_camera_is_waited_for():
    with open_source("99", FORMAT) as source:
        assert until(lambda: source.outage not in ("connecting", ""))
        assert not source.done


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def test_a_video_file_over_http_is_played_at_its_own_speed_and_ends(tmp_path, frames_of):
    with VideoWriter(tmp_path / "street.mp4", 10) as writer:
        for frame in frames_of(3, 30):
            writer.write(frame)
    handler = partial(QuietHandler, directory=str(tmp_path))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/street.mp4"
        with open_source(url, FORMAT) as source:
            frames = list(source)
    finally:
        server.shutdown()
        server.server_close()
    assert len(frames) + source.dropped == 30
    assert source.gaps == 0
    assert frames[-1].time - frames[0].time == pytest.approx(2.9, abs=0.5)
    assert len(frames) > 20


class Camera(BaseHTTPRequestHandler):
    """Sends a JPEG picture at each request of `/snap.jpg`, and Motion JPEG at all others.

    The length of a picture is not stated. Each third picture of Motion JPEG is broken.
    """

    requests = 0

    def log_message(self, *_):
        pass

    def do_GET(self):
        type(self).requests += 1
        self.send_response(200)
        if self.path.startswith("/snap.jpg"):
            self.send_header("Content-Type", "image/jpeg")
            self.end_headers()
            self.wfile.write(self.picture(self.requests))
            return
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=b")
        self.end_headers()
        for index in range(10_000):
            part = bytes(300) if index % 3 == 1 else self.picture(index)
            head = f"--b\r\nContent-Type: image/jpeg\r\nContent-Length: {len(part)}\r\n\r\n"
            with suppress(OSError):
                self.wfile.write(head.encode() + part + b"\r\n")
            time.sleep(0.02)

    @staticmethod
    def picture(index: int) -> bytes:
        image, content = np.random.default_rng(index).integers(0, 255, (99, 99, 3)), io.BytesIO()
        Image.fromarray(image.astype(np.uint8)).save(content, "jpeg")
        return content.getvalue()


@pytest.fixture
def http_camera():
    Camera.requests = 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), Camera)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.socket.close()


def test_an_address_of_single_pictures_is_read_again_and_again(http_camera):
    with open_source(f"{http_camera}/snap.jpg", FORMAT, 20.0) as source:
        assert until(lambda: source.next_frame() is not None)
        assert until(lambda: Camera.requests > 8)
        assert (source.done, source.outage, source.gaps, source.damaged) == (False, "", 0, 0)


def test_broken_pictures_are_left_out_without_a_new_connection(http_camera):
    with open_source(f"{http_camera}/video", FORMAT) as source:
        assert until(lambda: source.damaged > 5)
        assert until(lambda: source.next_frame() is not None)
        assert (source.done, source.outage, source.gaps) == (False, "", 0)
    assert Camera.requests == 1
