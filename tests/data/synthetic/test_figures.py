"""Figures are drawn where their path is, and their motion is known."""

import numpy as np
import pytest

from dmad.data.synthetic.figures import (
    RUN,
    WALK,
    Canvas,
    Part,
    Path,
    bicycle,
    body,
    cart,
    look,
    place,
    ride,
    stride,
    tint,
)

GROUND = np.full((64, 64, 1), 100.0)


def path(frames: int = 3, pace: float = 4.0) -> Path:
    """A path to the right with `pace` pixels per frame. The figure is 20 pixels high."""
    steps = np.arange(frames, dtype=float)
    x = 20 + pace * steps
    return Path(x, np.full(frames, 50.0), np.full(frames, 20.0), pace * steps / 20, 1.0)


def test_a_disc_covers_its_area_and_has_moved_as_far_as_its_path():
    disc = Part((255, 255, 255), 0.25, (0, 0.5), (0, 0.5))
    figure = place([disc], path(), channels=1, unusual=True)
    canvas = Canvas(GROUND)
    canvas.draw(figure, 1)
    assert canvas.unusual.sum() == pytest.approx(np.pi * 5**2, rel=0.15)
    rows, columns = canvas.unusual.nonzero()
    assert (rows.mean(), columns.mean()) == pytest.approx((40, 24), abs=0.2)
    assert (canvas.displacement[:, canvas.unusual].T == (4, 0)).all()
    assert not canvas.displacement[:, ~canvas.unusual].any()
    assert (GROUND == 100).all()


def test_a_shadow_darkens_the_ground_only():
    figure = place([Part((0, 0, 0), 0.1, (0, 0.5), (0, 0.5))], path(), 1)
    canvas = Canvas(GROUND)
    canvas.shade(figure, 0)
    assert canvas.image.min() < 60
    assert canvas.image.max() <= 100
    assert not canvas.unusual.any()


@pytest.mark.parametrize("gait", [WALK, RUN])
def test_standing_feet_do_not_slide(gait):
    steps = path(frames=200, pace=0.2)
    foot = stride(steps, gait, 0.0).feet[1]
    on_ground = (foot[1:, 1] < 0.0401) & (foot[:-1, 1] < 0.0401)
    in_place = foot[:, 0] + steps.travelled  # relative to the ground, in body heights
    assert on_ground.any()
    np.testing.assert_allclose(np.diff(in_place)[on_ground], 0, atol=1e-9)


def test_every_figure_can_be_placed_and_is_seen_only_near_the_view():
    rng = np.random.default_rng(0)
    people = body(look(rng), stride(path(), WALK, 0.3))
    riders = bicycle((200, 0, 0)) + body(look(rng), ride(path()))
    carts = cart((0, 200, 0), look(rng))
    for parts in (people, riders, carts):
        figure = place(parts, path(), channels=3)
        assert figure.joints.shape == (3, len(parts), 2, 2)
        assert figure.near(0, 64)
        away = place(parts, path()._replace(x=np.full(3, 200.0)), channels=3)
        assert not away.near(0, 64)


def test_colours_become_grey_for_one_channel():
    assert tint((100, 100, 100), 1) == pytest.approx([100])
    assert tint((1, 2, 3), 3).tolist() == [1, 2, 3]
