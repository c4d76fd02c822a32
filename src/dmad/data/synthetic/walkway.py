"""A synthetic walkway before a building, seen by a fixed camera in colour, like CUHK Avenue.

People walk across the view, near and far: 30 to 200 pixels high. The light changes slowly, and some
clips show more people than others. In abnormal clips a person runs, loiters or walks straight
towards the camera, or a thing is thrown.

Positions on the ground are X (to the right) and Z (away from the camera), in body heights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

from dmad.data.synthetic import figures as fig
from dmad.data.synthetic.figures import Array, Canvas, Figure, Part, Path
from dmad.errors import check_settings

HEIGHT, WIDTH, FPS = 360, 640, 25.0  # of the frames
HORIZON = 91  # row
FOCAL = 600.0  # pixels
CAMERA = 1.3  # height of the camera, in body heights
NEAREST, FARTHEST = 3.0, 20.0  # Z of people: they are 200 and 30 pixels high there
WALL = 117  # row where the wall of the building ends
PACE = (0.028, 0.039)  # body heights per frame
GROUPS = (0.6, 0.3, 0.1)  # shares of people alone, of pairs, and of groups of three
BEFORE, CROSSING = 800, 350  # frames: longest and mean time that a person is visible
VISIBLE = 40  # at least this many visible pixels of an anomaly make a frame abnormal
SHAKE = 50  # frames in which the camera shakes
BAG = np.array((0.12, 0.05))  # from one end of a thrown bag to the other, in body heights
ZOOM = 3  # figures are drawn at this many times their size, for smooth borders

Split = Literal["training", "testing"]
Pixel = TypeVar("Pixel", np.uint8, np.bool_)


@dataclass(frozen=True)
class Walkway:
    """The settings of one walkway. Clips with the same seed have the same background.

    Args:
        seed: Seed of the background and of all clips.
        frames: Frames of a clip.
        people: Average number of people in a frame. It differs from clip to clip.
        noise: Standard deviation of the camera's noise in grey levels.
    """

    seed: int = 0
    frames: int = 1500
    people: float = 4.0
    noise: float = 2.5

    def __post_init__(self) -> None:
        check_settings(self, "walkway", seed=0, frames=1, people=0, noise=0)


@dataclass(frozen=True, eq=False)
class Shot:
    """One frame of a clip."""

    image: NDArray[np.uint8]  # (H, W, 3)
    mask: NDArray[np.bool_]  # (H, W) visible pixels of anomalies; none if there are too few


def shots(
    walkway: Walkway, part: Split, index: int, abnormal: bool = False, shaken: bool = False
) -> Iterator[Shot]:
    """Draw the frames of a clip. The same arguments give the same frames.

    Args:
        walkway: The settings.
        part: `training` or `testing`. Their clips are independent.
        index: Number of the clip, from 0.
        abnormal: If True, the clip shows about one anomaly every 20 seconds.
        shaken: If True, the camera shakes once, for two seconds.
    """
    rng = np.random.default_rng([walkway.seed, part == "testing", index])
    cast = _crowd(walkway, rng)
    if abnormal:
        cast += _anomalies(walkway, index, rng)
    light, shadow = _light(walkway.frames, rng)
    shake = _shake(walkway.frames, rng) if shaken else np.zeros((walkway.frames, 2), int)
    scene, post = _scene(walkway.seed)
    grain = _noise(walkway.noise)
    for t in range(walkway.frames):
        canvas = Canvas(scene)
        seen = [figure for figure in cast if figure.near(t, WIDTH)]
        for figure in seen:
            canvas.shade(figure, t, shadow[t])
        for figure in sorted([post, *seen], key=lambda figure: float(_now(figure.path.y, t))):
            _paint(canvas, figure, t)
        row, column = rng.integers(0, (HEIGHT, WIDTH))
        canvas.image.reshape(HEIGHT, -1)[:] *= np.tile(light[t], WIDTH)
        canvas.image += grain[row : row + HEIGHT, column : column + WIDTH]
        image = np.clip(canvas.image, 0, 255, out=canvas.image).astype(np.uint8)
        mask = canvas.unusual & (canvas.unusual.sum() >= VISIBLE)
        yield Shot(_moved(image, shake[t]), _moved(mask, shake[t]))


def _now(values: Array, t: int) -> float:
    """Return the value at frame t. If `values` has one entry, it is the value of all frames."""
    return float(values[min(t, len(values) - 1)])


def _path(x: Array, z: Array, travelled: Array) -> Path:
    """Convert positions x and z (T,) on the ground to a path in the frame.

    `travelled` (T,) is the distance walked so far, in body heights. For a person who walks towards
    the camera or away from it, `Path.facing` is near 0: neither to the right nor to the left.
    """
    height = FOCAL / np.maximum(z, 0.8 * NEAREST)
    ahead = np.hypot(x[-1] - x[0], z[-1] - z[0])
    facing = float((x[-1] - x[0]) / ahead) if ahead else 1.0
    return Path(WIDTH / 2 + x * height, HORIZON + CAMERA * height, height, travelled, facing)


def _lane(rng: Generator, nearest: float = NEAREST, farthest: float = FARTHEST) -> float:
    """A random Z between two limits.

    With the usual limits, about as many people are 30 to 60 pixels high as 60 to 120 pixels.
    """
    return float(np.exp(rng.uniform(np.log(nearest), np.log(farthest))))


def _across(rng: Generator, travelled: Array, z: float, angle: float, tall: float = 1.0) -> Path:
    """A path that crosses the view. It begins outside the view.

    Args:
        rng: Random number generator.
        travelled: (T,) distance walked so far, in body heights.
        z: Distance Z from the camera at the start, in body heights.
        angle: Direction in radians. 0: parallel to the picture. Above 0: away from the camera.
        tall: Height of the person in body heights.
    """
    side = rng.choice([-1.0, 1.0])
    x = side * (travelled * np.cos(angle) - WIDTH / 2 * z / FOCAL - 1)
    path = _path(x, z + np.sin(angle) * travelled, travelled)
    return path._replace(height=path.height * tall)


def _person(rng: Generator, path: Path, gait: fig.Gait, unusual: NDArray[np.bool_]) -> Figure:
    parts = fig.body(fig.look(rng), fig.stride(path, gait, rng.uniform()))
    return fig.place(parts, path, 3, unusual)


def _crowd(walkway: Walkway, rng: Generator) -> list[Figure]:
    """People alone and in groups. The number of people differs from clip to clip."""
    mean = walkway.people * rng.gamma(6, 1 / 6) / np.dot(GROUPS, (1, 2, 3))
    groups = rng.poisson(mean * (BEFORE + walkway.frames) / CROSSING)
    return [walker for _ in range(groups) for walker in _group(walkway, rng)]


def _group(walkway: Walkway, rng: Generator) -> list[Figure]:
    clock = np.arange(walkway.frames) - rng.uniform(-BEFORE, walkway.frames)
    z, angle, pace = _lane(rng), rng.normal(0, 0.1), rng.uniform(*PACE)
    normal = np.zeros(walkway.frames, bool)
    side, walkers = rng.spawn(1)[0], []
    state = side.bit_generator.state
    for place in range(rng.choice([1, 2, 3], p=GROUPS)):
        side.bit_generator.state = state  # all walk in the same direction
        travelled = np.maximum(pace * clock - 0.5 * place * rng.uniform(0.2, 1), 0)
        path = _across(side, travelled, z + 0.35 * place, angle, rng.uniform(0.88, 1.08))
        walkers.append(_person(rng, path, fig.WALK, normal))
    return walkers


def _anomalies(walkway: Walkway, index: int, rng: Generator) -> list[Figure]:
    """Return about one anomaly for every 20 seconds of a clip, and at least one.

    The kinds follow each other in the order of `KINDS`. The first kind depends on `index`, the
    number of the clip.
    """
    count = max(1, round(walkway.frames / FPS / 20))
    slot = walkway.frames / count
    starts = (np.arange(count) + rng.uniform(0.05, 0.3, count)) * slot
    clock = np.arange(walkway.frames)
    kinds = [KINDS[(index + act) % len(KINDS)] for act in range(count)]
    return [_ACTS[kind](rng, clock - at) for kind, at in zip(kinds, starts, strict=True)]


def _runner(rng: Generator, clock: Array) -> Figure:
    travelled = rng.uniform(0.09, 0.12) * np.maximum(clock, 0)
    path = _across(rng, travelled, _lane(rng, 3.5, 10), rng.normal(0, 0.1))
    return _person(rng, path, fig.RUN, np.ones(len(clock), bool))


def _thrown(rng: Generator, clock: Array) -> Figure:
    """A bag that flies up and down three times, a little to the side."""
    flight, still = rng.uniform(28, 40), np.ones(len(clock))
    share, z = (clock / flight) % 1, _lane(rng, 4, 8)
    reach, top = rng.uniform(1, 2.5) * rng.choice([-1, 1]), rng.uniform(1.5, 3)
    centre = np.stack([reach * share, 0.5 + 4 * top * share * (1 - share)], -1)
    x = rng.uniform(-0.3, 0.3) * z * still
    flying = (clock >= 0) & (clock < 3 * flight)
    away = 100.0 * ~flying  # outside the view
    path = _path(x + away, z * still, 0 * still)
    bag = Part(rng.uniform(20, 235, 3), rng.uniform(0.1, 0.16), centre, centre + BAG)
    return fig.place([bag], path, 3, flying)


def _wrong(rng: Generator, clock: Array) -> Figure:
    """A person who walks straight towards the camera."""
    travelled = rng.uniform(*PACE) * np.maximum(clock, 0)
    x = rng.uniform(-0.3, 0.3) * 5 + 0.03 * travelled
    z = 11 - travelled
    hidden = (clock < 0) | (z < 0.8 * NEAREST)
    path = _path(x, z, travelled)
    return _person(rng, path._replace(x=path.x + 1e4 * hidden), fig.WALK, ~hidden)


def _loiterer(rng: Generator, clock: Array) -> Figure:
    """A person who enters, walks to and fro for some seconds (the anomaly), and leaves."""
    pace, z, stay = rng.uniform(*PACE), _lane(rng, 3.5, 9), rng.uniform(150, 300)
    arrival = (rng.uniform(0.35, 0.65) * WIDTH * z / FOCAL + 1) / pace  # frames
    waited = np.clip(clock - arrival, 0, stay)
    to_and_fro = np.sin(2 * np.pi * waited / (stay / max(1, round(stay / 90))))
    on = pace * (np.maximum(clock, 0) - waited)
    path = _across(rng, on + 1.2 * to_and_fro, z, 0.0)
    return _person(rng, path, fig.WALK, (waited > 0) & (waited < stay))


_ACTS: dict[str, Callable[[Generator, Array], Figure]] = {
    "runner": _runner,
    "thrown": _thrown,
    "wrong direction": _wrong,
    "loiterer": _loiterer,
}
KINDS = tuple(_ACTS)


def _light(frames: int, rng: Generator) -> tuple[NDArray[np.float32], Array]:
    """Factors (T, 3) of the brightness of each colour, around 1, and the darkness (T,) of shadows.

    Clouds pass in one to five minutes. The white balance of the camera changes a little,
    independently of the clouds.
    """
    t = np.arange(frames)[:, None]
    period, phase = FPS * rng.uniform(60, 300, 3), rng.uniform(0, 2 * np.pi, 3)
    clouds, warm, _ = np.sin(2 * np.pi * t / period + phase).T
    base, depth = rng.uniform(0.92, 1.06), rng.uniform(0.01, 0.07)
    tint = 1 + 0.015 * warm[:, None] * (1, 0, -1)
    shadow = np.clip(0.32 + 0.12 * clouds, 0, 1)
    light = (base + depth * clouds)[:, None] * tint
    return light.astype(np.float32), shadow


def _shake(frames: int, rng: Generator) -> NDArray[np.int_]:
    """Return by how many rows and columns a shaking camera moves the picture of each frame, (T, 2).

    The camera shakes once, for `SHAKE` frames. In all other frames, the picture is not moved.
    """
    start = int(rng.uniform(0.2, 0.6) * frames)
    offsets = np.zeros((frames, 2), int)
    offsets[start : start + SHAKE] = rng.integers(-2, 3, offsets[start : start + SHAKE].shape)
    return offsets


def _moved(picture: NDArray[Pixel], offset: NDArray[np.int_]) -> NDArray[Pixel]:
    """A picture (H, W, …) moved by `offset` (rows, columns). Its border pixels are repeated."""
    if not offset.any():
        return picture
    rows, columns = np.arange(HEIGHT) - offset[0], np.arange(WIDTH) - offset[1]
    moved: NDArray[Pixel] = picture[
        np.clip(rows, 0, HEIGHT - 1)[:, None], np.clip(columns, 0, WIDTH - 1)
    ]
    return moved


def _paint(canvas: Canvas, figure: Figure, t: int) -> None:
    """Draw a figure at `ZOOM` times its size, reduce this drawing, and put it on the canvas.

    This is faster than `Canvas.draw`.
    """
    t = min(t, len(figure.joints) - 1)
    joints, radii = figure.joints[t], figure.radii[t]
    reach = radii[:, None, None] + 1
    low = np.maximum(np.floor((joints - reach).min((0, 1))), 0).astype(int)
    high = np.minimum(np.ceil((joints + reach).max((0, 1))) + 1, (WIDTH, HEIGHT)).astype(int)
    width, height = (high - low).tolist()
    if width <= 0 or height <= 0:
        return
    picture = Image.new("RGBA", (ZOOM * width, ZOOM * height))
    draw = ImageDraw.Draw(picture)
    ends = ((joints - low + 0.5) * ZOOM).tolist()
    thick = (radii * ZOOM).tolist()
    for (a, b), radius, colour in zip(ends, thick, figure.colours.astype(int), strict=True):
        paint = (*colour.tolist(), 255)
        draw.line((*a, *b), paint, round(2 * radius))
        for x, y in (a, b):
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), paint)
    drawn = np.asarray(picture.reduce(ZOOM), np.float32)
    cover = drawn[..., 3:] / 255
    window = np.s_[low[1] : high[1], low[0] : high[0]]
    canvas.image[window] += cover * (drawn[..., :3] - canvas.image[window])
    if figure.unusual[min(t, len(figure.unusual) - 1)]:
        canvas.unusual[window] |= cover[..., 0] > 0.5
    else:
        canvas.unusual[window] &= cover[..., 0] <= 0.5


@lru_cache(maxsize=2)
def _noise(deviation: float) -> NDArray[np.float32]:
    """An array (2 H, 2 W, 3) of noise. Each frame gets the noise of a random part of this array."""
    rng = np.random.default_rng(0)
    return deviation * rng.standard_normal((2 * HEIGHT, 2 * WIDTH, 3), dtype=np.float32)


@lru_cache(maxsize=2)
def _scene(seed: int) -> tuple[Array, Figure]:
    """The walkway (H, W, 3) without people, and a lamp post that people walk behind."""
    rng = np.random.default_rng([seed, 2])
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    image = _wall(x, y)
    depth = FOCAL * CAMERA / np.maximum(y - HORIZON, 1)  # Z of the ground
    tiles = _lines((x - WIDTH / 2) * depth / FOCAL, 0.6, 0.04) + _lines(depth, 0.6, 0.05)
    ground = np.array((158, 152, 142)) - (22 * np.exp(-depth / 9) * np.minimum(tiles, 1))[..., None]
    grass = (depth > 21) | (np.abs((x - WIDTH / 2) * depth / FOCAL) > 14)
    ground[grass] = (92, 118, 72)
    image = np.where((y < WALL)[..., None], image, ground)
    for width, size in ((40, 5), (9, 5), (1.5, 5)):
        stains = gaussian_filter(rng.standard_normal((HEIGHT, WIDTH)), width)
        image += (size * stains / stains.std())[..., None]
    still = np.ones(1)
    path = _path(rng.choice([-1, 1]) * rng.uniform(1, 2) * still, 5 * still, 0 * still)
    metal = np.array((68, 72, 76))
    parts = [Part(metal, 0.07, (0, 0), (0, 2.0)), Part(metal + 20, 0.1, (0, 2), (0.5, 2.1))]
    post = fig.place(parts, path, 3)
    single: Any = np.clip(image, 5, 245).astype(np.float32)  # 32 bits are faster and enough
    canvas = Canvas(single)
    canvas.shade(post, 0, 0.3)
    canvas.image.setflags(write=False)
    return canvas.image, post


def _wall(x: Array, y: Array) -> Array:
    """The wall of the building (H, W, 3): bricks, windows and an entrance."""
    bricks = np.maximum(_lines(x + 8 * (y // 7 % 2), 16, 1.2), _lines(y, 7, 1.2))
    image = np.array((150, 108, 90)) - (16 * bricks)[..., None]
    image[(np.abs(x % 92 - 46) < 20) & (np.abs(y - 45) < 24)] = (70, 88, 104)
    image[(np.abs(x - WIDTH / 2) < 44) & (y > 30)] = (58, 60, 66)
    return np.asarray(image)


def _lines(position: Array, apart: float, width: float) -> Array:
    """Joints between tiles or bricks: 1 where `position` is on a joint, else 0.

    Joints of the given width begin at all multiples of `apart`.
    """
    return (position % apart < width).astype(float)
