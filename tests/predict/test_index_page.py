from pathlib import Path

import pytest

from dmad.predict.index_page import (
    INDEX,
    MARK,
    counted,
    is_replaceable,
    link_to,
    player_time,
    write_index,
)
from dmad.predict.output_folder import OutputFolder

OWN = MARK.format(verb="predict")


class Nothing:
    """The content of a page of clips without any clip."""

    threshold, events, moments, heading, has_films = 2.0, 0, (), "<b>Nothing</b>", False


def content() -> dict:
    strongest = type("Clip", (), {"name": "street", "peak": 1.0})
    return {"index": Nothing, "strongest": strongest, "clips": [], "size": (1, 1)}


def write(folder: Path) -> str:
    with OutputFolder(folder) as output:
        write_index(output, "clips.html", content(), private=True)
    return (folder / INDEX).read_text()


def test_a_page_is_private_in_the_manifest_and_escapes_its_values(tmp_path):
    html = write(tmp_path / "out")
    assert OWN in html
    assert "<h1>&lt;b&gt;Nothing&lt;/b&gt;</h1>" in html
    assert (tmp_path / "out" / INDEX).stat().st_mode & 0o077 == 0
    assert INDEX in (tmp_path / "out/.dmad-written.jsonl").read_text()


def test_a_page_of_an_earlier_call_is_replaced(tmp_path):
    write(tmp_path)
    (tmp_path / INDEX).write_text(f"<!doctype html>{OWN}earlier page")
    assert "earlier page" not in write(tmp_path)


@pytest.mark.parametrize("kind", ["file", "link", "folder"])
def test_what_another_program_wrote_is_kept(tmp_path, logged, kind):
    path = tmp_path / "out" / INDEX
    path.parent.mkdir()
    if kind == "file":
        path.write_text("<!doctype html>mine")
    elif kind == "link":
        (tmp_path / "mine.html").write_text(OWN)
        path.symlink_to(tmp_path / "mine.html")
    else:
        path.mkdir()
    assert not is_replaceable(path, "predict")
    with OutputFolder(path.parent) as output:
        write_index(output, "clips.html", content())
        assert not output.has(INDEX)
    assert "index.html is not a page of `dmad predict`" in logged()
    if kind == "file":
        assert path.read_text() == "<!doctype html>mine"


def test_a_full_disk_gives_a_warning(tmp_path, logged, at_most):
    with OutputFolder(tmp_path) as output, at_most(500):
        write_index(output, "clips.html", content())
    assert logged().startswith("the page is not written: ")
    assert not (tmp_path / INDEX).exists()


def test_links_are_relative_and_cannot_be_a_scheme():
    assert link_to("a b#1?", "film.mp4") == "a%20b%231%3F/film.mp4"
    assert link_to("javascript:alert(1)", "x") == "javascript%3Aalert%281%29/x"
    assert link_to("\udcff.png") == "%FF.png"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1:00.0"),
        (119.97, "2:00.0"),
        (3723.25, "1:02:03.2"),
    ],
)
def test_times_are_those_of_a_film_player(seconds, text):
    assert player_time(seconds) == text


def test_counts_have_their_noun():
    assert [counted(n, "event") for n in range(3)] == ["no events", "1 event", "2 events"]
