"""The weathers of the generated street."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from dmad.data.synthetic.street import Street, abnormal_clip, background, normal_clip
from dmad.data.synthetic.weather import WEATHERS, air

EMPTY = Street(size=32, frames=100, people=0)


def frames_in(weather: str, street: Street = EMPTY, index: int = 0) -> np.ndarray:
    return normal_clip(replace(street, weather=weather), index).frames[..., 0].astype(float)


@pytest.mark.parametrize("weather", WEATHERS)
def test_the_same_people_walk_in_every_weather(weather):
    street = Street(size=32, frames=100, people=4)
    other = replace(street, weather=weather)
    for film in (normal_clip, abnormal_clip):
        clear, clip = film(street, 2), film(other, 2)
        np.testing.assert_array_equal(clip.displacement, clear.displacement)
        np.testing.assert_array_equal(clip.labels, clear.labels)
        np.testing.assert_array_equal(clip.frames, film(other, 2).frames)
    assert not normal_clip(other, 0).labels.any()


def test_each_weather_has_its_own_look():
    brightness = {weather: frames_in(weather).mean() for weather in WEATHERS}
    assert brightness["rain"] < brightness["clear"] < brightness["snow"]
    assert brightness["clouds"] < brightness["clear"]


def test_clouds_change_the_light_over_seconds_and_rain_and_snow_from_frame_to_frame():
    street = replace(EMPTY, frames=600)

    def change(frames: np.ndarray, step: int) -> float:
        return float(np.abs(frames[step:] - frames[:-step]).mean())

    for weather in ("clear", "clouds"):
        assert change(frames_in(weather, street), 1) < 2.2  # the camera's noise
    clear, clouds = (frames_in(weather, street) for weather in ("clear", "clouds"))
    assert change(clouds, 100) > 2 * change(clear, 100)
    for weather in ("rain", "snow"):
        frames = frames_in(weather)
        assert change(frames, 1) > 0.7 * change(frames, 50)
        assert change(frames, 1) > 1.3 * change(clear, 1)


def test_drops_and_flakes_cover_a_small_part_of_the_picture():
    for weather in ("rain", "snow"):
        street = replace(EMPTY, size=64, weather=weather)
        bright = normal_clip(street, 1).frames - np.median(normal_clip(street, 1).frames, axis=0)
        assert 0.005 < (bright > 20).mean() < 0.15


def test_flakes_are_lower_in_the_next_frame():
    black = np.zeros((64, 64, 1))
    snow = air("snow", 64, 10.0, np.random.default_rng(0))
    snow.haze[:] = 0  # type: ignore[attr-defined]
    frames = [snow.over(black, t)[..., 0] for t in range(30)]

    def similarity(down: int) -> float:
        pairs = pairwise(frames)
        return float(np.mean([(a[: 64 - down] * b[down:]).mean() for a, b in pairs]))

    assert np.argmax([similarity(down) for down in range(6)]) in (2, 3, 4)


@pytest.mark.parametrize(("size", "channels"), [(16, 1), (48, 3), (128, 3)])
@pytest.mark.parametrize("weather", WEATHERS)
def test_frames_of_every_size_and_colour(weather, size, channels):
    street = Street(size=size, channels=channels, frames=3, weather=weather)
    assert normal_clip(street, 0).frames.shape == (3, size, size, channels)
    assert background(street).shape == (size, size, channels)


def test_the_share_of_a_picture_that_flakes_cover_does_not_depend_on_the_size():
    covered = []
    for size in (64, 128):
        snow = air("snow", size, 10.0, np.random.default_rng(3))
        snow.haze[:] = 0  # type: ignore[attr-defined]
        covered.append(snow.over(np.zeros((size, size, 1)), 5).mean())
    assert covered[0] == pytest.approx(covered[1], rel=0.2)
