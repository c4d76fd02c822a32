"""A camera of the network for tests: an endless Motion JPEG stream over HTTP."""

import io
import threading
import time
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
from PIL import Image


def jpeg_of(image: np.ndarray, side: int = 256) -> bytes:
    """A picture of a camera, `side` pixels high and wide, from a frame (h, w, 1)."""
    file, picture = io.BytesIO(), Image.fromarray(np.repeat(image, 3, 2))
    picture.resize((side, side), 0).save(file, "JPEG", quality=95)
    return file.getvalue()


def with_board(frames: np.ndarray) -> np.ndarray:
    """Frames (N, 32, 32, 1) with a checkerboard in the lower right corner."""
    changed = frames.copy()
    changed[:, 20:30, 20:30, 0] = 255 * (np.indices((10, 10)).sum(0) % 2)
    return changed


class FakeCamera:
    """Sends JPEG pictures in a loop, each client from the first picture on.

    Args:
        pictures: The pictures as JPEG files.
        fps: Pictures per second.
        choose: Called with the index of each picture; returns the picture to send instead.
    """

    def __init__(
        self,
        pictures: Sequence[bytes],
        fps: float,
        choose: Callable[[int], bytes] | None = None,
    ) -> None:
        camera = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                camera.stream(self)

            def log_message(self, *_: object) -> None:
                pass

        self.pictures, self.fps, self.choose = pictures, fps, choose
        self.stopped = False
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/stream.mjpg"

    def stream(self, handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        handler.end_headers()
        start, index = time.monotonic(), 0
        try:
            while not self.stopped:
                picture = self.pictures[index % len(self.pictures)]
                if self.choose:
                    picture = self.choose(index)
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}"
                handler.wfile.write(head.encode() + b"\r\n\r\n" + picture + b"\r\n")
                index += 1
                time.sleep(max(0.0, start + index / self.fps - time.monotonic()))
        except OSError:  # the client has gone
            return

    def close(self) -> None:
        self.stopped = True
        self._server.shutdown()
        self._server.server_close()
