"""Synthetic anomalies of video: local, repeatable, faster or larger, and of the same view."""

from dataclasses import replace

import numpy as np
import pytest

from dmad.data.footage import Footage, footage_from_arrays
from dmad.data.synthetic.anomalies import sequences


def walkers(seed: int = 0) -> Footage:
    """Two clips with a bright block that moves right by one pixel a frame."""
    ground = np.random.default_rng(seed).integers(60, 90, (48, 48, 1), np.uint8)
    clips = []
    for row in (10, 26):
        frames = np.repeat(ground[None], 40, 0)
        for t, frame in enumerate(frames):
            frame[row : row + 8, t : t + 4] = 230
        clips.append(frames)
    return footage_from_arrays(clips)


@pytest.mark.parametrize("kind", ["normal", "fast", "large"])
def test_sequences_are_the_same_for_the_same_seed(kind):
    made = sequences(walkers(), 4, 6, kind).frames
    assert made.shape == (6, 5, 48, 48, 1)
    assert made.dtype == np.uint8
    np.testing.assert_array_equal(made, sequences(walkers(), 4, 6, kind).frames)
    assert not np.array_equal(made, sequences(walkers(), 4, 6, kind, seed=100).frames)


def new_bright_pixels(made: np.ndarray) -> np.ndarray:
    """Number (count,) of pixels that become bright from one frame to the next."""
    on = made[..., 0] > 160
    return (on[:, 1:] & ~on[:, :-1]).sum((1, 2, 3))


def test_fast_things_move_further_and_large_ones_are_larger():
    normal, fast, large = (
        sequences(walkers(), 4, 12, k).frames for k in ("normal", "fast", "large")
    )
    assert new_bright_pixels(fast).mean() > 1.5 * new_bright_pixels(normal).mean()
    assert (large > 160).mean() > (fast > 160).mean()


def test_only_one_place_is_changed():
    normal, fast = (sequences(walkers(), 4, 8, kind).frames for kind in ("normal", "fast"))
    changed = (normal != fast).any((1, 4))
    assert 0 < changed.mean() < 0.5


def test_the_changed_place_is_from_the_same_view():
    clips = [np.full((40, 32, 32, 1), grey, np.uint8) for grey in (20, 200)]
    whole = footage_from_arrays(clips)
    views = tuple(replace(c, scene=s) for c, s in zip(whole.clips, ("dark", "bright"), strict=True))
    made = sequences(replace(whole, clips=views), 4, 12, "fast")
    assert set(made.scenes) == {"dark", "bright"}
    for frames, scene in zip(made.frames, made.scenes, strict=True):
        assert (frames == {"dark": 20, "bright": 200}[scene]).all()


def test_other_kinds_change_the_same_normal_sequences():
    normal = sequences(walkers(), 4, 3, "normal").frames
    fast = sequences(walkers(), 4, 3, "fast").frames
    assert (normal == fast).mean() > 0.5
