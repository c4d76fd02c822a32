"""Fills `page.html` with a report. The page contains its style, scripts and plotting library."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from dmad.drawing.page import embedded_picture, page_style, template, text_of
from dmad.drawing.thumbnails import thumbnails
from dmad.evaluation.summary import Report
from dmad.evaluation.table import Table
from dmad.report import charts

PLOTTED_SECTIONS = {"scores", "thresholds", "training"}  # sections with interactive charts

_NUMBER = re.compile(r"[+\-−]?[\d.,]+(\s*%|\s*(±|\+/-)\s*[\d.,]+)?")

_EMPTY_CELLS = {"", "-", "–", "—", "n/a"}


def render(report: Report) -> str:
    """Return the report as an HTML page that needs no other file and no internet connection."""
    shown = sections(report)
    return template("dmad.report", "page.html").render(
        report=report,
        sections=shown,
        tables=[(table, numeric_columns(table)) for table in report.tables if table.rows],
        thumbnails=list(thumbnails(report.series, report.threshold)),
        panels=[(panel, embedded_picture(panel.image)) for panel in report.panels],
        losses=charts.loss_curves(report),
        memory=charts.memory_curves(report),
        groups=setting_groups(report.settings),
        style=Markup(page_style() + text_of("dmad.report", "page.css")),
        script=Markup(text_of("dmad.report", "page.js")),
        viewer=Markup(text_of("dmad.report", "viewer.js")),
        data=Markup(charts.page_data(report)),
        plotly=Markup(_plotly()) if shown.keys() & PLOTTED_SECTIONS else None,
    )


def sections(report: Report) -> dict[str, str]:
    """Return anchor and title of every section that has content."""
    of_images = report.unit == "image"
    has_curves = any(set(epoch) - {"epoch", "seconds"} for epoch in report.history)
    pictures = "Wrong verdicts and highest scores" if of_images else "Missed and detected events"
    if report.threshold is None:
        pictures = "Highest scores"
    all_sections = {
        "results": ("Results", any(table.rows for table in report.tables)),
        "events": (pictures, report.panels),
        "scores": ("Scores" if of_images else "Scores over time", report.series),
        "thresholds": ("Thresholds", report.roc or report.alarms),
        "training": ("Training", has_curves),
        "settings": ("Settings", report.settings),
        "fingerprint": ("Fingerprint", report.fingerprint),
    }
    return {anchor: title for anchor, (title, content) in all_sections.items() if content}


def numeric_columns(table: Table) -> list[bool]:
    """Return for each column True if it holds only numbers. Such columns are aligned right."""
    return [all(map(_is_number, column)) for column in zip(*table.rows, strict=True)]


def _is_number(cell: str) -> bool:
    return cell.strip() in _EMPTY_CELLS or bool(_NUMBER.fullmatch(cell.strip()))


def setting_groups(settings: Mapping[str, Any]) -> dict[str, list[tuple[str, str]]]:
    """Return names and values of all settings by group, such as "data". "general" comes first."""
    general = [
        (name, setting_text(value)) for name, value in settings.items() if not _is_section(value)
    ]
    groups = {"general": general} if general else {}
    for name, value in settings.items():
        if _is_section(value):
            groups[name] = list(flat_settings(value))
    return groups


def _is_section(value: object) -> bool:
    return isinstance(value, Mapping) and bool(value)


def flat_settings(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the name and the value of every setting. Nested names are joined by dots."""
    for name, value in settings.items():
        if _is_section(value):
            yield from flat_settings(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", setting_text(value)


def setting_text(value: object) -> str:
    """Return a setting as text, as `config.yaml` writes it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(setting_text, value)) or "none"
    return str(value)


def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    text: str = get_plotlyjs()
    return text
