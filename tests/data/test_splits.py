from dataclasses import replace

import numpy as np
import pytest

from dmad.config import VideoDataConfig
from dmad.data.footage import footage_from_arrays
from dmad.data.splits import MIXED_PREFIX, hold_out, load_split
from dmad.data.synthetic.anomalies import sequences
from dmad.errors import DmadError


def footage(*lengths: int):
    return footage_from_arrays([np.full((n, 16, 16, 1), i, np.uint8) for i, n in enumerate(lengths)], 10)


def spans(part) -> list[tuple[int, int]]:
    return [(clip.start, clip.length) for clip in part.clips]


def test_whole_clips_evenly_spread():
    train, held = hold_out(footage(*[10] * 16), 0.125, 4)
    assert [clip.name for clip in held.clips] == ["004", "012"]
    assert len(train.clips) == 14
    assert not set(spans(train)) & set(spans(held))


def test_each_view_gives_clips_and_mixed_events_none():
    whole = footage(*[10] * 18)
    views = ["a"] * 8 + ["b"] * 8 + ["a"] * 2
    clips = [replace(clip, scene=view) for clip, view in zip(whole.clips, views, strict=True)]
    clips[16:] = [replace(clip, name=f"{MIXED_PREFIX}{clip.name}") for clip in clips[16:]]
    train, held = hold_out(replace(whole, clips=tuple(clips)), 0.125, 4)
    assert held.clips == (clips[4], clips[12])
    assert list(train.clips) == [clip for clip in clips if clip not in held.clips]


@pytest.mark.parametrize("lengths", [(80,), (80, 40), (80, 40, 48)])
def test_few_clips_give_their_ends(lengths):
    whole = footage(*lengths)
    train, held = hold_out(whole, 0.125, 4)
    assert [clip.length for clip in held.clips] == [n // 8 for n in lengths]
    for clip, first, last in zip(whole.clips, train.clips, held.clips, strict=True):
        assert first.start == clip.start
        assert first.start + first.length == last.start
        assert last.start + last.length == clip.start + clip.length


def test_clips_too_short_to_cut_stay_whole():
    train, held = hold_out(footage(12, 80), 0.125, 4)
    assert [clip.length for clip in train.clips] == [12, 70]
    assert [clip.length for clip in held.clips] == [10]


def test_no_view_gives_all_its_clips():
    whole = footage(40, 40, 40)
    clips = [replace(c, scene=s) for c, s in zip(whole.clips, ("a", "b", "b"), strict=True)]
    train, held = hold_out(replace(whole, clips=tuple(clips)), 0.6, 4)
    assert {clip.scene for clip in train.clips} == {clip.scene for clip in held.clips} == {"a", "b"}


def test_of_few_images_three_are_kept():
    for count, kept in ((5, 1), (6, 3), (10, 3), (40, 5)):
        train, held = hold_out(footage(*[1] * count), 0.125, 0)
        assert (len(train.clips), len(held.clips)) == (count - kept, kept)


def test_an_image_is_not_cut_into_its_tiles():
    whole = footage(9, 9, 9)
    assert hold_out(whole, 0.125, 0, tiles=3) == (whole, replace(whole, clips=()))
    train, held = hold_out(footage(*[9] * 6), 0.125, 0, tiles=3)
    assert {clip.length for clip in (*train.clips, *held.clips)} == {9}


@pytest.mark.parametrize("length", [32, 40])
def test_an_end_holds_a_window_or_there_is_none(length):
    _, held = hold_out(footage(length), 0.125, 4)
    ends = {32: [], 40: [5]}  # an eighth is 4 and 5 frames, of which a window has 5
    assert [clip.length for clip in held.clips] == ends[length]


@pytest.mark.parametrize(("lengths", "history"), [([10, 10], 4), ([1] * 8, 0)])
def test_nothing_is_held_out_unless_asked(lengths, history):
    train, held = hold_out(footage(*lengths), 0, history)
    assert len(train.clips) == len(lengths)
    assert held.clips == ()


def test_splits_of_a_folder(normal_data):
    data = VideoDataConfig(root=normal_data, size=32, channels=1, history=2, held_out=0.4)
    whole = load_split(replace(data, held_out=0), "train")
    parts = [load_split(data, split) for split in ("train", "held_out")]
    counts = [sum(clip.length for clip in p.footage.clips) for p in (whole, *parts)]
    assert counts[0] == counts[1] + counts[2]
    with pytest.raises(DmadError, match=r"--data\.held_out 0"):
        load_split(replace(data, held_out=0), "held_out")


def walkers(seed: int = 0):
    """A bright block that goes right, one pixel a frame, over grain."""
    ground = np.random.default_rng(seed).integers(60, 90, (48, 48, 1), np.uint8)
    clips = []
    for row in (10, 26):
        frames = np.repeat(ground[None], 40, 0)
        for t, frame in enumerate(frames):
            frame[row : row + 8, t : t + 4] = 230
        clips.append(frames)
    return footage_from_arrays(clips)


@pytest.mark.parametrize("kind", ["normal", "fast", "large"])
def test_synthetic_windows(kind):
    made = sequences(walkers(), 4, 6, kind).frames
    assert made.shape == (6, 5, 48, 48, 1)
    assert made.dtype == np.uint8
    np.testing.assert_array_equal(made, sequences(walkers(), 4, 6, kind).frames)
    assert not np.array_equal(made, sequences(walkers(), 4, 6, kind, seed=100).frames)


def bright(made: np.ndarray) -> np.ndarray:
    """Bright pixels that newly appear from one frame to the next, (count,)."""
    on = made[..., 0] > 160
    return (on[:, 1:] & ~on[:, :-1]).sum((1, 2, 3))


def test_fast_things_move_further_and_large_ones_are_larger():
    normal, fast, large = (
        sequences(walkers(), 4, 12, k).frames for k in ("normal", "fast", "large")
    )
    assert bright(fast).mean() > 1.5 * bright(normal).mean()
    assert (large > 160).mean() > (fast > 160).mean()


def test_abnormal_windows_change_one_place_alone():
    normal, fast = (sequences(walkers(), 4, 8, kind).frames for kind in ("normal", "fast"))
    changed = (normal != fast).any((1, 4))
    assert 0 < changed.mean() < 0.5


def test_what_is_pasted_is_of_the_same_view():
    clips = [np.full((40, 32, 32, 1), grey, np.uint8) for grey in (20, 200)]
    whole = footage_from_arrays(clips)
    views = tuple(replace(c, scene=s) for c, s in zip(whole.clips, ("dark", "bright"), strict=True))
    made = sequences(replace(whole, clips=views), 4, 12, "fast")
    assert set(made.scenes) == {"dark", "bright"}
    for frames, scene in zip(made.frames, made.scenes, strict=True):
        assert (frames == {"dark": 20, "bright": 200}[scene]).all()
