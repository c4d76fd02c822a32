"""Each published protocol against its description, computed one number at a time."""

import numpy as np
import pytest

from dmad.errors import DmadError
from dmad.evaluation.published_protocols import NEEDED_CHANNELS, PROTOCOLS, published

LENGTHS = np.array([90, 40, 120, 69])
TOTAL = int(LENGTHS.sum())
RANDOM = np.random.default_rng(0)
CHANNELS = {n: 9 * RANDOM.random(TOTAL) for n in ("deformation", "reconstruction", "gradient")}
FACTORS = {"deformation": 0.2, "reconstruction": 0.4, "gradient": 0.6}


def clips_of(values) -> list[list[float]]:
    values, clips = list(values), []
    for length in LENGTHS:
        clips.append(values[:length])
        values = values[length:]
    return clips


def scaled(values) -> list[float]:
    low, high = min(values), max(values)
    return [(value - low) / (high - low) for value in values]


def scaled_per_clip(values) -> list[float]:
    return [value for clip in clips_of(values) for value in scaled(clip)]


def window_value(window, weights, kept: int) -> float:
    mean = sum(w * v for w, v in zip(weights, window, strict=True)) / sum(weights)
    near = sorted(range(len(window)), key=lambda j: abs(window[j] - mean))[:kept]
    return sum(weights[j] * window[j] for j in near) / kept


def slide(values, weights, kept: int, front: float, back: float) -> list[float]:
    reach = len(weights) // 2
    padded = [front] * reach + list(values) + [back] * reach
    return [window_value(padded[i : i + len(weights)], weights, kept) for i in range(len(values))]


def slow_ped2(smooth: bool) -> list[float]:
    weights = [1, 1, 1, 1, 1.2, 1.6, 1.2, 1, 1, 1, 1]
    total = [0.0] * TOTAL
    for name, factor in FACTORS.items():
        values = scaled_per_clip(CHANNELS[name])
        values = slide(values, weights, 5, 0.0, values[-1]) if smooth else values
        total = [t + factor * v for t, v in zip(total, values, strict=True)]
    return total


def slow_avenue(smooth: bool) -> list[float]:
    weights = [0.5, 0.8, 0.8, 1, 1, 2.5, 1, 1, 0.8, 0.8, 0.5]

    def ironed(values) -> list[float]:
        return slide(values, weights, 5, values[0], values[-1]) if smooth else values

    deformation = ironed(scaled(CHANNELS["deformation"]))
    patch = ironed(scaled(CHANNELS["reconstruction"]))
    return ironed([0.2 * d + 0.4 * p for d, p in zip(deformation, patch, strict=True)])


def slow_shanghaitech(smooth: bool) -> list[float]:
    ones, total = [1.0] * 55, [0.0] * TOTAL
    for name, factor in FACTORS.items():
        values = scaled_per_clip(CHANNELS[name])
        if smooth:
            values = [value for clip in clips_of(values) for value in inner_windows(clip)]
            values = slide(values, ones, 49, values[0], values[-1])
        total = [t + factor * v for t, v in zip(total, values, strict=True)]
    if not smooth:
        return total
    total = slide(total, ones, 27, total[0], total[-1])
    return [value for clip in clips_of(total) for value in slow_kalman(clip)]


def inner_windows(clip) -> list[float]:
    """Window 69, 36 % kept; "normal" in the first 35 and the last 33 frames."""
    return [
        window_value(clip[i - 35 : i + 34], [1.0] * 69, 24) if 35 <= i < len(clip) - 33 else 0.0
        for i in range(len(clip))
    ]


def slow_kalman(clip) -> list[float]:
    state, variance, found = clip[0], 1.0, []
    for value in clip:
        predicted = variance + 1e-5
        gain = predicted / (predicted + 1e-4)
        state, variance = (1 - gain) * state + gain * value, (1 - gain) * predicted
        found.append(state)
    return found


SLOW = {"ped2": slow_ped2, "avenue": slow_avenue, "shanghaitech": slow_shanghaitech}


@pytest.mark.parametrize("smooth", [True, False])
@pytest.mark.parametrize("recipe", list(SLOW))
def test_a_protocol_follows_its_description(recipe, smooth):
    found = published(recipe, CHANNELS, LENGTHS, smooth)
    assert found == pytest.approx(SLOW[recipe](smooth), abs=1e-12)


def test_every_protocol_is_tested():
    assert PROTOCOLS.keys() == SLOW.keys() == NEEDED_CHANNELS.keys()


def test_the_scale_of_a_channel_does_not_matter():
    louder = {name: 100 * values + 7 for name, values in CHANNELS.items()}
    for recipe in PROTOCOLS:
        expected = published(recipe, CHANNELS, LENGTHS)
        assert published(recipe, louder, LENGTHS) == pytest.approx(expected, abs=1e-9)


def test_avenue_needs_no_gradient():
    two = {name: CHANNELS[name] for name in ("deformation", "reconstruction")}
    assert np.array_equal(published("avenue", two, LENGTHS), published("avenue", CHANNELS, LENGTHS))


def test_a_data_set_without_protocol_is_refused():
    with pytest.raises(DmadError, match="'street'; there is one for ped2, avenue, shanghaitech"):
        published("street", CHANNELS, LENGTHS)


def test_missing_channels_and_gaps_are_refused():
    with pytest.raises(DmadError, match="no channel 'gradient'"):
        published("ped2", {n: v for n, v in CHANNELS.items() if n != "gradient"}, LENGTHS)
    with pytest.raises(DmadError, match="gaps"):
        published("ped2", CHANNELS | {"gradient": np.full(TOTAL, np.nan)}, LENGTHS)
    with pytest.raises(DmadError, match="each of the 3 frames"):
        published("ped2", CHANNELS, np.array([3]))
