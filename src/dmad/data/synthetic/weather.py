"""The weathers of the street, as a fixed camera outdoors sees them: clear, clouds, rain and snow.

Each weather is normal. Lengths in this module are in pixels of a 64 x 64 frame and are scaled to
the frame's size. Grey levels are 0 to 255.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, get_args

import numpy as np
from numpy.random import Generator
from scipy.ndimage import gaussian_filter

from dmad.config import Weather
from dmad.data.synthetic.figures import Array

WEATHERS: tuple[Weather, ...] = get_args(Weather)
WALL, GRASS = 16, 25  # rows at which the wall and the grass end
SKY = 205.0  # grey level of raindrops, puddles and haze, which reflect the sky
WHITE = 228.0  # grey level of snow
SNOW_BOX = 70.0  # side of a square; flakes that leave it enter it again at the other side


@dataclass(frozen=True)
class Light:
    """What a weather does to the light and to the camera.

    Args:
        shadow: Darkness of the shadows of people, 0 to 1.
        noise: Standard deviation of the camera's noise in grey levels.
    """

    shadow: float = 0.45
    noise: float = 1.5


LIGHTS: dict[Weather, Light] = {
    "clear": Light(),
    "clouds": Light(shadow=0.3),
    "rain": Light(shadow=0.08, noise=2.5),
    "snow": Light(shadow=0.1, noise=2.0),
}


class Air(Protocol):
    """Draws the weather of one clip over the street: rain, snow or shadows of clouds."""

    def over(self, image: Array, t: int) -> Array:
        """Return an image (H, W, C) of the street as it looks in frame t."""


def covered(ground: Array, weather: Weather, rng: Generator) -> Array:
    """Return the ground (H, W, C) without people: wet in rain, white in snow, else unchanged."""
    size = len(ground)
    rows = (np.arange(size) + 0.5)[:, None, None] * 64 / size
    if weather == "rain":
        puddles = np.clip(_patches(size, size, 5, rng)[..., None], 0, 1) * (rows > GRASS)
        wet = ground * np.where(rows < WALL, 0.8, 0.6)
        return np.asarray(wet + 0.35 * puddles * (SKY - wet))
    if weather == "snow":
        depth = np.where(rows < WALL, 0.12, 0.75 - 0.15 * (rows > GRASS))
        return np.asarray(ground + depth * (WHITE - ground))
    return ground


def air(weather: Weather, size: int, fps: float, rng: Generator) -> Air:
    """Return the object that draws the weather of one clip.

    The strength of the weather differs from clip to clip.

    Args:
        weather: The weather.
        size: Height and width of a frame in pixels.
        fps: Frames per second, for the speed of clouds. Drops and flakes move by the same distance
            per frame at every frame rate.
        rng: Random number generator.
    """
    if weather == "clouds":
        return Clouds(size, fps, rng)
    if weather == "rain":
        return Rain(size, rng)
    if weather == "snow":
        return Snow(size, rng)
    return Clear()


class Clear:
    """Clear weather: nothing is drawn."""

    def over(self, image: Array, t: int) -> Array:
        """Return the same image."""
        return image


class Clouds:
    """Drifting clouds: their shadows move, and the light changes within seconds to minutes."""

    def __init__(self, size: int, fps: float, rng: Generator) -> None:
        self.shadows = 1 / (1 + np.exp(-3 * _patches(size, 4 * size, 12, rng)))  # (H, 4 W)
        self.drift = rng.choice((-1, 1)) * rng.uniform(2, 8) * size / 64 / fps  # pixels per frame
        self.depth = rng.uniform(0.2, 0.4)  # darkness of a shadow
        self.periods = fps * rng.uniform((7, 20, 60), (15, 50, 180))  # frames
        self.phases = rng.uniform(0, 2 * np.pi, 3)

    def over(self, image: Array, t: int) -> Array:
        """Darken the image under shadows of clouds, and change the light of the whole image."""
        position = self.drift * t
        whole = int(np.floor(position))
        columns = whole + np.arange(image.shape[1] + 1)
        strip = self.shadows.take(columns, axis=1, mode="wrap")
        share = position - whole
        shadow = (1 - share) * strip[:, :-1] + share * strip[:, 1:]
        waves = np.sin(2 * np.pi * t / self.periods + self.phases)
        light = 1 + waves @ (0.02, 0.04, 0.06)
        return np.asarray(image * (light * (1 - self.depth * shadow))[..., None])


class Rain:
    """Streaks of falling drops. A drop is seen in one frame only."""

    def __init__(self, size: int, rng: Generator) -> None:
        self.rng, self.zoom = rng, size / 64
        self.drops = rng.uniform(15, 45)  # mean number in a frame
        self.slant = rng.uniform(-0.35, 0.35)  # pixels to the right for each pixel down
        self.light = rng.uniform(0.75, 0.9)

    def over(self, image: Array, t: int) -> Array:
        """Draw the drops of one frame."""
        rng, size = self.rng, len(image)
        count = rng.poisson(self.drops)
        x, y = rng.uniform(-4, 68, (2, count, 1))
        along = np.arange(round(16 * self.zoom)) / (16 * self.zoom)
        down = along * rng.uniform(4, 9, (count, 1))
        weight = rng.uniform(0.08, 0.3, (count, 1)) * np.sin(np.pi * along)
        veil = _spots(size, x + self.slant * down, y + down, 0.3, weight)
        dim = image * self.light
        return np.asarray(dim + np.minimum(veil, 0.6)[..., None] * (SKY - dim))


class Snow:
    """Falling flakes and a haze.

    Near flakes are larger and faster. The haze hides what is far away.
    """

    def __init__(self, size: int, rng: Generator) -> None:
        count = rng.poisson(rng.uniform(20, 60))
        near = rng.uniform(0, 1, count)
        self.radius = 0.35 + 0.5 * near**2
        self.start = rng.uniform(0, SNOW_BOX, (2, count))
        self.fall = 1.5 + 2.5 * near + rng.uniform(-0.3, 0.3, count)  # pixels per frame
        self.wind = rng.uniform(-1, 1) * (0.4 + near)
        self.sway, self.phase = rng.uniform(0.3, 1.2, count), rng.uniform(0, 2 * np.pi, count)
        rows = (np.arange(size) + 0.5) / size
        self.haze = (rng.uniform(0.1, 0.3) * (1 - 0.6 * rows))[:, None, None]

    def over(self, image: Array, t: int) -> Array:
        """Draw the haze, and the flakes where they are in frame t."""
        x = (self.start[0] + self.wind * t + self.sway * np.sin(self.phase + t / 4)) % SNOW_BOX
        y = (self.start[1] + self.fall * t) % SNOW_BOX
        flakes = _spots(len(image), x - 3, y - 3, self.radius, 0.85)
        hazy = image + self.haze * (SKY - image)
        return np.asarray(hazy + np.minimum(flakes, 0.9)[..., None] * (250 - hazy))


def _patches(height: int, width: int, blur: float, rng: Generator) -> Array:
    """Smooth random patches (height, width) with mean 0 and standard deviation 1.

    Opposite borders match, so that copies can be put side by side.
    """
    noise = rng.standard_normal((height, width))
    smooth = gaussian_filter(noise, blur * height / 64, mode="wrap")
    return np.asarray((smooth - smooth.mean()) / smooth.std())


def _spots(size: int, x: Array, y: Array, radius: Array | float, weight: Array | float) -> Array:
    """The sum (size, size) of soft round spots.

    `x`, `y` and `radius` are in pixels of a 64 x 64 frame. `weight` is the value in the middle of a
    spot.
    """
    zoom = size / 64
    x, y, radius, weight = (
        np.ravel(part)[:, None, None] for part in np.broadcast_arrays(x, y, radius, weight)
    )
    x, y, radius = x * zoom, y * zoom, radius * zoom
    reach = int(np.ceil(2.5 * radius.max(initial=0)))
    near = np.arange(-reach, reach + 1)
    column, row = np.round(x).astype(int) + near, np.round(y).astype(int) + near[:, None]
    squared = ((column - x) ** 2 + (row - y) ** 2) / radius**2
    value = weight * np.exp(-squared / 2)
    inside = (column >= 0) & (column < size) & (row >= 0) & (row < size)
    index = (row * size + column)[inside]
    total = np.bincount(index, value[inside], size * size)
    return np.asarray(total, float).reshape(size, size)
