"""Finds the index of each decoded frame, so that labels stay in place if frames are damaged."""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush
from typing import Any

import av

from dmad.data.reading.raw_packets import RawPackets
from dmad.data.reading.video_header import (
    VideoHeader,
    is_grid,
    is_shown,
    is_timed,
    packet_time,
)

CHUNK_HEADER = 8  # bytes of an AVI chunk before its content
MOST_BETWEEN = 100  # bytes; in an intact MKV file, two packets are not farther apart
LONGEST_DAMAGE = 10.0  # seconds; a longer gap is a pause of the camera


class FramePlaces:
    """Finds out how many frames are missing before each decoded frame.

    In an AVI file, an empty chunk repeats the frame before it. Such repeated frames count as
    missing. In other videos, frames are missing only after damage. Their number is found in two
    ways: from the timestamps of all packets, and from the frame rate. A way is used only if it gave
    the right index for all frames before the first damage. Some files (MKV, TS) do not state their
    number of packets. For these files, the timestamps alone are not enough, because damaged packets
    may be lost.

    Args:
        container: The opened video.
        stream: Its video track.
        header: What is known about the video before its frames are decoded.
    """

    def __init__(
        self, container: av.container.InputContainer, stream: av.VideoStream, header: VideoHeader
    ) -> None:
        self.damage: list[str] = []  # a reason for each damaged packet or frame
        self.count = 0  # number of frames so far; missing frames count too
        self.packets = 0  # number of packets so far; packets without a shown frame count too
        self._stream = stream
        self._is_grid, self._is_timed = is_grid(container), is_timed(container)
        self._raw = None if self._is_timed else RawPackets(stream.codec_context.name)
        self._lists_packets = stream.frames > 0  # True if the header states the number of packets
        self._longest = LONGEST_DAMAGE * header.fps  # the same in frames
        self._start: int | None = None  # time of frame 0
        self._last = 0  # time of the last frame
        self._last_dts = -(2**63)  # time of decoding of the last packet
        self._start_of_video: int | None = None  # time of the first packet that can be shown
        self._may_begin_between_keyframes = container.format.name == "mpegts"
        self._entry = 0  # index entry of the last packet of an AVI file
        self._block = -1  # position of the last packet in the file
        self._read_until = 0  # position in the file after the last packet
        self._waiting: list[int] = []  # times of packets whose frame is not decoded yet; a heap
        self._joined: deque[list[int]] = deque()  # the same for each later recording in the file
        self._passed = 0  # number of packets up to the last frame
        self._frames_per_tick = header.fps * float(stream.time_base or 0)
        self._use_packets = self._is_timed and not self._is_grid
        self._use_rate = self._is_timed and not self._is_grid and header.is_regular
        self._intact_after_damage = 0  # number of packets; 0 if the video is only cut off
        self._lost_place = False  # True if the number of missing frames is not known somewhere

    def add_packet(self, packet: av.Packet[av.VideoStream]) -> None:
        """Remember the time of the next packet, and whether the packet is damaged.

        Call this before the packet is decoded.
        """
        if not packet.size:
            return
        if self._is_grid:
            self._correct_place(packet)
        time = packet_time(packet)
        if not self.packets and (packet.is_keyframe or not self._may_begin_between_keyframes):
            self._start_of_video = time
        self.packets += 1
        if packet.dts is not None:
            if packet.dts < self._last_dts:  # times step back: another recording begins
                self._joined.append([])
            self._last_dts = packet.dts
        is_damaged = packet.is_corrupt or (self._raw and self._raw.is_damaged(bytes(packet)))
        self._intact_after_damage += bool(self.damage) and not is_damaged
        if is_damaged:
            self.damage.append("a damaged packet")
        if time is not None and is_shown(packet):
            heappush(self._joined[-1] if self._joined else self._waiting, time)

    def add_position(self, packet: av.Packet[Any]) -> None:
        """Use the position of the next packet (video or sound) in an MKV file to find lost packets.

        FFmpeg skips a damaged part of the file and reports nothing. Such a part leaves a gap
        between the positions of two packets.
        """
        if packet.pos is None or not packet.size:
            return
        if packet.pos == self._block:  # a block may contain several packets of sound
            self._read_until += packet.size
            return
        if 0 < self._read_until < packet.pos - MOST_BETWEEN:
            self.damage.append("lost packets")
        self._block, self._read_until = packet.pos, packet.pos + packet.size

    def _correct_place(self, packet: av.Packet[av.VideoStream]) -> None:
        """Set the time of a chunk of an AVI file to the time in the file's index.

        FFmpeg only counts the chunks, so its times are wrong after lost chunks.
        """
        index, position = self._stream.index_entries, packet.pos
        if position is None:
            return
        while self._entry < len(index) and index[self._entry].pos + CHUNK_HEADER < position:
            self._entry += 1
        if self._entry == len(index) or index[self._entry].pos + CHUNK_HEADER != position:
            return
        place = index[self._entry].timestamp
        if packet.dts != place:
            self.damage.append("lost packets")
            packet.dts = packet.pts = place

    def missing_before(self, frame: av.VideoFrame) -> int:
        """How many frames are missing before a decoded frame.

        The result is -1 if an earlier frame already has the same index. The frame's timestamp is
        corrected in an AVI file, and removed in a raw stream (.h264). Such files do not store the
        times at which frames are shown.
        """
        if frame.is_corrupt and self.count:
            self.damage.append("a damaged frame")
        self._correct_time(frame)
        missing = 0
        if frame.pts is None:
            self._use_packets = self._use_rate = False
            self._lost_place = self._lost_place or bool(self.damage)
        else:
            if self._start is None:
                self._set_start(frame.pts)
            elif frame.pts < self._last and self._joined:
                self._start_again(frame.pts)
                self._last = frame.pts - 1
            is_late = bool(self.damage) and self.count > 0 and frame.pts <= self._last
            missing = -1 if is_late else max(-1, self._place(frame.pts) - self.count)
            self._last = max(self._last, frame.pts) if is_late else frame.pts
        self.count += missing + 1
        return missing

    def missing_at_end(self) -> int:
        """How many frames are missing after the last decoded frame, as far as known."""
        missing = len(self._waiting) if self.damage and self._use_packets and self.count else 0
        self.count += missing
        return missing

    @property
    def are_unknown(self) -> bool:
        """True if frames may be missing and it is not known where."""
        if not self.damage or not self._intact_after_damage:
            return False
        if self._is_grid:
            return self._stream.codec_context.has_b_frames or self.count != self._stream.frames
        return self._lost_place or not self._is_timed

    def _correct_time(self, frame: av.VideoFrame) -> None:
        if not self._is_timed:
            frame.pts = None
        elif self._is_grid:  # only the time of decoding is stored
            frame.pts = self._last + 1 if frame.dts is None else frame.dts

    def _set_start(self, time: int) -> None:
        """Set the time of frame 0, when the first frame is decoded.

        After damage, the time of frame 0 is the time of the first packet, if that is known.
        Otherwise, the first decoded frame is frame 0.

        Args:
            time: Time of the first decoded frame.
        """
        self._start = time
        if self.damage and self._is_grid and len(self._stream.index_entries):
            self._start = self._stream.index_entries[0].timestamp
        if self.damage and self._start_of_video is not None and self._use_packets:
            self._start = self._start_of_video
        while self._waiting and self._waiting[0] < self._start:
            heappop(self._waiting)  # its frame cannot be decoded: the keyframe before is missing

    def _start_again(self, time: int) -> None:
        """Begin another recording in the same file. The indices of the frames continue.

        Args:
            time: Time of the first frame of the new recording. It is earlier than the time of the
                last frame of the recording before.
        """
        if self._frames_per_tick:
            self._start = time - round(self.count / self._frames_per_tick)
        self._waiting, self._passed = self._joined.popleft(), self.count
        while self._waiting and self._waiting[0] < time:
            heappop(self._waiting)

    def _place(self, time: int) -> int:
        """The index of the frame with this time."""
        assert self._start is not None
        by_packets = self._packets_before(time)
        by_rate = round((time - self._start) * self._frames_per_tick)
        if self._is_grid:
            place, end = time - self._start, self._stream.frames or self.count + self._longest
            return place if self.count < place < end else self.count
        if not self.damage:
            self._use_packets = self._use_packets and by_packets == self.count
            self._use_rate = self._use_rate and by_rate == self.count
            return self.count
        self._use_rate = self._use_rate and by_rate - self.count <= self._longest
        if not (self._use_rate or (self._use_packets and self._lists_packets)):
            self._lost_place = True
            return self.count
        return max(by_packets * self._use_packets, by_rate * self._use_rate)

    def _packets_before(self, time: int) -> int:
        """The number of packets with an earlier time."""
        while self._waiting and self._waiting[0] < time:
            heappop(self._waiting)
            self._passed += 1
        before = self._passed
        if self._waiting and self._waiting[0] == time:
            heappop(self._waiting)
            self._passed += 1
        return before
