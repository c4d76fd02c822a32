import numpy as np
import pytest

from dmad.data.zones import ALL, Zone, parse_polygon
from dmad.errors import DmadError

LOWER, LEFT = "0,0.5 1,0.5 1,1 0,1", "0,0 0.5,0 0.5,1 0,1"


def test_polygons_are_shares_of_the_view():
    rows, columns = np.indices((64, 64)) / 63
    assert abs(Zone.parse(LOWER, []).mask(64).astype(int) - (rows >= 0.5)).mean() < 0.02
    assert abs(Zone.parse([], LEFT).mask(64).astype(int) - (columns > 0.5)).mean() < 0.02
    assert Zone.parse([LOWER, LEFT], []).mask(64).mean() == pytest.approx(0.75, abs=0.02)
    assert Zone.parse(LOWER, LEFT).mask(64).mean() == pytest.approx(0.25, abs=0.02)
    assert Zone.parse(LOWER, [])
    assert not ALL
    assert ALL.mask(64) is None


@pytest.mark.parametrize("text", ["", "0,0 1,1", "0,0 1,1 2,0", "0,0 1,1 1", "a,b c,d e,f"])
def test_a_polygon_that_is_none_is_refused(text):
    with pytest.raises(DmadError, match="give three corners"):
        parse_polygon(text)


def test_a_zone_without_pixels_is_refused():
    with pytest.raises(DmadError, match="no pixel is inside the zone"):
        Zone.parse(LOWER, "0,0 1,0 1,1 0,1").mask(32)
