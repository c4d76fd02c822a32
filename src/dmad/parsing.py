"""A parser whose errors are one line."""

from __future__ import annotations

import re
from argparse import HelpFormatter
from difflib import get_close_matches
from typing import NoReturn

from jsonargparse import ArgumentParser

from dmad.errors import DmadError

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


def _plain(text: str) -> str:
    """Without `<class '...'>` and the parser's word for an option."""
    named = re.sub(r"<class '(?:\w+\.)*(\w+)'>", r"\1", text)
    named = named.replace("typing.Literal", "one of ").replace("Expected a ", "expected ")
    return re.sub(r'Parser key "([^"]+)":', r"--\1:", named)


def _one_line(message: str, parser: ArgumentParser) -> str:
    words = " ".join(_plain(str(message)).split())
    wrong = next((w for w in words.split() if w.startswith("--")), None)
    options = [o for action in parser._actions for o in action.option_strings]
    near = get_close_matches((wrong or "").split("=")[0].rstrip(":"), options, 1, 0.65)
    hint = f"; did you mean {near[0]}?" if near and near[0] != (wrong or "").rstrip(":") else ""
    return f"{words}{hint}" if hint else f"{words}; see --help"
