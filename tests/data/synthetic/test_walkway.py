"""The walkway: people near and far, slow light, and anomalies with masks."""

from itertools import pairwise

import numpy as np
import pytest

from dmad.data.synthetic.figures import Canvas, Part, Path, place
from dmad.data.synthetic.walkway import (
    FPS,
    HEIGHT,
    KINDS,
    VISIBLE,
    WIDTH,
    Walkway,
    _paint,
    shots,
)

SHORT = Walkway(frames=30)


def test_a_clip_is_the_same_each_time_and_another_clip_differs() -> None:
    first, again, other, test = (
        np.stack([shot.image for shot in shots(SHORT, split, index)])
        for split, index in (("training", 0), ("training", 0), ("training", 1), ("testing", 0))
    )
    assert first.shape == (30, HEIGHT, WIDTH, 3)
    assert first.dtype == np.uint8
    assert (first == again).all()
    assert (first != other).any()
    assert (first != test).any()


def test_a_normal_clip_has_no_mask() -> None:
    assert not any(shot.mask.any() for shot in shots(SHORT, "testing", 3))


@pytest.mark.parametrize("kind", KINDS)
def test_each_anomaly_is_visible_and_has_a_mask(kind: str) -> None:
    """A clip of 20 seconds has one anomaly. Its kind changes from clip to clip."""
    walkway = Walkway(frames=round(20 * FPS), people=0, noise=0)
    clip = list(shots(walkway, "testing", KINDS.index(kind), abnormal=True))
    normal = shots(walkway, "testing", KINDS.index(kind))
    marked = [int(shot.mask.sum()) for shot in clip]
    assert 10 < np.count_nonzero(marked) < len(clip)
    assert min(count for count in marked if count) >= VISIBLE
    for abnormal, plain in zip(clip, normal, strict=True):
        if abnormal.mask.any():
            changed = abnormal.image.astype(int) != plain.image
            assert changed.any(-1)[abnormal.mask].mean() > 0.9


def test_the_light_changes_slowly() -> None:
    walkway = Walkway(frames=1000, people=0, noise=0)
    means = np.array([shot.image.mean() for shot in shots(walkway, "training", 0)])
    assert np.ptp(means) > 1
    assert np.abs(np.diff(means)).max() < 0.3


def test_the_camera_shakes_for_two_seconds() -> None:
    walkway = Walkway(frames=200, people=0, noise=0)
    images = [shot.image.astype(int) for shot in shots(walkway, "testing", 1, shaken=True)]
    changes = np.array([np.abs(b - a).mean() for a, b in pairwise(images)])
    moved = np.flatnonzero(changes > 1)
    assert 30 < len(moved) <= 52
    assert np.ptp(moved) <= 52


def test_figures_are_painted_as_the_canvas_draws_them() -> None:
    at = Path(*(np.full(1, value) for value in (300.0, 250.0, 100.0, 0.0)), 1.0)
    red, blue = (200, 40, 40), (20, 90, 200)
    parts = [Part(red, 0.2, (0, 0.2), (0.1, 0.8)), Part(blue, 0.1, (0, 0), (1, 1))]
    figure = place(parts, at, 3, unusual=True)
    painted, drawn = (Canvas(np.full((HEIGHT, WIDTH, 3), 100.0)) for _ in range(2))
    _paint(painted, figure, 0)
    drawn.draw(figure, 0)
    assert np.abs(painted.image - drawn.image)[drawn.unusual].mean() < 3
    assert (painted.unusual != drawn.unusual).sum() < 0.04 * drawn.unusual.sum()
