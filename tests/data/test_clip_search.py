"""Clips are found in trees of recorders, where dates are no views; left-out files are named."""

import os

import pytest

from dmad.data.clip_search import (
    FoundClip,
    clips_below,
    note_on_views,
    notes_on_left_out,
    visible,
    without_dates,
)


@pytest.mark.parametrize(
    ("folders", "view"),
    [
        ("2024-05-01/15/yard", "yard"),
        ("yard/2024/05/01", "yard"),
        ("20240501/001/dav", "001/dav"),
        ("01.05.2024", ""),
        ("2024-05-01_15", ""),
        ("2024050115", ""),
        ("20240501AM", ""),
        ("2024-05", ""),
        ("yard/2024/5/1", "yard"),
        ("yard/2024/May/01/15h", "yard"),
        ("Marburg 2024", "Marburg 2024"),
        ("Augsburg_2024/1", "Augsburg_2024/1"),
        ("2024/Marina", "Marina"),
        ("2024-5-1/yard", "yard"),
        ("01-May-2024/yard", "yard"),
        ("May 2024/1/yard", "yard"),
        ("2024-W18/yard", "yard"),
        ("2024-05-01_15-00-00_16-00-00/yard", "yard"),
        ("2024-05-01T15-00-00+02-00/yard", "yard"),
        ("2024年5月1日/yard", "yard"),
        ("2024.05.01/AM/yard", "yard"),
        ("2024-05-01/1", "1"),
        ("may/yard", "may/yard"),
        ("01", "01"),
        ("gate/12", "gate/12"),
        ("camera 2", "camera 2"),
    ],
)
def test_dates_and_hours_are_no_views(folders, view):
    assert "/".join(without_dates(folders.split("/"))) == view


def test_films_are_found_in_the_tree_of_a_recorder(tmp_path):
    for name in ("2024-05-01/15/yard/03.10.mp4", "2024-05-02/16/gate/a.dav"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    found = clips_below(tmp_path)
    assert [clip.view for clip in found] == ["yard", "gate"]
    (note,) = note_on_views(found)
    assert "2 folders are taken as separate views (gate, yard)" in note
    assert "date" in note


def test_loops_of_links_end(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "again").symlink_to(tmp_path)
    (tmp_path / "a" / "film.mp4").touch()
    assert [clip.folders for clip in clips_below(tmp_path)] == [("a",)]


def test_one_view_needs_no_note(tmp_path):
    assert note_on_views([FoundClip(tmp_path / "a.mp4"), FoundClip(tmp_path / "b.mp4")]) == []


def test_pipes_and_videos_of_unknown_endings_are_named(write_video, tmp_path):
    write_video(tmp_path / "a.mp4", 3).rename(tmp_path / "a.export")
    write_video(tmp_path / "b.mp4", 3)
    (tmp_path / "notes.txt").write_text("no film")
    os.mkfifo(tmp_path / "c.mp4")
    film, pipe = notes_on_left_out(visible(tmp_path))
    assert "1 files (a.export) left out" in film
    assert "1 files (c.mp4) left out: they are not regular files" in pipe
    assert [clip.path.name for clip in clips_below(tmp_path)] == ["b.mp4"]
