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


def normal_is_1(values) -> list[float]:
    low, high = min(values), max(values)
    return [1 - (value - low) / (high - low) for value in values]


def normal_is_1_per_clip(values) -> list[float]:
    return [value for clip in clips_of(values) for value in normal_is_1(clip)]


def window_value(window, weights, kept: int) -> float:
    mean = sum(window) / len(window)
    near = sorted(range(len(window)), key=lambda j: abs(window[j] - mean))[:kept]
    return sum(weights[j] * window[j] for j in near) / sum(weights[j] for j in near)


def whole_windows(values, weights, kept: int) -> list[float]:
    starts = range(len(values) - len(weights) + 1)
    return [window_value(values[i : i + len(weights)], weights, kept) for i in starts]


def weighted_sum(channels: dict[str, list[float]]) -> list[float]:
    return [
        sum(FACTORS[name] * values[i] for name, values in channels.items()) for i in range(TOTAL)
    ]


def slow_ped2(smooth: bool) -> list[float]:
    weights = [1, 1, 1, 1, 1.2, 1.6, 1.2, 1, 1, 1, 1]
    channels = {}
    for name in FACTORS:
        values = normal_is_1_per_clip(CHANNELS[name])
        if smooth:
            inner = whole_windows(values, weights, 5)
            values = [1.0] * 5 + inner + [inner[-1]] * 5
        channels[name] = values
    return weighted_sum(channels)


def slow_avenue(smooth: bool) -> list[float]:
    weights = [0.5, 0.8, 0.8, 1, 1, 2.5, 1, 1, 0.8, 0.8, 0.5]

    def smoothed(values) -> list[float]:
        inner = whole_windows(values, weights, 5)
        return [inner[0]] * 5 + inner + [inner[-1]] * 5 if smooth else values

    names = ("deformation", "reconstruction")
    return smoothed(weighted_sum({n: smoothed(normal_is_1(CHANNELS[n])) for n in names}))


def slow_shanghaitech(smooth: bool) -> list[float]:
    channels = {}
    for name in FACTORS:
        values = normal_is_1_per_clip(CHANNELS[name])
        if smooth:
            values = [v for clip in clips_of(values) for v in late_windows(clip, 69, 25, 35)]
            values = late_windows(values, 55, 49, 28)
        channels[name] = values
    total = weighted_sum(channels)
    if not smooth:
        return total
    total = late_windows(total, 55, 27, 28)
    return [value for clip in clips_of(total) for value in slow_kalman(clip)]


def late_windows(values, window: int, kept: int, delay: int) -> list[float]:
    """The window that starts at i writes its value at i + delay. All other values are 1."""
    result = [1.0] * len(values)
    for start, value in enumerate(whole_windows(values, [1.0] * window, kept)):
        result[start + delay] = value
    return result


def slow_kalman(clip) -> list[float]:
    state, variance, found = 0.0, 1.0, [clip[0]]
    for value in clip[1:]:
        predicted = variance + 1e-5
        gain = predicted / (predicted + 1e-4)
        state, variance = (1 - gain) * state + gain * value, (1 - gain) * predicted
        found.append(state)
    return found


SLOW = {"ped2": slow_ped2, "avenue": slow_avenue, "shanghaitech": slow_shanghaitech}


@pytest.mark.parametrize("smooth", [True, False])
@pytest.mark.parametrize("recipe", list(SLOW))
def test_a_protocol_follows_its_description(recipe, smooth):
    anomaly = published(recipe, CHANNELS, LENGTHS, smooth)
    assert -anomaly == pytest.approx(SLOW[recipe](smooth), abs=1e-12)


def test_every_protocol_is_tested():
    assert PROTOCOLS.keys() == SLOW.keys() == NEEDED_CHANNELS.keys()


def test_the_scale_of_a_channel_does_not_matter():
    louder = {name: 100 * values + 7 for name, values in CHANNELS.items()}
    for recipe in PROTOCOLS:
        expected = published(recipe, CHANNELS, LENGTHS)
        assert published(recipe, louder, LENGTHS) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("recipe", list(SLOW))
def test_larger_published_scores_are_more_anomalous(recipe):
    abnormal = np.repeat([0.0, 1.0, 0.0], [120, 80, TOTAL - 200])
    scores = published(recipe, dict.fromkeys(FACTORS, abnormal), np.array([TOTAL]))
    assert scores[160] > scores[100]


@pytest.mark.parametrize("recipe", list(SLOW))
def test_fewer_frames_than_a_window_have_scores_too(recipe):
    few = {name: values[:8] for name, values in CHANNELS.items()}
    scores = published(recipe, few, np.array([3, 0, 5]))
    assert scores.shape == (8,)
    assert np.isfinite(scores).all()


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
