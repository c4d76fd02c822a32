"""The page: its sections, its safety, and how it can be read."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from dmad.drawing.page import page_style, text_of
from dmad.evaluation.summary import Report
from dmad.evaluation.table import Table
from dmad.report import page
from dmad.report.page import render


class Tags(HTMLParser):
    """Every element with its attributes, and the text outside scripts and styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.found and self.found[-1][0] not in {"script", "style"}:
            self.words.append(data)

    def values(self, *names: str) -> list[str]:
        return [attrs[name] or "" for _, attrs in self.found for name in names if name in attrs]

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.found)


def embedded(html: str) -> Any:
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', html)
    return json.loads(text)


def without_plotly(html: str) -> str:
    return html.replace(page._plotly(), "")


def test_sections_have_a_fixed_order_and_links(html: str) -> None:
    order = ["results", "events", "scores", "thresholds", "training", "settings", "fingerprint"]
    assert re.findall(r'<section id="(\w+)"', html) == order
    assert re.findall(r'<a href="#(\w+)"', html) == order
    ids = Tags(html).values("id")
    assert len(ids) == len(set(ids))


def test_a_folded_table_is_hidden_until_it_is_opened(report: Report) -> None:
    table = Table("paper", ["signal", "AUROC"], [["Eq. 14", "0.9"]])
    html = render(replace(report, tables=[table], folded=["paper"]))
    assert re.search(r"<details>\s*<summary><h3[^>]*>paper</h3></summary>.*Eq\. 14", html, re.S)
    assert not re.search(r"<details>\s*<summary><h3", render(replace(report, tables=[table])))


@pytest.mark.parametrize(
    ("section", "without"),
    [
        ("results", {"tables": []}),
        ("scores", {"series": []}),
        ("events", {"panels": []}),
        ("thresholds", {"roc": [], "alarms": None}),
        ("training", {"history": [{"epoch": 1.0}]}),
        ("settings", {"settings": {}}),
        ("fingerprint", {"fingerprint": {}}),
    ],
)
def test_a_section_without_content_is_left_out(
    report: Report, section: str, without: dict[str, Any]
) -> None:
    html = without_plotly(render(replace(report, **without)))
    assert f'id="{section}"' not in html
    assert f'href="#{section}"' not in html


def test_an_empty_report_is_a_small_page_without_scripts(empty: Report) -> None:
    html = render(empty)
    tags = Tags(html)
    assert len(html) < 30_000
    assert tags.count("script") == tags.count("section") == tags.count("nav") == 0


def test_the_timeline_needs_no_labels_threshold_or_frame_rate(report: Report) -> None:
    bare = replace(report.series[0], labels=None, events=[])
    html = render(replace(report, series=[bare], threshold=None, fps=None))
    assert 'id="timeline"' in html
    assert "labelled abnormal" not in html
    assert 'href="#mark-threshold"' not in html
    data = embedded(html)
    assert (data["fps"], data["threshold"], data["clips"][0]["truth"]) == (None, None, None)


def test_text_cannot_inject_html(report: Report, html: str, naughty: str) -> None:
    bad = replace(
        report,
        title=naughty,
        subtitle=naughty,
        headline=[(naughty,) * 3],
        tables=[Table(naughty, [naughty], [[naughty]], [naughty])],
        panels=[replace(report.panels[0], title=naughty, caption=naughty, tiles=[naughty])] * 2,
        roc=[(naughty, *curve) for _, *curve in report.roc],
        history=[{"epoch": 1.0, naughty: 2.0, "items_used": 1.0, "total": 1.0}],
        settings={naughty: {naughty: naughty}},
        fingerprint={naughty: naughty},
        notes=[naughty],
    )
    worse = render(bad)
    assert "<script>alert" not in worse
    assert "{{ 7*7 }}" in worse
    assert Tags(worse).count("script") == Tags(html).count("script")
    assert naughty in "".join(Tags(worse).words)
    assert embedded(worse)["roc"][0]["name"] == naughty


def test_the_page_loads_nothing(html: str) -> None:
    tags = Tags(html)
    addresses = tags.values("src", "href", "srcset", "action", "data", "poster")
    assert all(address.startswith(("#", "data:")) for address in addresses)
    style = page_style() + text_of("dmad.report", "page.css")
    assert not re.search(r"@import|url\(", style)
    assert "default-src 'none'" in html


def test_headings_tables_and_pictures_suit_a_screen_reader(html: str) -> None:
    tags = Tags(html)
    levels = [int(tag[1]) for tag, _ in tags.found if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert max(np.diff(levels)) <= 1
    assert all(attrs.get("scope") in {"col", "row"} for tag, attrs in tags.found if tag == "th")
    pictures = [attrs for tag, attrs in tags.found if tag == "img" and "src" in attrs]
    assert len(pictures) == 2
    assert all(attrs["alt"] for attrs in pictures)


def test_without_a_threshold_no_event_is_shown_as_detected(report: Report) -> None:
    bare = [replace(one, events=None) for one in report.series]
    html = render(replace(report, series=bare, threshold=None))
    assert "detected event" not in "".join(Tags(html).words)
    assert [clip["found"] for clip in embedded(html)["clips"]] == [None] * len(bare)
    assert "detected event" in "".join(Tags(render(report)).words)


def test_settings_are_grouped_by_section(report: Report) -> None:
    assert page.setting_groups(report.settings) == {
        "general": [("seed", "0")],
        "data": [("root", "/d"), ("normal", "1, 3"), ("deep.x", "null")],
    }


def test_columns_of_numbers_are_recognised(report: Report) -> None:
    assert page.numeric_columns(report.tables[0]) == [False, True, False]
    assert page.numeric_columns(report.tables[1]) == [False, True]
