"""Which normal clips are trained on, and which are held out for a threshold."""

from dataclasses import replace

import numpy as np
import pytest

from dmad.config import ImageDataConfig, VideoDataConfig
from dmad.data.footage import Footage, footage_from_arrays
from dmad.data.splits import MIXED_PREFIX, hold_out, load_split
from dmad.errors import DmadError

IMAGES = ImageDataConfig(held_out=0.125)


def settings(held_out: float = 0.125, history: int = 4) -> VideoDataConfig:
    return VideoDataConfig(held_out=held_out, history=history)


def footage(*lengths: int) -> Footage:
    frames = [np.full((n, 16, 16, 1), i, np.uint8) for i, n in enumerate(lengths)]
    return footage_from_arrays(frames, 10)


def spans_of(part: Footage) -> list[tuple[int, int]]:
    return [(clip.start, clip.length) for clip in part.clips]


def test_whole_clips_are_held_out_evenly_spread():
    train, held = hold_out(footage(*[10] * 16), settings())
    assert [clip.name for clip in held.clips] == ["004", "012"]
    assert len(train.clips) == 14
    assert not set(spans_of(train)) & set(spans_of(held))


def test_clips_of_each_view_are_held_out_but_no_mixed_clips():
    whole = footage(*[10] * 18)
    views = ["a"] * 8 + ["b"] * 8 + ["a"] * 2
    clips = [replace(clip, scene=view) for clip, view in zip(whole.clips, views, strict=True)]
    clips[16:] = [replace(clip, name=f"{MIXED_PREFIX}{clip.name}") for clip in clips[16:]]
    train, held = hold_out(replace(whole, clips=tuple(clips)), settings())
    assert held.clips == (clips[4], clips[12])
    assert list(train.clips) == [clip for clip in clips if clip not in held.clips]


@pytest.mark.parametrize("lengths", [(80,), (80, 40), (80, 40, 48)])
def test_the_ends_of_clips_are_held_out_if_there_are_few(lengths):
    whole = footage(*lengths)
    train, held = hold_out(whole, settings())
    assert [clip.length for clip in held.clips] == [n // 8 for n in lengths]
    for clip, first, last in zip(whole.clips, train.clips, held.clips, strict=True):
        assert first.start == clip.start
        assert first.start + first.length == last.start
        assert last.start + last.length == clip.start + clip.length


def test_clips_too_short_to_split_stay_whole():
    train, held = hold_out(footage(12, 80), settings())
    assert [clip.length for clip in train.clips] == [12, 70]
    assert [clip.length for clip in held.clips] == [10]


def test_no_view_loses_all_its_clips():
    whole = footage(40, 40, 40)
    clips = [replace(c, scene=s) for c, s in zip(whole.clips, ("a", "b", "b"), strict=True)]
    train, held = hold_out(replace(whole, clips=tuple(clips)), settings(held_out=0.6))
    assert {clip.scene for clip in train.clips} == {clip.scene for clip in held.clips} == {"a", "b"}


def test_at_least_three_of_six_or_more_images_are_held_out():
    for count, kept in ((5, 1), (6, 3), (10, 3), (40, 5)):
        train, held = hold_out(footage(*[1] * count), IMAGES)
        assert (len(train.clips), len(held.clips)) == (count - kept, kept)


def test_the_tiles_of_an_image_stay_together():
    whole = footage(9, 9, 9)
    train, held = hold_out(whole, replace(IMAGES, tiles=3))
    assert (train.clips, held.clips) == (whole.clips, ())
    train, held = hold_out(footage(*[9] * 6), replace(IMAGES, tiles=3))
    assert {clip.length for clip in (*train.clips, *held.clips)} == {9}


@pytest.mark.parametrize("length", [32, 40])
def test_a_held_out_end_is_at_least_one_window(length):
    _, held = hold_out(footage(length), settings())
    ends = {32: [], 40: [5]}  # an eighth is 4 or 5 frames, and a window has 5 frames
    assert [clip.length for clip in held.clips] == ends[length]


@pytest.mark.parametrize(("lengths", "history"), [([10, 10], 4), ([1] * 8, 0)])
def test_a_share_of_0_holds_out_nothing(lengths, history):
    train, held = hold_out(footage(*lengths), settings(held_out=0.0, history=history))
    assert len(train.clips) == len(lengths)
    assert held.clips == ()


def test_training_and_held_out_clips_together_are_all_normal_clips(normal_data):
    data = VideoDataConfig(root=normal_data, size=32, channels=1, history=2, held_out=0.4)
    whole = load_split(replace(data, held_out=0), "train")
    parts = [load_split(data, split) for split in ("train", "held_out")]
    counts = [sum(clip.length for clip in p.footage.clips) for p in (whole, *parts)]
    assert counts[0] == counts[1] + counts[2]
    with pytest.raises(DmadError, match=r"--data\.held_out 0"):
        load_split(replace(data, held_out=0), "held_out")


def test_images_that_are_left_out_are_reported_once(write_image, load_images, logged):
    for i in range(16):
        write_image(f"good/{i}.png", i)
    write_image("loose.png")
    load_images("train", held_out=0.125)
    assert "1 images left out" in logged()
    load_images("held_out", held_out=0.125)
    assert logged() == ""
