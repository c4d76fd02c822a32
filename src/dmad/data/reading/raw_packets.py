"""Finds damage in raw streams (.h264, .mjpeg) that decoders do not report."""

from __future__ import annotations

import re

# In H.264 and H.265, four or more zero bytes are possible only before a byte of 1, which begins the
# next unit. `{4,}` would need quadratic time for long runs of zeros.
ZEROS = re.compile(rb"\0{4}[^\0\1]")
MARKERS = re.compile(rb"\xff[\xd8\xd9]")  # start and end of a JPEG picture, also of a thumbnail


class RawPackets:
    """Finds the damaged packets of a raw stream. Give it all packets in their order.

    Each packet of an MJPEG stream is compared with the first one, because FFmpeg may return several
    pictures as one packet where the stream is damaged.

    Args:
        codec: FFmpeg's name of the codec.
    """

    def __init__(self, codec: str) -> None:
        self._codec = codec
        self._markers: list[bytes] = []  # the start and end markers in the first JPEG packet

    def is_damaged(self, packet: bytes) -> bool:
        """True if a packet is certainly damaged; False if it seems to be intact."""
        if self._codec in ("h264", "hevc"):
            return bool(ZEROS.search(packet))
        if self._codec == "mjpeg":
            markers = MARKERS.findall(packet)
            self._markers = self._markers or markers
            return markers != self._markers
        return False
