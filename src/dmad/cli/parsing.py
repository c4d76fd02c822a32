"""A parser whose errors are one line."""

from __future__ import annotations

import re
from argparse import HelpFormatter
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from jsonargparse import ArgumentParser

from dmad.errors import DmadError

if TYPE_CHECKING:
    from jsonargparse import Namespace

    from dmad.data.zones import Zone

RUN = "run folder, export, .safetensors file or shipped model"

SCENE = "a view trained on; by any other name one never trained on, its template from its own past"


class Parser(ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Say what is wrong and, where a name is nearly right, what was meant."""
        raise DmadError(_one_line(message, self))

    def format_help(self, formatter: HelpFormatter | None = None) -> str:
        """Types by names that are not of Python alone."""
        return _plain(super().format_help(formatter))


def add_zone(parser: Parser) -> None:
    """Options for the part of the view that counts."""
    zone = "of corners x,y in [0, 1], or a list of them"
    kind = str | list[str]
    parser.add_argument("--include", type=kind, default=[], help=f'"0,0 1,0 1,1": polygon {zone}')
    parser.add_argument("--exclude", type=kind, default=[], help="the same, of what does not count")


def add_places(parser: Parser) -> None:
    """Options for where the data lie."""
    parser.add_argument("--data.root", type=Path | None, help="folder of the data set")
    parser.add_argument("--data.cache", type=Path | None, help="folder for decoded frames")


def zone_of(asked: Namespace) -> Zone:
    """The part of the view that those options say."""
    from dmad.data.zones import Zone

    return Zone.parse(asked.include, asked.exclude)


def _plain(text: str) -> str:
    """Without classes, null, defaults that say nothing, and the parser's word for an option."""
    named = re.sub(r"<class\s+'(?:\w+\.)*(\w+)'>", r"\1", text)
    named = re.sub(r"\s+\|\s+null(?=[,)])|,\s+default:\s*(?:null|\[\])?(?=\))", "", named)
    named = named.replace("typing.Literal", "one of ").replace("Expected a ", "expected ")
    return re.sub(r'Parser key "([^"]+)":', r"--\1:", named)


def _one_line(message: str, parser: ArgumentParser) -> str:
    words = " ".join(_plain(str(message)).split())
    wrong = next((w for w in words.split() if w.startswith("--")), None)
    options = [o for action in parser._actions for o in action.option_strings]
    word = (wrong or "").split("=")[0].rstrip(":")
    near = [o for o in options if "." in o and o.rpartition(".")[2] == word.removeprefix("--")]
    near = near[:1] or get_close_matches(word, options, 1, 0.65)
    hint = f"; did you mean {near[0]}?" if near and near[0] != (wrong or "").rstrip(":") else ""
    return f"{words}{hint}" if hint else f"{words}; see --help"
