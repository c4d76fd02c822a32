"""The plan: what is finished, and what is left."""

from contextlib import closing

import pytest

from dmad.scan.archive import ArchiveSource
from dmad.scan.film import Stretch
from dmad.scan.merge import FoundEvent
from dmad.scan.parts import PartInfo, PartWriter, SourceOutcome, part_path
from dmad.scan.plan import Plan, Task, Unfinished


def source(
    number: int, view: str = "gate", reason: str = "", suffix: str = ".png"
) -> ArchiveSource:
    return ArchiveSource(f"/archive/{number}{suffix}", 10, f"{number}", view, reason)


def outcome(one: ArchiveSource, **values) -> SourceOutcome:
    return SourceOutcome(one.path, one.size, one.stamp, **values)


@pytest.fixture
def plan(tmp_path):
    (tmp_path / "parts").mkdir()
    with closing(Plan(tmp_path / "plan.sqlite", tmp_path / "parts", images_at_once=3)) as plan:
        yield plan
    assert not (tmp_path / "plan.sqlite").exists()


def finish(plan: Plan, task: Task, info: PartInfo) -> None:
    with PartWriter(part_path(plan.parts, task.name)) as writer:
        writer.finish(info)
    plan.add_result(task.name, info)


def test_images_of_one_view_are_judged_together(plan):
    plan.add_sources([*(source(n) for n in range(4)), source(9, "yard"), source(3)])
    tasks = list(plan.tasks("images"))
    assert [len(task.sources) for task in tasks] == [3, 1, 1]
    assert [task.view for task in tasks] == ["gate", "gate", "yard"]


def test_the_images_of_a_task_do_not_depend_on_what_is_finished(plan):
    sources = [source(n) for n in range(6)]
    plan.add_sources(sources)
    first, second = plan.tasks("images")
    plan.add_result(first.name, PartInfo("gate", tuple(outcome(one) for one in sources[:3])))
    assert list(plan.tasks("images")) == [second]


def test_a_changed_source_is_left_and_an_old_result_does_not_count(plan):
    plan.add_sources([source(1)])
    old = SourceOutcome("/archive/1.png", 10, "old")
    plan.add_result("part", PartInfo("gate", (old,)))
    assert [task.sources for task in plan.tasks("frames")] == [(source(1),)]
    assert plan.count() == (0, 1)
    assert plan.unfinished() == Unfinished(1, 0.0, 0, {"image": 1})


def test_finished_files_are_found_again_and_damaged_ones_removed(plan, logged):
    plan.add_sources([source(1), source(2)])
    (task, _) = plan.tasks("frames")
    with PartWriter(part_path(plan.parts, task.name)) as writer:
        writer.finish(PartInfo("gate", (outcome(source(1), rows=3, notes=("a", "b")),)))
    (plan.parts / "damaged.parquet").write_text("nonsense")
    plan.add_finished()
    assert plan.count() == (1, 1)
    assert "damaged" in logged()
    assert not (plan.parts / "damaged.parquet").exists()
    (film,) = plan.finished_films()
    assert film.parts == (task.name,)
    assert film.outcome.notes == ("a", "b")
    assert list(plan.notes()) == [("/archive/1.png", "a\nb")]


def test_a_cut_film_is_finished_when_all_stretches_are(plan):
    one = source(1, suffix=".mp4")
    plan.add_sources([one])
    (task,) = plan.tasks("frames")
    stretches = tuple(Stretch(n, 2, n or None, 1 - n or None, None, None) for n in range(2))
    finish(plan, task, PartInfo("gate", (outcome(one),), stretches))
    assert list(plan.tasks("frames")) == []
    first, second = plan.stretch_tasks()
    assert (first.size, first.share) == (5, 0.5)
    finish(plan, second, PartInfo("gate", (outcome(one, notes=("x",)),), (), 1))
    assert list(plan.stretch_tasks()) == [first]
    assert plan.unfinished() == Unfinished(1, 0.5, 1, {".mp4": 5})
    assert list(plan.finished_films()) == []
    finish(plan, first, PartInfo("gate", (outcome(one, notes=("x",)),), (), 0))
    plan.join_stretches()
    (film,) = plan.finished_films()
    assert film.parts == (first.name, second.name)
    assert film.outcome.notes == ("x",)


def test_a_film_with_a_stretch_that_was_left_out_is_left_out(plan):
    one = source(1)
    plan.add_sources([one])
    (task,) = plan.tasks("frames")
    stretches = (Stretch(0, 1, None, None, None, None),)
    finish(plan, task, PartInfo("gate", (outcome(one),), stretches))
    finish(plan, next(plan.stretch_tasks()), PartInfo("gate", (outcome(one, reason="bad"),), (), 0))
    plan.join_stretches()
    assert list(plan.left_out()) == [("/archive/1.png", "bad")]
    assert plan.count() == (0, 1)


def test_every_source_is_judged_or_left_out_with_a_reason(plan):
    plan.add_sources([source(1, reason="foreign"), source(2), source(3), source(4)])
    plan.add_result("a", PartInfo("gate", (outcome(source(2), reason="broken"),)))
    plan.leave_out(source(3), "crashed")
    reasons = ["foreign", "broken", "crashed", "it was not judged yet"]
    assert [reason for _, reason in plan.left_out()] == reasons
    assert plan.count() == (0, 4)


def test_a_name_that_is_not_utf8_is_kept(plan):
    odd = ArchiveSource("/archive/\udcbc.png", 1, "1", "gate")
    plan.add_sources([odd])
    assert next(plan.tasks("frames")).sources == (odd,)
    assert plan.source(odd.path) == odd


def test_events_are_counted_by_view_hour_and_day(plan):
    one, two = source(1), source(2, "yard")
    plan.add_sources([one, two])
    plan.add_result("a", PartInfo("gate", (outcome(one, rows=4, recorded="2026-03-01T10:00:00"),)))
    event = FoundEvent(0, 1, 0.5, 3.0, 2.0, "error")
    strong = event._replace(score=9.0)
    plan.add_events(one.path, "gate", [(event, "2026-03-01T10:00:00"), (strong, "")])
    assert plan.events_by_hour(5) == [("gate", "10", 1)]
    assert plan.events_by_day() == [("2026-03-01", 1)]
    assert plan.recorded_days() == ["2026-03-01"]
    assert (plan.count_events(), plan.count_views_with_events()) == (2, 1)
    (batch,) = plan.events_in_batches(10, 1, strongest_first=True)
    assert batch[0].score == 9.0
    gate, yard = plan.numbers_of_views()
    assert (gate.sources, gate.rows, gate.events, gate.left_out) == (1, 4, 2, 0)
    assert (yard.sources, yard.left_out) == (0, 1)
    assert plan.has_threshold()
