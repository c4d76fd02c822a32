import numpy as np
import pytest
from PIL import Image

from dmad.config import plain
from dmad.data.zones import ALL, Zone, parse_polygon
from dmad.errors import DmadError
from dmad.typed import dataclass_from

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


def test_an_image_file_can_be_a_zone(tmp_path):
    mask = np.zeros((40, 80), np.uint8)
    mask[:, 40:] = 1
    Image.fromarray(mask).save(tmp_path / "right.png")
    right = str(tmp_path / "right.png")
    included = Zone.parse(right, []).mask(64)
    assert included[:, 32:].all()
    assert not included[:, :32].any()
    assert (Zone.parse([], right).mask(64) == ~included).all()
    both = Zone.parse([LOWER, right], [])
    assert both.mask(64).mean() == pytest.approx(0.75, abs=0.02)
    assert dataclass_from(Zone, plain(both), "zone") == both


def test_a_zone_contains_what_any_of_its_image_files_contains(tmp_path):
    files = []
    for part in (slice(0, 20), slice(60, 80)):
        mask = np.zeros((40, 80), np.uint8)
        mask[:, part] = 1
        files.append(str(tmp_path / f"{part.start}.png"))
        Image.fromarray(mask).save(files[-1])
    inside = Zone.parse(files, []).mask(64)
    assert inside.mean() == pytest.approx(0.5, abs=0.02)
    assert (Zone.parse([], files).mask(64) == ~inside).all()


def test_each_tile_of_an_image_has_its_own_part_of_the_zone():
    tiles = Zone.parse(LOWER, []).tile_masks(32, 2)
    assert tiles.shape == (4, 32, 32)
    assert tiles[2:].mean() > 0.8 > 0.2 > tiles[:2].mean()
    assert ALL.tile_masks(32, 2).all()
    assert (Zone.parse(LOWER, []).tile_masks(32, 1)[0] == Zone.parse(LOWER, []).mask(32)).all()
