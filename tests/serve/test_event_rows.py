import pytest

from dmad.errors import DmadError
from dmad.serve.event_rows import EventFilter, EventRows


@pytest.fixture
def rows(store):
    return EventRows(store)


def test_messages_about_one_event_are_one_row(rows, event):
    first = rows.add(event(state="new", end=None, score=4.5))
    rows.mark(first, "seen")
    again = rows.add(event(score=6.0), scores=[(9.0, 1.0), (11.0, 6.0)])
    assert again == first
    (row,) = rows.find(EventFilter())
    assert (row["state"], row["score"], row["mark"]) == ("end", 6.0, "seen")
    assert row["scores"] == [[9.0, 1.0], [11.0, 6.0]]
    assert row["box"] == [0.1, 0.1, 0.2, 0.2]


def test_events_of_a_killed_process_are_ended(store, event):
    number = EventRows(store).add(event(state="new", end=None, clip="film.mp4"))
    row = EventRows(store).get(number)
    assert (row["state"], row["end"], row["film"]) == ("end", row["peak"], "")


def test_pages_list_each_event_once_the_newest_first(rows, fill):
    fill(rows, 25)
    seen, before = [], 0
    while page := rows.find(EventFilter(before=before, limit=10)):
        seen += [row["number"] for row in page]
        before = page[-1]["number"]
    assert seen == list(range(25, 0, -1))


def test_filters_of_camera_day_and_mark(rows, fill):
    fill(rows, 10)
    rows.mark(2, "real")
    day = rows.days()[0]
    assert rows.count(EventFilter(camera="gate")) == 5
    assert rows.count(EventFilter(camera="gate", day=day, mark="unmarked")) == 5
    assert [row["number"] for row in rows.find(EventFilter(mark="real"))] == [2]
    assert rows.count(EventFilter(day="2001-01-01")) == 0
    assert rows.count(EventFilter(camera="' OR 1 --")) == 0
    assert sorted(rows.cameras()) == ["gate", "yard"]


def test_an_event_that_goes_on_is_open(rows, event):
    rows.add(event(1.0))
    number = rows.add(event(2.0, state="new", end=None))
    assert [row["number"] for row in rows.find(EventFilter(mark="open"))] == [number]


def test_marks_are_kept_with_the_thresholds(rows, event, store):
    number = rows.add(event())
    assert rows.mark(number, "normal", 4.0, 5.25)["mark"] == "normal"
    rows.mark(number, "")
    marks = store.read("SELECT mark, old, new FROM marks ORDER BY number")
    assert [tuple(row) for row in marks] == [("normal", 4.0, 5.25), ("", None, None)]


def test_unknown_marks_and_events_are_refused(rows, event):
    number = rows.add(event())
    with pytest.raises(DmadError, match="give seen, real, normal"):
        rows.mark(number, "boring")
    with pytest.raises(DmadError, match="there is no event 99"):
        rows.mark(99, "seen")


def test_events_between_two_thresholds_would_be_silent(rows, fill):
    fill(rows, 10)  # scores 4 to 13; gate has the even ones
    silent = rows.silent("gate", 4.0, 8.0)
    assert [row["score"] for row in silent] == [6.0, 4.0]


def test_neighbours_of_an_event(rows, fill):
    fill(rows, 3)
    assert rows.neighbours(2) == (3, 1)
    assert rows.neighbours(3) == (None, 2)


def test_weeks_count_marks_by_camera(rows, fill):
    fill(rows, 6)
    for number, mark in ((1, "real"), (3, "normal"), (5, "real")):
        rows.mark(number, mark)
    gate, yard = rows.weeks()
    assert (gate["camera"], gate["events"], gate["real"], gate["normal"]) == ("gate", 3, 2, 1)
    assert (yard["events"], yard["real"]) == (3, 0)
    assert rows.today() == {"gate": 3, "yard": 3}


def test_a_week_begins_on_monday_and_its_alarms_a_day_are_of_the_days_so_far(rows, fill, store):
    fill(rows, 14)
    days = ["2026-11-12"] * 2 + ["2026-11-15"] * 2 + ["2026-11-17"] * 4 + ["2026-12-31"] * 6
    with store.writing() as connection:
        for number, day in enumerate(days, 1):
            connection.execute("UPDATE events SET day = ? WHERE number = ?", [day, number])
    weeks = [week for week in rows.weeks() if week["camera"] == "gate"]
    found = [(week["monday"], week["events"], week["days"]) for week in weeks]
    assert found[-2:] == [("2026-11-16", 2, 7), ("2026-11-09", 2, 4)]  # watched from Thursday on
    assert found[0][:2] == ("2026-12-28", 3)  # the week of New Year is one week


def test_a_film_that_was_never_completed_is_forgotten(rows, event, tmp_path):
    (tmp_path / "there.mp4").touch()
    there, lost = (
        rows.add(event(at, clip=f"{name}.mp4")) for at, name in enumerate(("there", "lost"))
    )
    rows.forget_missing_films(tmp_path)
    assert rows.get(there)["film"] == "there.mp4"
    assert rows.get(lost)["film"] == ""


def test_files_that_were_deleted_are_forgotten(rows, event):
    number = rows.add(event(clip="a.mp4", thumbnail="a.png"))
    (files,) = rows.files()
    assert (files.number, files.film, files.thumbnail) == (number, "a.mp4", "a.png")
    rows.forget_files([number])
    assert rows.files() == []
    assert rows.get(number) is not None
