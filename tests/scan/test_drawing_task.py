"""Names of pictures and films."""

from pathlib import Path

from dmad.scan.archive import ArchiveSource
from dmad.scan.drawing_task import DrawingTask, drawing_name, film_path, picture_path


def test_the_name_of_an_event_changes_with_its_source():
    one = ArchiveSource("/a/film.mp4", 5, "1", "gate")
    changed = ArchiveSource("/a/film.mp4", 6, "2", "gate")
    assert drawing_name(one, 1.5) == drawing_name(one, 1.5)
    names = {drawing_name(one, 1.5), drawing_name(one, 2.5), drawing_name(changed, 1.5)}
    assert len(names) == 3


def test_pictures_and_films_are_in_folders_of_their_own():
    assert picture_path(Path("out"), "a") == Path("out/pictures/a.webp")
    assert film_path(Path("out"), "a") == Path("out/films/a.mp4")
    task = DrawingTask(ArchiveSource("/a/film.mp4", 5, "1", "gate"), (), Path("out"))
    assert task.title == "pictures of /a/film.mp4"
