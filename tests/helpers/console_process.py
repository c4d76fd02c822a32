"""`dmad serve` in a process of its own."""

import os
import re
import resource
import subprocess
import sys
from pathlib import Path
from typing import Self

from waiting import until


class ConsoleProcess:
    """A console that was started on the command line, on a free port. Killed after a `with` block.

    Args:
        *arguments: Arguments of `dmad serve`.
        log: The file for its messages.
    """

    def __init__(self, *arguments: object, log: Path) -> None:
        self.log = log
        command = [sys.executable, "-m", "dmad.cli", "serve", *map(str, arguments), "--port", "0"]
        with log.open("w") as file:
            self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=file)

    @property
    def address(self) -> str:
        """Its address, as soon as it answers."""

        def found() -> re.Match[str] | None:
            assert self.process.poll() is None, self.log.read_text()
            return re.search(r"the console is at (\S+)", self.log.read_text())

        return until(found)[1]

    @property
    def memory(self) -> int:
        """Bytes of memory that the process uses now."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * resource.getpagesize()

    @property
    def open_files(self) -> int:
        """Number of files and connections that the process has open now."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self) -> None:
        """End the process at once, as a power failure of this process would."""
        self.process.kill()
        self.process.wait()
