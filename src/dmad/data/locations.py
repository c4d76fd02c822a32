"""Sets and checks the folders of the data and of the cache in the settings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from dmad.config import DataConfig
from dmad.data.reading.paths import shown
from dmad.errors import DmadError, require

AnyDataConfig = TypeVar("AnyDataConfig", bound=DataConfig)


def with_locations(data: AnyDataConfig, root: Path | None, cache: Path | None) -> AnyDataConfig:
    """Return the settings with the given folders for data and cache, as absolute paths.

    If a folder is None, the folder in the settings is kept.
    """
    root, cache = root or data.root, cache or data.cache
    return replace(
        data,
        root=Path(root).absolute() if root else None,
        cache=Path(cache).absolute() if cache else None,
    )


def required_root(data: DataConfig) -> Path:
    """Return the folder `data.root`.

    Raises:
        DmadError: The folder is not given, or does not exist.
    """
    if data.root is None:
        raise DmadError(f"{data.layout} needs a folder of data; give --data.root PATH")
    root = Path(data.root)
    require(
        root.exists(), f"--data.root {shown(root)} does not exist; give the folder of the data set"
    )
    return root
