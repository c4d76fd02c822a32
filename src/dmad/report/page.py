"""The page: `page.html` filled in, with its style, its script and the plots' library inside."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from io import BytesIO
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup
from PIL import Image

from dmad.evaluation.summary import Block, Report
from dmad.report import charts

LARGEST = 2400  # width of a panel in pixels; larger ones are shrunk

QUALITY = 90  # of the panels, WebP

PLOTTED = {"scores", "thresholds", "training"}  # sections that need the plots' library

_NUMBER = re.compile(r"[+\-−]?[\d.,]+(\s*%|\s*(±|\+/-)\s*[\d.,]+)?")

_EMPTY = {"", "-", "–", "—", "n/a"}


def render(report: Report) -> str:
    """One HTML page that needs nothing beside it and asks nothing of the network."""
    shown = sections(report)
    return _template().render(
        report=report,
        sections=shown,
        blocks=[(block, numeric(block)) for block in report.blocks if block.rows],
        thumbnails=list(charts.thumbnails(report.series, report.threshold)),
        panels=[(panel, picture(panel.image)) for panel in report.panels],
        losses=charts.epochs(report, charts.LOSSES, others=True),
        memory=charts.epochs(report, charts.MEMORY),
        groups=groups(report.settings),
        style=Markup(_text("page.css")),
        script=Markup(_text("page.js")),
        viewer=Markup(_text("viewer.js")),
        data=Markup(charts.as_json(report)),
        plotly=Markup(_plotly()) if shown.keys() & PLOTTED else None,
    )


def sections(report: Report) -> dict[str, str]:
    """Anchor and name of every section that has something to show."""
    of_images = report.unit == "image"
    shown = {
        "results": ("Results", any(block.rows for block in report.blocks)),
        "scores": ("Scores" if of_images else "Scores over time", report.series),
        "events": ("Highest scores" if of_images else "Strongest events", report.panels),
        "thresholds": ("Thresholds", report.roc or report.alarms),
        "training": (
            "Training",
            any(set(epoch) - {"epoch", "seconds"} for epoch in report.history),
        ),
        "settings": ("Settings", report.settings),
        "fingerprint": ("Fingerprint", report.fingerprint),
    }
    return {anchor: name for anchor, (name, content) in shown.items() if content}


def numeric(block: Block) -> list[bool]:
    """Which columns hold numbers, and are set flush right."""
    columns = zip(*block.rows, strict=True)
    return [all(map(_is_number, column)) for column in columns]


def _is_number(cell: str) -> bool:
    return cell.strip() in _EMPTY or bool(_NUMBER.fullmatch(cell.strip()))


def picture(image: np.ndarray) -> dict[str, Any]:
    """An image (H, W, 3) uint8 as a data address with its size."""
    drawn = Image.fromarray(np.ascontiguousarray(image, np.uint8))
    drawn.thumbnail((LARGEST, LARGEST), Image.Resampling.LANCZOS)
    file = BytesIO()
    drawn.save(file, format="WebP", quality=QUALITY, method=4)
    source = "data:image/webp;base64," + b64encode(file.getvalue()).decode()
    return {"source": source, "width": drawn.width, "height": drawn.height}


def groups(settings: Mapping[str, Any]) -> dict[str, list[tuple[str, str]]]:
    """Name and value of every setting, by the top level of the nesting; plain ones first."""
    plain = [(key, words(value)) for key, value in settings.items() if not _nested(value)]
    nested = {key: list(flat(value)) for key, value in settings.items() if _nested(value)}
    return ({"general": plain} if plain else {}) | nested


def _nested(value: object) -> bool:
    return isinstance(value, Mapping) and bool(value)


def flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Dotted name and value of every setting."""
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", words(value)


def words(value: object) -> str:
    """A setting as `config.yaml` writes it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(words, value)) or "none"
    return str(value)


def _template() -> Template:
    loader = PackageLoader("dmad", "report")
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html")


def _text(name: str) -> str:
    return files("dmad.report").joinpath(name).read_text(encoding="utf-8")


def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    text: str = get_plotlyjs()
    return text
