"""The figures of the synthetic street: makes and draws people, a bicycle and a cart.

A figure is a list of capsules (thick lines), from far to near. `Canvas.draw` draws them with
antialiasing, and computes the motion of each pixel. The unit of length of a figure is its body
height. Its x axis points forward and its y axis up. Its origin is on the ground. `place` converts a
figure into pixels of the frame. Colours are RGB, 0 to 255.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

Look = dict[str, Array]  # colours of skin, hair and clothes

LUMA = (0.299, 0.587, 0.114)  # shares of red, green and blue in a grey value
SUN = (0.25, 0.03)  # offset of the shadow from the feet, in body heights


class Part(NamedTuple):
    """A part of a figure: a capsule, or a circle if `ring` is above 0. Lengths are body heights."""

    colour: ArrayLike  # (3,)
    radius: float
    a: ArrayLike  # (2,) or (T, 2): one end
    b: ArrayLike  # (2,) or (T, 2): the other end
    ring: float = 0.0  # above 0: a circle of this radius around a, drawn as a line


class Path(NamedTuple):
    """The position of a figure in each frame."""

    x: Array  # (T,) pixels: the point on the ground
    y: Array  # (T,) pixels
    height: Array  # (T,) pixels of one body height at this position
    travelled: Array  # (T,) distance walked so far, in body heights
    facing: float  # 1: to the right, -1: to the left, 0: towards the camera or away from it


class Pose(NamedTuple):
    """The joints of a person in T frames.

    Feet, elbows and hands are pairs: first the one far from the camera, then the near one.
    """

    hip: Array  # (T, 2), like all joints
    shoulder: Array
    feet: Sequence[Array]
    elbows: Sequence[Array]
    hands: Sequence[Array]


class Gait(NamedTuple):
    """The parameters of walking or running."""

    cycle: float  # length of two steps, body heights
    stance: float  # share of the cycle in which a foot is on the ground, 0 to 1
    lift: float  # of the swinging foot, body heights
    lean: float  # of the shoulders, forward, body heights
    swing: float  # of the arms, radians
    elbow: float  # bend, radians


WALK = Gait(cycle=0.78, stance=0.6, lift=0.06, lean=0.02, swing=0.5, elbow=0.25)

RUN = Gait(cycle=1.6, stance=0.38, lift=0.2, lean=0.1, swing=0.9, elbow=1.5)


@dataclass(frozen=True, eq=False)
class Figure:
    """A figure in pixels of the frame, in all T frames of a clip. It has P parts."""

    joints: Array  # (T, P, 2 ends, 2) x and y
    radii: Array  # (T, P)
    rings: Array  # (T, P) 0 for solid parts
    colours: Array  # (P, C)
    path: Path
    unusual: NDArray[np.bool_]  # (T,) True if the figure is an anomaly

    def near(self, t: int, width: int) -> bool:
        """True if the figure or its shadow may be inside a frame of this width."""
        margin = 0.95 * self.path.height[t]
        return bool(-margin < self.path.x[t] < width + margin)


def place(parts: Sequence[Part], path: Path, channels: int, unusual: ArrayLike = False) -> Figure:
    """Make a figure.

    The lengths of the parts are given in body heights. The path and the figure are in pixels.

    Args:
        parts: The parts, from far to near.
        path: The position of the figure in each of T frames.
        channels: 1 for grey, 3 for colour.
        unusual: True if the figure is an anomaly: one value, or (T,) values.
    """
    scale = path.height[:, None]
    ends = np.stack([_ends(part, len(path.x)) for part in parts], axis=1)
    ground = np.stack([path.x, path.y], -1)[:, None, None]
    joints = ground + ends * scale[..., None, None] * (path.facing, -1.0)
    radii = scale * [part.radius for part in parts]
    rings = scale * [part.ring for part in parts]
    colours = tint(np.clip([part.colour for part in parts], 8, 247), channels)
    return Figure(joints, radii, rings, colours, path, np.broadcast_to(unusual, len(path.x)))


def _ends(part: Part, frames: int) -> Array:
    return np.stack([np.broadcast_to(end, (frames, 2)) for end in (part.a, part.b)], axis=1)


def tint(rgb: ArrayLike, channels: int) -> Array:
    """Convert colours (..., 3) to grey (..., 1) if `channels` is 1. If it is 3, change nothing."""
    rgb = np.asarray(rgb, float)
    return rgb if channels == 3 else rgb @ np.reshape(LUMA, (3, 1))


def stride(path: Path, gait: Gait, phase: float) -> Pose:
    """The pose of a walker or runner in each frame.

    The pose is computed from the distance walked so far, so that feet do not slide. A cycle is two
    steps. `phase` is the share of the cycle that is complete at distance 0.
    """
    cycle = path.travelled / gait.cycle + phase
    hip = np.stack([0 * cycle, 0.5 - 0.012 * np.cos(4 * np.pi * cycle)], -1)
    shoulder = _beside(hip, gait.lean, 0.3)
    angles = [sign * gait.swing * np.cos(2 * np.pi * cycle) for sign in (1, -1)]
    elbows = [shoulder + 0.17 * _hanging(angle) for angle in angles]
    hands = [e + 0.16 * _hanging(a + gait.elbow) for e, a in zip(elbows, angles, strict=True)]
    return Pose(hip, shoulder, [_foot(cycle + 0.5, gait), _foot(cycle, gait)], elbows, hands)


def ride(path: Path) -> Pose:
    """The pose of a cyclist who turns the pedals."""
    still = np.zeros((len(path.x), 2))
    turn = -2 * np.pi * path.travelled / 2.2
    feet = [_hanging(turn + half) * 0.09 + (0.03, 0.22) for half in (0, np.pi)]
    hip, shoulder = _beside(still, -0.1, 0.6), _beside(still, 0.1, 0.87)
    elbow, hand = _beside(still, 0.2, 0.7), _beside(still, 0.32, 0.63)
    return Pose(hip, shoulder, feet, [elbow, elbow], [hand, hand])


def _beside(point: Array, forward: float, up: float) -> Array:
    return np.asarray(np.add(point, (forward, up)))


def _hanging(angle: Array) -> Array:
    """A unit vector (T, 2) that points down and is turned forward by an angle in radians."""
    return np.stack([np.sin(angle), -np.cos(angle)], -1)


def _foot(cycle: Array, gait: Gait) -> Array:
    """The path (T, 2) of a foot relative to the body.

    On the ground the foot moves back. In the air it moves forward in an arc.
    """
    u = cycle % 1
    q = np.clip((u - gait.stance) / (1 - gait.stance), 0, 1)
    x = np.where(q > 0, -0.5 * np.cos(np.pi * q), 0.5 - u / gait.stance)
    return np.stack([gait.cycle * gait.stance * x, 0.04 + gait.lift * np.sin(np.pi * q)], -1)


def _knee(hip: Array, foot: Array, bone: float = 0.245) -> Array:
    """The position (T, 2) of the knee of a leg that is bent forward.

    The upper and the lower leg are `bone` body heights long each.
    """
    leg = foot - hip
    reach = np.linalg.norm(leg, axis=-1, keepdims=True)
    bend = np.sqrt(np.maximum(bone**2 - (reach / 2) ** 2, 0))
    return np.asarray((hip + foot) / 2 + bend * leg[:, ::-1] * (-1, 1) / reach)


def look(rng: Generator) -> Look:
    """Random colours of one person."""
    return {
        "shirt": rng.uniform(25, 235) + rng.uniform(-45, 45, 3),
        "trousers": rng.uniform(20, 150) + rng.uniform(-20, 20, 3),
        "skin": np.array((215, 170, 140)) * rng.uniform(0.55, 1.0),
        "hair": np.array((90, 70, 50)) * rng.uniform(0.3, 1.6),
    }


def body(colours: Look, pose: Pose) -> list[Part]:
    """The parts of a person in a pose. The far limbs are darker."""
    far = _leg(colours, pose, 0, 0.7) + _arm(colours, pose, 0, 0.7)
    trunk = Part(
        colours["shirt"], 0.095, _beside(pose.hip, 0, 0.04), _beside(pose.shoulder, 0, -0.04)
    )
    near = [*_leg(colours, pose, 1, 1.0), trunk, *_head(colours, pose), *_arm(colours, pose, 1, 1)]
    return far + near


def _head(colours: Look, pose: Pose) -> list[Part]:
    head = _beside(pose.shoulder + (pose.shoulder - pose.hip) * 0.2, 0.01, 0.07)
    face = _beside(head, 0.03, -0.02)
    return [
        Part(colours["skin"], 0.04, pose.shoulder, head),
        Part(colours["hair"], 0.075, head, _beside(head, -0.01, 0.01)),
        Part(colours["skin"], 0.05, face, face),
    ]


def _leg(colours: Look, pose: Pose, side: int, shade: float) -> list[Part]:
    foot = pose.feet[side]
    knee = _knee(pose.hip, foot)
    return [
        Part(colours["hair"] * shade * 0.6, 0.034, foot, _beside(foot, 0.08, -0.01)),
        Part(colours["trousers"] * shade, 0.048, knee, foot),
        Part(colours["trousers"] * shade, 0.066, pose.hip, knee),
    ]


def _arm(colours: Look, pose: Pose, side: int, shade: float) -> list[Part]:
    elbow, hand = pose.elbows[side], pose.hands[side]
    return [
        Part(colours["shirt"] * shade * 0.85, 0.042, pose.shoulder, elbow),
        Part(colours["skin"] * shade, 0.034, elbow, hand),
    ]


def bicycle(colour: ArrayLike) -> list[Part]:
    """The parts of a bicycle, to be drawn before the rider."""
    rear, front, pedals = (-0.29, 0.2), (0.33, 0.2), (0.03, 0.22)
    seat, bar = (-0.1, 0.5), (0.27, 0.6)
    wheels = [Part((25, 25, 25), 0.028, hub, hub, ring=0.18) for hub in (rear, front)]
    tubes = ((rear, pedals), (pedals, seat), (rear, seat), (pedals, bar), (seat, bar), (front, bar))
    return wheels + [Part(colour, 0.024, a, b) for a, b in tubes]


def cart(colour: ArrayLike, driver: Look) -> list[Part]:
    """The parts of a small open cart with its driver, 1.9 body heights long."""
    dark, paint = np.array((30.0, 30, 35)), np.asarray(colour, float)
    wheels = [
        Part(shade, radius, (x, 0.17), (x, 0.17))
        for x in (-0.55, 0.55)
        for shade, radius in ((dark, 0.17), (dark + 110, 0.07))
    ]
    cabin = [
        Part(paint * 0.6, 0.03, (0.1, 0.5), (0.1, 1.05)),
        Part(paint * 0.6, 0.03, (0.72, 0.5), (0.55, 1.05)),
        Part(driver["shirt"], 0.1, (0.3, 0.5), (0.32, 0.68)),
        Part(driver["hair"], 0.08, (0.34, 0.86), (0.34, 0.88)),
        Part(paint * 0.8, 0.2, (-0.7, 0.75), (-0.12, 0.75)),
        Part(paint * 0.8, 0.05, (0.05, 1.08), (0.62, 1.08)),
    ]
    hull = Part(paint, 0.17, (-0.76, 0.38), (0.76, 0.38))
    return [*cabin, hull, *wheels, Part((250, 245, 200), 0.05, (0.86, 0.42), (0.86, 0.42))]


class Canvas:
    """One frame, on which figures are drawn from far to near."""

    def __init__(self, scene: Array) -> None:
        self.image = scene.copy()  # (H, W, C) 0 to 255
        self.displacement = np.zeros((2, *scene.shape[:2]), np.float32)  # pixels since frame t-1
        self.unusual = np.zeros(scene.shape[:2], bool)  # pixels of anomalies

    def shade(self, figure: Figure, t: int, darkness: float = 0.45) -> None:
        """Draw the soft shadow of a figure on the ground."""
        size = figure.path.height[t]
        centre = np.array((figure.path.x[t], figure.path.y[t])) + np.array(SUN) * size
        spread = np.array((0.34, 0.09)) * size
        window, x, y = self._window(centre - 2.2 * spread, centre + 2.2 * spread)
        falloff = ((x - centre[0]) / spread[0]) ** 2 + ((y - centre[1]) / spread[1]) ** 2
        self.image[window] *= 1 - darkness * np.exp(-falloff)[..., None]

    def draw(self, figure: Figure, t: int) -> None:
        """Draw a figure, and store the motion of all pixels that it covers by more than half."""
        joints, reach = figure.joints[t], (figure.radii[t] + figure.rings[t])[:, None, None] + 1
        window, x, y = self._window((joints - reach).min((0, 1)), (joints + reach).max((0, 1)))
        if not x.size or not y.size:
            return
        cover, along = _cover(figure, t, x, y)
        uncovered = np.cumprod(1 - cover[::-1], axis=0)[::-1]
        weight = cover.copy()
        weight[:-1] *= uncovered[1:]
        own = uncovered[0] < 0.5
        paint = weight.reshape(len(weight), -1).T @ figure.colours
        self.image[window] *= uncovered[0][..., None]
        self.image[window] += paint.reshape(*own.shape, -1)
        self.displacement[:, *window][:, own] = _moved(figure, t, weight[:, own], along[:, own])
        self.unusual[window][own] = figure.unusual[t]

    def _window(self, low: Array, high: Array) -> tuple[tuple[slice, slice], Array, Array]:
        """Return slices (rows, columns) of the pixels in a box, and their x (1, w) and y (h, 1).

        `low` and `high` are opposite corners (x, y) of the box. Pixels outside the frame are left
        out.
        """
        height, width = self.image.shape[:2]
        x0, y0 = (max(int(v), 0) for v in np.floor(low))
        x1, y1 = max(min(int(high[0]) + 2, width), x0), max(min(int(high[1]) + 2, height), y0)
        x, y = np.arange(x0, x1, dtype=float), np.arange(y0, y1, dtype=float)
        return (slice(y0, y1), slice(x0, x1)), x[None, :], y[:, None]


def _cover(figure: Figure, t: int, x: Array, y: Array) -> tuple[Array, Array]:
    """Return how much of each pixel each part covers, and where along the part the pixel is.

    Both arrays are (P, h, w). The first holds shares of pixels, from 0 to 1. The second holds
    positions, from 0 (end `a` of the part) to 1 (end `b`).
    """
    start, bone = figure.joints[t, :, 0], figure.joints[t, :, 1] - figure.joints[t, :, 0]
    column = (slice(None), None, None)
    dx, dy = x - start[:, 0][column], y - start[:, 1][column]
    bx, by = bone[:, 0][column], bone[:, 1][column]
    along = np.clip((dx * bx + dy * by) / np.maximum(bx * bx + by * by, 1e-9), 0, 1)
    distance = np.sqrt((dx - along * bx) ** 2 + (dy - along * by) ** 2)
    inside = figure.radii[t][column] - np.abs(distance - figure.rings[t][column])
    return np.clip(inside + 0.5, 0, 1), along


def _moved(figure: Figure, t: int, weight: Array, along: Array) -> Array:
    """The motion (2, n) of n pixels from frame t-1 to frame t.

    Each pixel moves with the part that is most visible at this pixel. `weight` (P, n) says how
    visible each part is, and `along` (P, n) where along the part the pixel is, from 0 to 1.
    """
    top = weight.argmax(0)
    steps = (figure.joints[t] - figure.joints[max(t - 1, 0)])[top]
    share = along[top, np.arange(len(top))][:, None]
    return np.asarray((steps[:, 0] * (1 - share) + steps[:, 1] * share).T)
