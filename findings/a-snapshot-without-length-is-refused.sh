#!/usr/bin/env bash
# What most people expect: if FFmpeg (PyAV) opens the snapshot of a camera, such as
# http://camera/snap.jpg, it reads the whole picture, as a browser does. A server may leave out
# the header Content-Length and close the connection at the end of the picture instead.
#
# What is true: if the address ends in .jpg and the length is not stated, FFmpeg reports "Invalid
# data found", although the picture is whole. With a ? at the end of the same address, it is read:
# FFmpeg then finds the kind of file by its content (jpeg_pipe), not by its name (image2). Very
# small pictures, such as those of a quick test, are read in both ways.
#
# Where it matters: cameras with small web servers, which often state no length. The snapshot opens
# in a browser, and a program that watches the camera says that the picture is damaged.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet av==18.1.0 numpy==2.4.6 pillow==12.1.0
"$folder/venv/bin/python" - <<'PYTHON'
import io
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import av
import numpy as np
from PIL import Image

av.logging.set_level(None)
print("av", av.__version__, "libavformat", av.library_versions["libavformat"])



def snapshot(side):
    pixels = np.random.default_rng(0).integers(0, 255, (side, side, 3), np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "jpeg", quality=90)
    return content.getvalue()


pictures = {"small": snapshot(24), "large": snapshot(256)}


class Camera(BaseHTTPRequestHandler):
    def do_GET(self):
        picture = pictures["small" if "small" in self.path else "large"]
        self.send_response(200)
        self.send_header("Content-Type", "image/jpeg")
        if "length" in self.path:
            self.send_header("Content-Length", str(len(picture)))
        self.end_headers()
        self.wfile.write(picture)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Camera)
Thread(target=server.serve_forever, daemon=True).start()


def read(path):
    """How FFmpeg reads an address: the name of its demuxer, and the result."""
    with av.open(f"http://127.0.0.1:{server.server_port}{path}", timeout=10) as container:
        try:
            frame = next(container.decode(video=0))
        except av.error.InvalidDataError as error:
            return container.format.name, error.strerror
        return container.format.name, f"a frame of {frame.width} x {frame.height} pixels"


sizes = {name: len(picture) for name, picture in pictures.items()}
print(f"bytes of the pictures: {sizes}")
paths = ("/small/snap.jpg", "/large/snap.jpg", "/large/snap.jpg?", "/large/length/snap.jpg")
results = {path: read(path) for path in paths}
for path, (demuxer, result) in results.items():
    print(f"{path:24s} {demuxer:10s} {result}")

whole = "a frame of 256 x 256 pixels"
as_described = (
    results["/small/snap.jpg"][1].startswith("a frame")
    and results["/large/snap.jpg"] == ("image2", "Invalid data found when processing input")
    and results["/large/snap.jpg?"] == ("jpeg_pipe", whole)
    and results["/large/length/snap.jpg"] == ("image2", whole)
)
sys.exit(0 if as_described else "the behaviour has changed")
PYTHON
