"""Functions for the pages of clips, images and watched events: writing, links and times."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Template
from markupsafe import Markup

from dmad.drawing.page import page_style, template, text_of
from dmad.errors import DmadError, one_line, require
from dmad.files import write_atomically
from dmad.predict.output_folder import OutputFolder

logger = logging.getLogger(__name__)

INDEX = "index.html"
# A command replaces a page only if the page has this mark.
MARK = '<meta name="generator" content="dmad {verb}">'
MARK_WITHIN = 1000  # characters from the start of the page
PACKAGE = "dmad.predict"


def write_index(
    output: OutputFolder, page: str, content: dict[str, Any], *, private: bool = False
) -> None:
    """Write the page `index.html` of `dmad predict`, and add it to the results of the folder.

    If the page cannot be written, or would replace a file that is not a page of `dmad predict`,
    there is a warning and no error.

    Args:
        output: The folder.
        page: Name of the template in this package.
        content: The values of the template.
        private: Only the user who runs this process may read the page.
    """
    path = output.path(INDEX)
    html = page_text(template(PACKAGE, page), content, "predict")
    try:
        replace_page(path, html, "predict", private=private)
        output.add(path)
    except (OSError, DmadError) as error:
        logger.warning(f"the page is not written: {one_line(error)}")


def page_text(page: Template, content: dict[str, Any], verb: str) -> str:
    """Return the HTML of a page.

    Args:
        page: A template that extends `index.html` of this package.
        content: The values of the template.
        verb: The command that writes the page, such as "predict".
    """
    return page.render(
        mark=Markup(MARK.format(verb=verb)),
        style=Markup(page_style() + text_of(PACKAGE, "index.css")),
        verb=verb,
        **content,
    )


def replace_page(path: Path, html: str, verb: str, *, private: bool = False) -> None:
    """Write a page atomically, in place of an earlier page of the same command.

    Args:
        path: The file.
        html: The page, as `page_text` returns it.
        verb: The command that writes the page.
        private: Only the user who runs this process may read the page.

    Raises:
        DmadError: There is a file that is not a page of this command.
        OSError: The file cannot be written.
    """
    require(
        is_replaceable(path, verb),
        f"{path} is not a page of `dmad {verb}`; move it away to get the page",
    )
    write_atomically(path, html, private=private)


def is_replaceable(path: Path, verb: str) -> bool:
    """True if the file does not exist, or if it is a page of the command `verb`."""
    if not path.exists() and not path.is_symlink():
        return True
    if not path.is_file() or path.is_symlink():
        return False
    with path.open(errors="replace") as file:
        return MARK.format(verb=verb) in file.read(MARK_WITHIN)


def link_to(*parts: str) -> str:
    """Return the relative address of a file, from the parts of its path.

    The path begins in the folder of the page.
    """
    return quote(os.fsencode("/".join(parts)))


def counted(count: int, what: str) -> str:
    """Return a number with its noun: "1 event", "no events", "3 events"."""
    return f"{count or 'no'} {what}{'' if count == 1 else 's'}"


def player_time(seconds: float) -> str:
    """Return a time as a film player shows it, in tenths of a second: "3.2 s", "1:02:03.2"."""
    seconds = round(max(seconds, 0.0), 1)
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02d}:{rest:04.1f}" if hours else f"{minutes}:{rest:04.1f}"
