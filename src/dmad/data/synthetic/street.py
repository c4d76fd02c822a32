"""A synthetic street, seen by a fixed camera, with labels, masks and true motion.

Pedestrians cross a still background, in one of four weathers. In abnormal clips there is also a
runner, a cyclist, a vehicle, a person who walks backwards or a thrown ball. Lengths in this module
are in pixels of a 64 x 64 frame and are scaled to the frame's size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from dmad.config import Weather
from dmad.data.synthetic import figures as fig
from dmad.data.synthetic.figures import Array, Canvas, Figure, Part, Path
from dmad.data.synthetic.weather import LIGHTS, WEATHERS, air, covered
from dmad.errors import check_settings, require

LEAD_IN, LEAD_OUT = 20, 10  # frames of an abnormal clip before and after its anomalies
VISIBLE = 8  # pixels that anomalies must cover in a 64 x 64 frame, so that the frame is abnormal


@dataclass(frozen=True)
class Street:
    """The settings of one street. Clips with the same seed and weather have the same background.

    Args:
        size: Height and width of a frame in pixels. Figures and speeds are scaled with it.
        channels: 1 for grey, 3 for colour.
        seed: Seed of the background and of all clips.
        frames: Frames T of a clip. Abnormal clips need about 100 for a whole anomaly.
        fps: Frames per second of the clips.
        people: Average number of pedestrians in a frame.
        weather: "clear", "clouds", "rain" or "snow". Each weather is normal. Clips with the same
            index show the same people in every weather.
    """

    size: int = 64
    channels: int = 1
    seed: int = 0
    frames: int = 120
    fps: float = 10.0
    people: float = 4.0
    weather: Weather = "clear"

    def __post_init__(self) -> None:
        check_settings(self, "street", size=16, seed=0, frames=1, people=0)
        require(self.channels in (1, 3), f"street.channels is {self.channels}; give 1 or 3")
        require(self.fps > 0, f"street.fps is {self.fps}; give a rate above 0")
        known = f"street.weather is {self.weather}; give one of {', '.join(WEATHERS)}"
        require(self.weather in WEATHERS, known)


@dataclass(frozen=True, eq=False)
class StreetClip:
    """A clip with its ground truth. Shadows, light and weather are not anomalies."""

    frames: NDArray[np.uint8]  # (T, H, W, C)
    labels: NDArray[np.uint8]  # (T,) 1 if enough pixels of an anomaly are visible
    masks: NDArray[np.bool_]  # (T, H, W) visible pixels of anomalies; none if the label is 0
    displacement: NDArray[np.float32]  # (T, 2, H, W) pixels (x right, y down) since frame t-1
    kinds: tuple[str, ...]  # the anomalies, of KINDS; empty in normal clips


def normal_clip(street: Street, index: int) -> StreetClip:
    """Render a clip with pedestrians only. The same street and index give the same clip."""
    rng = _stream(street, 1, index)
    return _film(street, _crowd(street, rng), (), rng)


def abnormal_clip(street: Street, index: int) -> StreetClip:
    """Render a clip with pedestrians and anomalies.

    The first anomaly is of the kind `KINDS[index % 5]`. The same street and index give the same
    clip.
    """
    rng = _stream(street, 2, index)
    crowd = _crowd(street, rng)
    names, starts = _schedule(street, index, rng)
    clock = np.arange(street.frames)
    acts = [_ACTS[name](street, rng, clock - at) for name, at in zip(names, starts, strict=True)]
    return _film(street, crowd + acts, tuple(dict.fromkeys(names)), rng)


def background(street: Street) -> NDArray[np.uint8]:
    """The street (H, W, C) without people and noise, in average light."""
    return np.round(_scene(street)[0]).astype(np.uint8)


def _stream(street: Street, part: int, index: int) -> Generator:
    require(index >= 0, f"the clip index is {index}; give 0 or more")
    return np.random.default_rng([street.seed, part, index])


def _crowd(street: Street, rng: Generator) -> list[Figure]:
    """Pedestrians that enter at random times, many of them before the clip begins."""
    before, crossing = 180, 80.0  # frames: longest and mean time that a pedestrian is visible
    count = rng.poisson(street.people * (before + street.frames) / crossing)
    entries = rng.uniform(-before, street.frames, count)
    return [_pedestrian(street, rng, np.arange(street.frames) - entry) for entry in entries]


def _schedule(street: Street, index: int, rng: Generator) -> tuple[list[str], Array]:
    """Choose the kinds of a clip's anomalies, as many as fit, and the frame where each begins.

    The first kind changes from clip to clip. In clips 0 to 4, 10 to 14, …, all anomalies are of
    one kind. In other clips they are of several kinds. Most frames without an anomaly are in one
    gap. The position of this gap differs from clip to clip. So an anomaly cannot be predicted from
    the position in a clip.
    """
    step, available = 4 * (index // 5 % 2), street.frames - LEAD_IN - LEAD_OUT
    names = [KINDS[(index + step * act) % 5] for act in range(1 + street.frames // 40)]
    ends = np.cumsum([_LENGTH[name] for name in names])
    count = max(int((ends <= available).sum()), 1)
    gaps = np.sort(rng.beta(0.4, 0.4, count)) * max(available - ends[count - 1], 0)
    return names[:count], LEAD_IN + gaps + np.concatenate([[0], ends[: count - 1]])


def _path(street: Street, rng: Generator, travelled: Array, tall: float = 1.0) -> Path:
    """A path that begins outside the left or right border, and crosses the view.

    Args:
        street: The settings.
        rng: Random number generator.
        travelled: (T,) distance walked so far, in body heights; 0 before the start.
        tall: Height of the figure in body heights.
    """
    facing, y, slope = rng.choice([-1.0, 1.0]), rng.uniform(29, 61), rng.uniform(-0.06, 0.06)
    height = 5 + y / 4
    along = (travelled - 1) * height * tall
    ground = y + slope * (along - 32)
    x = along if facing > 0 else 64 - along
    return _zoom(street, Path(x, ground, (5 + ground / 4) * tall, travelled, facing))


def _zoom(street: Street, path: Path) -> Path:
    """Convert pixels of a 64 x 64 frame into pixels of the street's frames."""
    zoom = street.size / 64
    return path._replace(x=path.x * zoom, y=path.y * zoom, height=path.height * zoom)


def _pedestrian(street: Street, rng: Generator, clock: Array) -> Figure:
    travelled = rng.uniform(0.045, 0.07) * np.maximum(clock, 0)
    path = _path(street, rng, travelled, rng.uniform(0.88, 1.08))
    parts = fig.body(fig.look(rng), fig.stride(path, fig.WALK, rng.uniform()))
    return fig.place(parts, path, street.channels)


def _runner(street: Street, rng: Generator, clock: Array) -> Figure:
    path = _path(street, rng, rng.uniform(0.17, 0.22) * np.maximum(clock, 0))
    parts = fig.body(fig.look(rng), fig.stride(path, fig.RUN, rng.uniform()))
    return fig.place(parts, path, street.channels, unusual=True)


def _cyclist(street: Street, rng: Generator, clock: Array) -> Figure:
    path = _path(street, rng, rng.uniform(0.18, 0.23) * np.maximum(clock, 0))
    parts = fig.bicycle(rng.uniform(20, 230, 3)) + fig.body(fig.look(rng), fig.ride(path))
    return fig.place(parts, path, street.channels, unusual=True)


def _vehicle(street: Street, rng: Generator, clock: Array) -> Figure:
    path = _path(street, rng, rng.uniform(0.12, 0.16) * np.maximum(clock, 0) - 0.2)
    parts = fig.cart(rng.uniform(40, 230) + rng.uniform(-40, 40, 3), fig.look(rng))
    return fig.place(parts, path, street.channels, unusual=True)


def _backwards(street: Street, rng: Generator, clock: Array) -> Figure:
    """A person who walks in, stops, and then walks backwards fast.

    Only walking backwards is the anomaly. It starts when `clock` is 0. `clock` (T,) counts the
    frames, and is negative before the anomaly.
    """
    pace, rest = rng.uniform(0.06, 0.07), rng.uniform(8, 14)
    turn = rng.uniform(2.8, 3.4)
    travelled = turn - pace * _ramp(-clock - rest) - 2.5 * pace * _ramp(clock)
    path = _path(street, rng, travelled)
    parts = fig.body(fig.look(rng), fig.stride(path, fig.WALK, rng.uniform()))
    return fig.place(parts, path, street.channels, unusual=clock >= 0)


def _ramp(clock: Array) -> Array:
    """A smooth function of `clock`, nearly equal to max(clock, 0)."""
    return np.asarray(1.5 * np.logaddexp(0, clock / 1.5))


def _thrown(street: Street, rng: Generator, clock: Array) -> Figure:
    """A ball that flies across the view on a parabola."""
    travelled = rng.uniform(0.22, 0.28) * np.maximum(clock, 0)
    path = _path(street, rng, travelled)
    share = (travelled - 1) / 4
    centre = np.stack([0 * share, 0.4 + rng.uniform(3, 5) * share * (1 - share)], -1)
    ball = Part((250, 235, 140), 0.16, centre, centre)
    return fig.place([ball], path, street.channels, unusual=True)


_ACTS: dict[str, Callable[[Street, Generator, Array], Figure]] = {
    "runner": _runner,
    "cyclist": _cyclist,
    "vehicle": _vehicle,
    "backwards": _backwards,
    "thrown": _thrown,
}
KINDS = tuple(_ACTS)

_LENGTH = {"runner": 36, "cyclist": 34, "vehicle": 52, "backwards": 36, "thrown": 26}  # frames


@lru_cache(maxsize=8)
def _scene(street: Street) -> tuple[Array, list[Figure]]:
    """The street (H, W, C) without people, and its pole and kiosk as figures."""
    rng = _stream(street, 0, 0)
    things = _furniture(street, rng)
    ground = _ground(street, rng)
    canvas = Canvas(covered(ground, street.weather, rng))
    for thing in things:
        canvas.shade(thing, 0, LIGHTS[street.weather].shadow)
        canvas.draw(thing, 0)
    canvas.image.setflags(write=False)
    return canvas.image, things


def _furniture(street: Street, rng: Generator) -> list[Figure]:
    side = rng.choice([-1.0, 1.0])
    kiosk = [
        Part((95, 90, 100), 0.24, (0, 0.22), (0, 1.15)),
        Part((185, 175, 150), 0.17, (0, 0.6), (0, 0.9)),
        Part((60, 75, 65), 0.26, (0, 1.35), (0, 1.38)),
    ]
    pole = [
        Part((70, 72, 75), 0.07, (0, 0.06), (0, 2.3)),
        Part((70, 72, 75), 0.05, (0, 2.3), (0.35, 2.4)),
    ]
    return [
        _stand(street, kiosk, 32 + side * rng.uniform(12, 20), 39),
        _stand(street, pole, 32 - side * rng.uniform(6, 18), 52),
    ]


def _stand(street: Street, parts: Sequence[Part], x: float, y: float) -> Figure:
    still = np.ones(street.frames)
    path = _zoom(street, Path(x * still, y * still, (5 + y / 4) * still, 0 * still, 1.0))
    return fig.place(parts, path, street.channels)


def _ground(street: Street, rng: Generator) -> Array:
    """Wall, grass and tiled pavement (H, W, C), drawn at three times the size and averaged."""
    n = 3 * street.size
    y, x = (np.mgrid[:n, :n] + 0.5) * 64 / n
    image = np.empty((n, n, 3))
    for top, bottom, colour, texture in (
        (0, 16, (150, 112, 95), 16 * _joints(x + 2 * (y // 2 % 2), y, 4, 2)),
        (16, 25, (88, 116, 70), 0 * x),
        (25, 64, (152, 148, 140), 18 * _joints((x - 32) * 60 / (y + 20), 900 / (y + 20), 8, 1.5)),
    ):
        rows = (y[:, 0] >= top) & (y[:, 0] < bottom)
        image[rows] = (np.array(colour) - texture[..., None])[rows]
    image += _grain(n, rng)[..., None]
    image = image.reshape(street.size, 3, street.size, 3, 3).mean((1, 3))
    return fig.tint(np.clip(image, 5, 250), street.channels)


def _joints(x: Array, y: Array, across: float, down: float) -> Array:
    """Joints between bricks or tiles of width `across` and height `down`: 1 on a joint, else 0."""
    return np.maximum(x % across < across * 0.08, y % down < down * 0.12).astype(float)


def _grain(n: int, rng: Generator) -> Array:
    """Random changes of brightness (n, n), as of stains and grain: about ±10 grey levels."""
    layers = ((7, n / 12), (6, n / 48), (5, n / 150))
    fields = [(size, gaussian_filter(rng.standard_normal((n, n)), w)) for size, w in layers]
    return np.asarray(sum(size * field / field.std() for size, field in fields))


def _film(
    street: Street, cast: Sequence[Figure], kinds: tuple[str, ...], rng: Generator
) -> StreetClip:
    """Draw the figures on every frame, then apply light and weather, and add noise."""
    scene, things = _scene(street)
    weather = air(street.weather, street.size, street.fps, rng.spawn(1)[0])
    shadow, noise = LIGHTS[street.weather].shadow, LIGHTS[street.weather].noise
    light = _light(street, rng)
    shots = [_shoot(scene, things, cast, t, shadow) for t in range(street.frames)]
    frames = [
        _expose(weather.over(shot.image * gain, t), noise, rng)
        for t, (shot, gain) in enumerate(zip(shots, light, strict=True))
    ]
    masks = np.stack([shot.unusual for shot in shots])
    labels = masks.sum((1, 2)) >= VISIBLE * (street.size / 64) ** 2
    masks[~labels] = False
    displacement = np.stack([shot.displacement for shot in shots])
    return StreetClip(np.stack(frames), labels.astype(np.uint8), masks, displacement, kinds)


def _shoot(
    scene: Array, things: Sequence[Figure], cast: Sequence[Figure], t: int, shadow: float
) -> Canvas:
    canvas = Canvas(scene)
    seen = [figure for figure in cast if figure.near(t, len(scene))]
    for figure in seen:
        canvas.shade(figure, t, shadow)
    for figure in sorted([*things, *seen], key=lambda figure: float(figure.path.y[t])):
        canvas.draw(figure, t)
    return canvas


def _light(street: Street, rng: Generator) -> Array:
    """A factor (T,) of the brightness around 1 that changes slowly, as if clouds passed."""
    period, phase = rng.uniform(200, 500), rng.uniform(0, 2 * np.pi)
    return np.asarray(1 + 0.05 * np.sin(2 * np.pi * np.arange(street.frames) / period + phase))


def _expose(image: Array, deviation: float, rng: Generator) -> NDArray[np.uint8]:
    noise = deviation * rng.standard_normal(image.shape, dtype=np.float32)
    return np.clip(np.round(image + noise), 0, 255).astype(np.uint8)
