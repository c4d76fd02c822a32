"""Damage in raw streams is found even if decoders do not report it."""

import time

from films import damage, write_film

from dmad.data.reading.raw_packets import RawPackets

PICTURE = b"\xff\xd8 header \xff\xd8 thumbnail \xff\xd9 pixels \xff\xd9"


def test_zeros_inside_a_picture_are_damage(tmp_path):
    path = write_film(tmp_path / "film.h264")
    check = RawPackets("h264")
    assert not check.is_damaged(path.read_bytes())
    damage(path, 9)
    assert check.is_damaged(path.read_bytes())


def test_zeros_before_the_next_unit_are_no_damage():
    assert not RawPackets("hevc").is_damaged(b"\x40data" + bytes(64) + b"\1\x40data" + bytes(9))


def test_a_long_run_of_zeros_is_searched_in_a_moment():
    start = time.monotonic()
    assert not RawPackets("h264").is_damaged(b"\1data" + bytes(10**6))
    assert time.monotonic() - start < 5


def test_each_jpeg_picture_has_one_start_and_end_like_the_first():
    check = RawPackets("mjpeg")
    assert not check.is_damaged(PICTURE)
    assert not check.is_damaged(PICTURE)
    assert check.is_damaged(PICTURE + PICTURE[4:])
    assert check.is_damaged(PICTURE[:-2])


def test_streams_of_other_codecs_are_not_checked():
    assert not RawPackets("mpeg4").is_damaged(bytes(99))
