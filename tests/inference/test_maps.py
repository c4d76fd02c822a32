"""Functions without torch compute the same maps and fields as the model."""

import numpy as np
import pytest
import torch

from dmad.inference.maps import averaged, blurred, box_of_maximum, composed, in_pixels
from dmad.model.deformation import compose_all, field_in_pixels
from dmad.model.scoring import box_filter, gaussian_blur

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("kernel", [(16, 14), (5, 3), (1, 1), (4, 7)])
def test_averages_are_those_of_the_score(kernel):
    maps = RANDOM.random((2, 24, 20), np.float32)
    expected = box_filter(torch.from_numpy(maps), kernel).numpy()
    assert averaged(maps, kernel) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("sigma", [0.5, 2.0, 4.0])
def test_a_blur_is_that_of_the_score(sigma):
    maps = RANDOM.random((2, 24, 20), np.float32)
    expected = gaussian_blur(torch.from_numpy(maps), sigma).numpy()
    assert blurred(maps, sigma) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_composed_fields_are_those_of_the_model(count):
    fields = RANDOM.uniform(-0.4, 0.4, (2, count, 2, 9, 12)).astype(np.float32)
    expected = compose_all(torch.from_numpy(fields).unbind(1))[-1]
    assert composed(fields) == pytest.approx(expected.numpy(), abs=1e-5)
    pixels = field_in_pixels(expected).numpy()
    assert in_pixels(composed(fields)) == pytest.approx(pixels, abs=1e-4)


def test_the_box_holds_the_region_of_the_maximum_alone():
    anomaly = np.zeros((10, 20))
    anomaly[2:4, 5:10] = 1.0
    anomaly[6:9, 15:18] = 0.9
    assert box_of_maximum(anomaly) == pytest.approx((0.25, 0.2, 0.5, 0.4))


def test_the_box_is_given_in_shares_of_width_and_height():
    anomaly = np.zeros((10, 40))
    anomaly[2:4, 30:36] = 1
    assert box_of_maximum(anomaly) == (0.75, 0.2, 0.9, 0.4)


def test_regions_that_touch_at_a_corner_are_one():
    anomaly = np.zeros((10, 10))
    anomaly[2, 2] = anomaly[3, 3] = 1
    assert box_of_maximum(anomaly) == (0.2, 0.2, 0.4, 0.4)


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan])
def test_a_map_without_a_place_has_the_whole_map_as_box(value):
    anomaly = np.full((10, 20), -1.0)
    anomaly[3, 4] = value
    assert box_of_maximum(anomaly) == (0, 0, 1, 1)
