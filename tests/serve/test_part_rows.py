import time

import pytest

from dmad.serve.event_rows import day_of
from dmad.serve.part_rows import NewPart, PartRows


@pytest.fixture
def rows(store):
    return PartRows(store)


def part(score: float, **entries) -> NewPart:
    values = {"name": "a.png", "model": "discs", "threshold": 4.0, "verdict": "good"}
    values |= {"raw": 1.0, "reconstruction": 0.9, "deformation": 0.1, "box": (0.0, 0.0, 0.5, 0.5)}
    return NewPart(score=score, **{**values, **entries})


def test_a_part_is_stored_with_its_day(rows):
    number = rows.add(part(2.5, picture="x.webp"))
    row = rows.get(number)
    assert (row["name"], row["score"], row["box"]) == ("a.png", 2.5, [0.0, 0.0, 0.5, 0.5])
    assert row["day"] == day_of(time.time())
    assert rows.get(99) is None


def test_parts_of_a_day_and_a_model_in_pages(rows):
    today = day_of(time.time())
    for score in range(5):
        rows.add(part(float(score)))
    rows.add(part(9.0, model="other"))
    assert [row["score"] for row in rows.find("discs", today, 2)] == [4.0, 3.0]
    assert len(list(rows.each("discs", today))) == 5
    assert rows.scores("discs", today).tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert rows.scores("discs", "2001-01-01").tolist() == []


def test_pictures_that_were_deleted_are_forgotten(rows):
    number = rows.add(part(1.0, picture="a.webp", heat="b.webp"))
    rows.add(part(1.0))
    (files,) = rows.files()
    assert (files.number, files.picture, files.heat) == (number, "a.webp", "b.webp")
    rows.forget_files([number])
    assert rows.files() == []
