from dataclasses import replace

import pytest

from dmad.data.zones import Zone
from dmad.inference.warnings import rate_warnings, view_warnings

LEFT = Zone.parse("0,0 0.5,0 0.5,1 0,1", [])
RIGHT = Zone.parse("0.5,0 1,0 1,1 0.5,1", [])


@pytest.fixture
def detector(random_model, tiny, make_detector, calibration_of):
    """A model with one view, and a threshold for the left half of it."""
    detector = make_detector(random_model, tiny(None))
    return detector.with_calibration(replace(calibration_of(7.0, fps=10.0), zone=LEFT))


def test_the_view_and_zone_of_the_threshold_give_no_warning(detector):
    assert view_warnings(detector, "") == []
    assert view_warnings(detector, "", LEFT) == []


def test_another_part_of_the_view_gives_a_warning(detector):
    (warning,) = view_warnings(detector, "", RIGHT)
    assert "another part of the view" in warning


def test_a_view_that_was_not_trained_on_gives_a_warning(detector):
    (warning,) = view_warnings(detector, "yard")
    assert "was not set on view 'yard'" in warning
    own = replace(detector.calibration, scene="yard")
    assert view_warnings(detector.with_calibration(own), "yard") == []


def test_without_a_threshold_there_is_no_warning(detector):
    assert view_warnings(detector.with_calibration(None), "yard", RIGHT) == []
    assert rate_warnings(None, 25.0) == []


def test_another_frame_rate_gives_a_warning(calibration_of):
    calibration = calibration_of(7.0, fps=10.0)
    (warning,) = rate_warnings(calibration, 4.0)
    assert "set on footage with 10 frames per second, and this footage has 4" in warning


def test_an_unknown_or_nearly_equal_frame_rate_gives_no_warning(calibration_of):
    calibration = calibration_of(7.0, fps=10.0)
    assert rate_warnings(calibration, 0.0) == rate_warnings(calibration, 10.5) == []
