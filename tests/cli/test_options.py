"""Options that several verbs share."""

import pytest

from dmad.cli.options import ZoneOptions
from dmad.data.zones import ALL
from dmad.errors import DmadError

TRIANGLE, SQUARE = "0,0 1,0 1,1", "0,0 1,0 1,1 0,1"


def test_without_polygons_the_whole_view_counts():
    assert ZoneOptions().zone() == ALL


def test_one_polygon_and_a_list_of_one_are_the_same_zone():
    zone = ZoneOptions(include=TRIANGLE).zone()
    assert zone.include == (((0, 0), (1, 0), (1, 1)),)
    assert ZoneOptions(include=[TRIANGLE]).zone() == zone


def test_polygons_are_left_out_of_the_view():
    assert len(ZoneOptions(exclude=[TRIANGLE, SQUARE]).zone().exclude) == 2


def test_a_polygon_that_cannot_be_read_is_refused():
    with pytest.raises(DmadError, match="cannot read the polygon '0,0 1,0'"):
        ZoneOptions(include="0,0 1,0").zone()
