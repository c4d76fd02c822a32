"""Clips of footage: their frames, rates, views and fingerprints."""

from dataclasses import replace

import numpy as np
import pytest

from dmad.data.footage import (
    Footage,
    LabelledFootage,
    clip_digest,
    count_fits,
    fingerprint,
    footage_from_arrays,
    frame_rate,
    same_rate,
    scene_of_frames,
    thin,
    without_repeats,
)


def grey(*levels: int) -> Footage:
    """A clip of two frames for each grey level."""
    return footage_from_arrays([np.full((2, 4, 4, 1), level, np.uint8) for level in levels], 10)


def test_arrays_become_clips_one_after_the_other():
    footage = footage_from_arrays([np.zeros((3, 4, 4, 1)), np.ones((2, 4, 4, 1))], 10)
    assert [(clip.name, clip.start, clip.length) for clip in footage.clips] == [
        ("000", 0, 3),
        ("001", 3, 2),
    ]
    assert (footage.frames[footage.clips[1].span] == 1).all()


def test_views_of_labelled_footage_are_sorted():
    footage = grey(1, 2, 3)
    clips = [replace(c, scene=s) for c, s in zip(footage.clips, "bab", strict=True)]
    labelled = LabelledFootage(replace(footage, clips=tuple(clips)), None, "")
    assert labelled.scenes == ("a", "b")
    indices = scene_of_frames(labelled.footage, ("a",))
    assert indices.tolist() == [-1, -1, 0, 0, -1, -1]


def test_repeated_and_known_clips_count_once(logged):
    footage = grey(1, 2, 1, 3)
    known = clip_digest(footage, footage.clips[3])
    assert [clip.name for clip in without_repeats(footage, [known]).clips] == ["000", "001"]
    assert "2 of 4 clips were given before" in logged()
    assert without_repeats(grey(1, 2)).clips == grey(1, 2).clips
    assert logged() == ""


def test_the_digest_of_a_clip_does_not_depend_on_its_name():
    footage = grey(1)
    (clip,) = footage.clips
    assert clip_digest(footage, clip) == clip_digest(footage, replace(clip, name="other"))


def test_the_fingerprint_depends_on_frames_and_names():
    footage = grey(1, 2)
    renamed = tuple(replace(clip, name=f"{clip.name}-2") for clip in footage.clips)
    prints = [footage, grey(1, 2), grey(1, 3), replace(footage, clips=renamed)]
    assert len({fingerprint(each) for each in prints}) == 3


def test_the_first_stated_frame_rate_counts():
    clips = grey(1, 2).clips
    unknown = replace(clips[0], fps=0.0)
    assert frame_rate([unknown, clips[1]], 25.0) == 10
    assert frame_rate([unknown], 25.0) == 25


@pytest.mark.parametrize(("rate", "same"), [(25.0, True), (27.4, True), (27.5, False)])
def test_rates_within_a_tenth_are_the_same(rate, same):
    assert same_rate(rate, 25.0) == same


def test_only_a_clip_that_lost_its_end_may_have_more_labels():
    assert count_fits(5, 5, cut=False)
    assert count_fits(6, 5, cut=True)
    assert not count_fits(6, 5, cut=False)
    assert not count_fits(4, 5, cut=True)


def test_items_are_thinned_evenly():
    assert thin(np.arange(100), 3).tolist() == [0, 50, 99]
    assert thin(np.arange(3), 0).tolist() == thin(np.arange(3), 9).tolist() == [0, 1, 2]
