"""The report: what stands in it, and what is left out."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dmad.errors import DmadError
from dmad.evaluation.summary import Block, Report, Series
from dmad.report import charts, page
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


def test_all_sections_stand_in_order(html: str) -> None:
    order = ["results", "scores", "events", "thresholds", "training", "settings", "fingerprint"]
    assert re.findall(r'<section id="(\w+)"', html) == order
    assert re.findall(r'<a href="#(\w+)"', html) == order
    ids = Tags(html).values("id")
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    ("section", "without"),
    [
        ("results", {"blocks": []}),
        ("scores", {"series": []}),
        ("events", {"panels": []}),
        ("thresholds", {"roc": [], "alarms": None}),
        ("training", {"history": [{"epoch": 1.0}]}),
        ("settings", {"settings": {}}),
        ("fingerprint", {"fingerprint": {}}),
    ],
)
def test_a_missing_part_leaves_no_trace(
    report: Report, section: str, without: dict[str, Any]
) -> None:
    html = without_plotly(render(replace(report, **without)))
    assert f'id="{section}"' not in html
    assert f'href="#{section}"' not in html


def test_an_empty_report_is_small_and_needs_no_script(empty: Report) -> None:
    html = render(empty)
    tags = Tags(html)
    assert len(html) < 30_000
    assert tags.count("script") == tags.count("section") == tags.count("nav") == 0


def test_without_labels_threshold_and_rate_the_timeline_remains(report: Report) -> None:
    bare = replace(report.series[0], labels=None, events=[])
    html = render(replace(report, series=[bare], threshold=None, fps=None))
    assert 'id="timeline"' in html
    assert "by the labels" not in html
    assert 'href="#mark-threshold"' not in html
    data = embedded(html)
    assert (data["fps"], data["threshold"], data["clips"][0]["truth"]) == (None, None, None)


def test_text_from_outside_stays_text(report: Report, html: str, naughty: str) -> None:
    bad = replace(
        report,
        title=naughty,
        subtitle=naughty,
        headline=[(naughty,) * 3],
        blocks=[Block(naughty, naughty, [naughty], [[naughty]])],
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


def test_nothing_is_fetched(html: str) -> None:
    tags = Tags(html)
    addresses = tags.values("src", "href", "srcset", "action", "data", "poster")
    assert all(address.startswith(("#", "data:")) for address in addresses)
    assert not re.search(r"@import|url\(", (Path(page.__file__).parent / "page.css").read_text())
    assert "default-src 'none'" in html


def test_the_page_can_be_read_aloud(html: str) -> None:
    tags = Tags(html)
    levels = [int(tag[1]) for tag, _ in tags.found if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert max(np.diff(levels)) <= 1
    assert all(attrs.get("scope") in {"col", "row"} for tag, attrs in tags.found if tag == "th")
    pictures = [attrs for tag, attrs in tags.found if tag == "img" and "src" in attrs]
    assert len(pictures) == 2
    assert all(attrs["alt"] for attrs in pictures)


def colours(css: str) -> Iterator[dict[str, str]]:
    light, dark = (
        dict(re.findall(r"--([a-z]+): (#\w{6});", part)) for part in css.split("@media")[:2]
    )
    yield from (light, dark)


def luminance(colour: str) -> float:
    channels = np.array(list(bytes.fromhex(colour[1:]))) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(a: str, b: str) -> float:
    low, high = sorted([luminance(a), luminance(b)])
    return (high + 0.05) / (low + 0.05)


def test_contrast_in_both_schemes() -> None:
    for scheme in colours((Path(page.__file__).parent / "page.css").read_text()):
        for ground in ("paper", "wash"):
            for text in ("ink", "soft", "link"):
                assert contrast(scheme[text], scheme[ground]) >= 4.5, (text, ground)
            for mark in ("score", "threshold", "reconstruction", "deformation", "truth", "found"):
                assert contrast(scheme[mark], scheme[ground]) >= 3, (mark, ground)


def test_numbers_are_short_and_gaps_are_null(html: str) -> None:
    assert charts.numbers([1 / 3, np.nan, np.inf, 2.0, 1.23456789e-7]) == [
        *(0.33333, None, None, 2, 1.2346e-07)
    ]
    clip = embedded(html)["clips"][0]
    assert clip["score"][:4] == [None] * 4
    assert len(clip["score"]) == 171
    assert clip["truth"] == [[60, 90]]
    assert clip["found"] == [[60, 75], [78, 90]]


def test_every_figure_of_the_history_has_its_curve(html: str) -> None:
    data = embedded(html)
    assert [curve["name"] for curve in data["losses"]] == ["Total loss", "own_term"]
    assert data["losses"][0] == {"name": "Total loss", "x": [1, 2, 3], "y": [1, 0.5, 0.33333]}
    assert [curve["name"] for curve in data["memory"]] == ["Items used"]


@pytest.mark.parametrize("frames", [1, 100, 171, 2000])
def test_thumbnails_keep_the_peak_in_its_place(frames: int) -> None:
    score = np.zeros(frames)
    score[frames // 3] = 9
    one = Series("a", score, score, score, score, [(frames // 3, frames // 3 + 1)])
    (thumbnail,) = charts.thumbnails([one], None)
    points = np.array(re.findall(r"([\d.]+) ([\d.]+)", thumbnail.path), float)
    assert len(points) == min(frames, charts.WIDTH)
    peak = points[points[:, 1].argmin(), 0]
    assert abs(peak - charts.WIDTH * (frames // 3 + 0.5) / frames) <= 1
    assert thumbnail.words == "1 found, 1 labelled"


def test_thumbnails_leave_gaps_and_share_a_scale() -> None:
    low, high = np.array([0.0, np.nan, 1.0]), np.array([0.0, 2.0, 4.0])
    first, second = charts.thumbnails(
        [Series(str(i), score, score, score, None, []) for i, score in enumerate((low, high))], 5.0
    )
    assert (first.path.count("M"), second.path.count("M")) == (2, 1)
    assert first.threshold == second.threshold == 2
    assert first.path.split()[1].startswith(second.path.split()[1].split("L")[0])


def test_without_a_threshold_nothing_is_called_found(report: Report) -> None:
    bare = [replace(one, events=None) for one in report.series]
    html = render(replace(report, series=bare, threshold=None))
    assert "event found" not in "".join(Tags(html).words)
    assert [clip["found"] for clip in embedded(html)["clips"]] == [None] * len(bare)
    assert "event found" in "".join(Tags(render(report)).words)


def test_a_score_without_neighbours_is_a_dot() -> None:
    score = np.array([np.nan, np.nan, 1.0, np.nan, 2.0, 3.0])
    (thumbnail,) = charts.thumbnails([Series("a", score, score, score, None, [])], None)
    assert re.fullmatch(r"M[\d. ]+h0M[\d. ]+L[\d. ]+", thumbnail.path)


def test_settings_are_listed_flat_under_their_top_level(report: Report) -> None:
    assert page.groups(report.settings) == {
        "general": [("seed", "0")],
        "data": [("root", "/d"), ("normal", "1, 3"), ("deep.x", "null")],
    }


def test_numbers_are_set_flush_right(report: Report) -> None:
    assert page.numeric(report.blocks[0]) == [False, True, False]
    assert page.numeric(report.blocks[1]) == [False, True]


def test_large_panels_are_shrunk() -> None:
    wide = page.picture(np.zeros((100, 4 * page.LARGEST, 3), np.uint8))
    assert (wide["width"], wide["height"]) == (page.LARGEST, 25)


def test_parts_that_do_not_fit_are_named() -> None:
    three = np.zeros(3)
    with pytest.raises(DmadError, match="clip a"):
        Series("a", three, three, np.zeros(2), None, [])
    with pytest.raises(DmadError, match="table blind"):
        Block("blind", "", ["signal", "AUROC"], [["constant"]])
