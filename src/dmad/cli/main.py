"""`dmad VERB ...`: which verb, and what becomes of its errors."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from io import TextIOWrapper

from dmad.cli.verbs import VERBS
from dmad.console import set_up_logging
from dmad.errors import DmadError, require


def usage() -> str:
    """What `dmad --help` prints."""
    lines = [f"  {name:11} {(verb.__doc__ or '').strip()}" for name, verb in VERBS.items()]
    return "\n".join(
        [
            "dmad finds what is not normal in video from fixed cameras and in images of parts, "
            "and shows why.",
            "",
            "usage: dmad VERB ...     (dmad VERB --help tells more)",
            "",
            *lines,
            "",
            "start:     dmad demo",
            "own data:  dmad train video --data.root FOLDER",
            "           dmad predict RUN VIDEO",
            "camera:    dmad watch RUN rtsp://camera/stream",
            "images:    dmad train images --data.root FOLDER",
            "           dmad predict RUN FOLDER",
        ]
    )


def run(arguments: Sequence[str]) -> None:
    """Dispatch to a verb."""
    from dmad import __version__

    verb = arguments[0] if arguments else "--help"
    if verb in ("-h", "--help"):
        print(usage())
    elif verb == "--version":
        print(__version__)
    else:
        near = get_close_matches(verb, VERBS, 1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(VERBS)}"
        require(verb in VERBS, f"unknown verb {verb!r}; {hint}")
        VERBS[verb](arguments[1:])


def main() -> None:
    """Entry point: bad input is one line on standard error and exit code 2."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")  # names of files need not be UTF-8
    set_up_logging()
    try:
        run(sys.argv[1:])
    except DmadError as error:
        print(f"dmad: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # whoever read the output has gone, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        print(f"dmad: {place}{error.strerror or error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("dmad: stopped", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
