import numpy as np
import pytest

from dmad.errors import DmadError
from dmad.inference.zones import parse_polygon, zone_mask

LOWER = parse_polygon("0,0.5 1,0.5 1,1 0,1")
LEFT = parse_polygon("0,0 0.5,0 0.5,1 0,1")


def test_polygons_are_shares_of_the_view():
    rows, columns = np.indices((64, 64)) / 63
    assert abs(zone_mask([LOWER], [], 64).astype(int) - (rows >= 0.5)).mean() < 0.02
    assert abs(zone_mask([], [LEFT], 64).astype(int) - (columns > 0.5)).mean() < 0.02
    both = zone_mask([LOWER, LEFT], [], 64)
    assert both.mean() == pytest.approx(0.75, abs=0.02)
    assert zone_mask([LOWER], [LEFT], 64).mean() == pytest.approx(0.25, abs=0.02)


@pytest.mark.parametrize("text", ["", "0,0 1,1", "0,0 1,1 2,0", "0,0 1,1 1", "a,b c,d e,f"])
def test_a_polygon_that_is_none_is_refused(text):
    with pytest.raises(DmadError, match="give three corners"):
        parse_polygon(text)


def test_nothing_left_is_refused():
    with pytest.raises(DmadError, match="leave nothing"):
        zone_mask([LOWER], [parse_polygon("0,0 1,0 1,1 0,1")], 32)
