"""Makes the report of the inspected parts of a day: one HTML file that contains pictures."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from typing import Any

from markupsafe import Markup

from dmad.drawing.page import page_style, template, text_of
from dmad.serve.console import Console
from dmad.serve.inspection import Station
from dmad.serve.page_data import histogram_of, shown_part
from dmad.serve.texts import PACKAGE, text

MOST = 500  # parts that the report shows


def part_report(console: Console, station: Station, day: str) -> str:
    """Return the report of the parts of a day as HTML. A browser needs no other file for it.

    The report counts all parts, and shows at most `MOST` of them: those with the highest scores.

    Args:
        console: The console.
        station: The station that judged the parts.
        day: The day, such as 2026-11-29.
    """
    parts = list(console.parts.each(station.model.name, day))
    parts.sort(key=lambda part: -part["score"])
    scores = [part["score"] for part in parts]
    calibration = station.calibration
    threshold = calibration.threshold if calibration else None
    cards = [_card(station.folder, part) for part in parts[:MOST]]
    page = template(PACKAGE, "page/part-report.html")
    return page.render(
        t=text,
        style=Markup(page_style() + text_of(PACKAGE, "page/part-report.css")),
        day=day,
        model=station.model.name,
        parts=cards,
        count=len(parts),
        anomalous=sum(part["verdict"] == "anomalous" for part in parts),
        threshold=threshold,
        histogram=histogram_of(station.good_scores(), scores, threshold),
    )


def _card(folder: Path, part: dict[str, Any]) -> dict[str, Any]:
    """Return what the report shows of a part: the entries of `shown_part`, and `source`.

    `source` is the picture with the heat (scores in colour) as a data URL. If this picture is
    missing, `source` is the picture without the heat. If both are missing, `source` is None.
    """
    source = None
    for name in (part["heat"], part["picture"]):
        path = folder / name
        if name and path.is_file():
            source = "data:image/webp;base64," + b64encode(path.read_bytes()).decode()
            break
    return shown_part(part) | {"source": source}
