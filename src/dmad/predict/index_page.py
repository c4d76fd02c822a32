"""What the pages of clips and of images have in common: writing, links and times."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from dmad.drawing.page import page_style, template, text_of
from dmad.errors import one_line
from dmad.files import write_atomically
from dmad.predict.output_folder import OutputFolder

logger = logging.getLogger(__name__)

INDEX = "index.html"
MARK = '<meta name="generator" content="dmad predict">'  # only a page with it is replaced
MARK_WITHIN = 1000  # characters from the start of the page
PACKAGE = "dmad.predict"


def write_index(
    output: OutputFolder, page: str, content: dict[str, Any], *, private: bool = False
) -> None:
    """Write `index.html` and add it to the manifest.

    There is a warning instead, and no error, if another `index.html` is there or if the page cannot
    be written.

    Args:
        output: The folder.
        page: Name of the template in this package.
        content: The values of the template.
        private: Only the user who runs this process may read the page.
    """
    path = output.path(INDEX)
    if not is_replaceable(path):
        logger.warning(f"no page: {path} was not written by `dmad predict`")
        return
    html = template(PACKAGE, page).render(
        mark=Markup(MARK),
        style=Markup(page_style() + text_of(PACKAGE, "index.css")),
        **content,
    )
    try:
        write_atomically(path, html, private=private)
        output.add(path)
    except OSError as error:
        logger.warning(f"no page: {one_line(error)}")


def is_replaceable(path: Path) -> bool:
    """True if there is no such file, or `write_index` wrote it."""
    if not path.exists() and not path.is_symlink():
        return True
    if not path.is_file() or path.is_symlink():
        return False
    with path.open(errors="replace") as file:
        return MARK in file.read(MARK_WITHIN)


def link_to(*parts: str) -> str:
    """Return the relative address of a file below the page, given by the parts of its path."""
    return quote(os.fsencode("/".join(parts)))


def counted(count: int, what: str) -> str:
    """Return a number with its noun: "1 event", "no events", "3 events"."""
    return f"{count or 'no'} {what}{'' if count == 1 else 's'}"


def player_time(seconds: float) -> str:
    """Return a time as a film player shows it, with tenths: "3.2 s", "2:03.2", "1:02:03.2"."""
    seconds = round(max(seconds, 0.0), 1)
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02d}:{rest:04.1f}" if hours else f"{minutes}:{rest:04.1f}"
