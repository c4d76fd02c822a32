import re
from pathlib import Path

import pytest

from dmad.serve import texts as module
from dmad.serve.texts import length_of, place_of, sentence_of, text, texts, when

PAGES = Path(module.__file__).parent / "page"
EVENT = {"term": "deformation", "box": [0.7, 0.7, 0.9, 0.9], "score": 9.0, "threshold": 4.0}


@pytest.mark.parametrize("path", sorted(PAGES.glob("*.html")), ids=lambda path: path.name)
def test_every_text_that_a_page_names_exists(path):
    page = path.read_text()
    whole = re.findall(r"""\bt\((["'])([\w.-]+)\1(?:\)|, )""", page)
    beginnings = re.findall(r"""\bt\((["'])([\w.-]+)\1 ~""", page)
    assert {name for _, name in whole} <= set(texts())
    for _, beginning in beginnings:
        assert any(name.startswith(beginning) for name in texts())


def test_every_text_that_a_script_names_exists():
    for path in PAGES.glob("*.js"):
        for name in re.findall(r"""\bt\("([\w.-]+)\"""", path.read_text()):
            assert f"js.{name}" in texts(), path.name


def test_pages_hold_no_texts_of_their_own():
    """All texts are in one file, so that the console can be translated."""
    for path in PAGES.glob("*.html"):
        page = re.sub(r"{[%#{].*?[%#}]}|<pre>.*?</pre>|<code>.*?</code>", "", path.read_text())
        visible = re.sub(r"<[^>]*>", " ", page)
        words = set(re.findall(r"[A-Za-z]{3,}", visible)) - {"dmad", "href", "html"}
        assert not words, path.name


def test_a_text_has_its_values():
    assert text("events.count", count=3) == "3 events"
    with pytest.raises(KeyError):
        text("no.such.text")


@pytest.mark.parametrize(
    ("box", "place"),
    [
        ((0.0, 0.0, 0.1, 0.1), "at the upper left"),
        ((0.4, 0.4, 0.6, 0.6), "in the middle"),
        ((0.8, 0.4, 1.0, 0.6), "at the right"),
        ((0.4, 0.9, 0.6, 1.0), "at the bottom"),
    ],
)
def test_the_place_of_an_event_in_words(box, place):
    assert place_of(box) == place


def test_a_guard_reads_one_sentence():
    assert sentence_of(EVENT) == (
        "Something moves or bends in an unusual way, at the lower right of the picture; clearly "
        "above the threshold"
    )
    assert sentence_of(EVENT | {"score": 20.0}).endswith("far above the threshold")
    assert sentence_of(EVENT | {"threshold": -1.0}).endswith("just above the threshold")


def test_times_in_words():
    assert when({"live": 0, "start": 12.34}) == "12.3 s into the recording"
    assert len(when({"live": 1, "start": 1.7e9})) == len("12:34:56")
    assert length_of({"start": 1.0, "end": None}) == "going on now"
    assert length_of({"start": 1.0, "end": 3.5}) == "2.5 s"
    assert length_of({"start": 0.0, "end": 125.0}) == "2 min 5 s"
