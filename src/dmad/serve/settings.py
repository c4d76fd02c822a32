"""The settings of `dmad serve`."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from dmad.errors import require

SHORTEST_TOKEN = 16  # characters


@dataclass(frozen=True)
class ServeSettings:
    """Where the console listens, what it keeps, and how long.

    Args:
        host: Network address of the console. By default, only this machine can open it. An address
            that other machines can reach needs a token file.
        port: Network port of the console.
        data: Folder for the database, films and pictures.
        token_file: Text file with a secret token of 16 characters or more. A person must type this
            token to open the console, and a program must send it.
        keep_days: Number of days after which films and pictures are deleted. 0: never.
        keep_gigabytes: Largest size of all films and pictures together, in gigabytes. If they need
            more, the oldest are deleted. 0: no limit.
        upload_megabytes: Largest image file that can be uploaded, in megabytes.
    """

    host: str = "127.0.0.1"
    port: int = 8420
    data: Path = Path("console")
    token_file: Path | None = None
    keep_days: float = 30.0
    keep_gigabytes: float = 20.0
    upload_megabytes: float = 32.0

    def __post_init__(self) -> None:
        require(0 <= self.port <= 65535, f"port is {self.port}; give 0 to 65535 (0: any free port)")
        for name in ("keep_days", "keep_gigabytes"):
            value = getattr(self, name)
            require(0 <= value < 1e6, f"{name} is {value:g}; give 0 (no limit) or more")
        size = self.upload_megabytes
        require(0 < size <= 1000, f"upload_megabytes is {size:g}; give more than 0, at most 1000")
        require(
            self.is_local or self.token_file is not None,
            f"host {self.host} can be reached from other machines; give --token-file FILE with a "
            "secret text, or leave out --host",
        )
        require(
            self.data.is_dir() or not self.data.exists(),
            f"{self.data} is no folder; name a folder with --data DIR",
        )

    @property
    def is_local(self) -> bool:
        """True if only this machine can open the console."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    def read_token(self) -> str:
        """Return the token; an empty text without a token file.

        Raises:
            DmadError: The file does not exist, or the token is too short.
        """
        path = self.token_file
        if path is None:
            return ""
        require(path.is_file(), f"{path} is not a file; write a secret text into it")
        token = path.read_text(errors="replace").strip()
        require(
            len(token) >= SHORTEST_TOKEN and token.isascii() and token.isprintable(),
            f"{path} must hold one line of {SHORTEST_TOKEN} or more letters and digits; make one "
            "with `openssl rand -hex 24`",
        )
        return token
