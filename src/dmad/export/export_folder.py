"""The folder of an export. It is replaced as a whole.

The card of the export (`model.json`) contains the hash of each other file.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from dmad.checked_files import read_mapping
from dmad.errors import DmadError, require
from dmad.files import sha256_of
from dmad.locks import LOCK
from dmad.runs import GRAPH_FILES, GRAPH_PARTS

CARD = "model.json"
HELD_OUT_TERMS = "model.npz"  # score terms of the footage that the threshold was set on
WRITTEN = (*GRAPH_FILES.values(), *GRAPH_PARTS)


def check_folder(out: Path) -> None:
    """Check that an export may be written into a folder.

    Raises:
        DmadError: The folder contains a trained model, or files of another program.
    """
    weights = out / "model.safetensors"
    require(not weights.exists(), f"{out} contains a trained model; give another --out DIR")
    try:
        is_export = "export" in read_mapping(out / CARD, "")
    except DmadError:
        is_export = False
    others = [name for name in (*WRITTEN, CARD, HELD_OUT_TERMS) if (out / name).exists()]
    require(
        is_export or not others,
        f"{out} contains {', '.join(others)}, but is no export; give another --out DIR",
    )


def hashes(folder: Path) -> dict[str, str]:
    """Return the SHA-256 hash of each file of an export, by name, without the card."""
    return {path.name: sha256_of(path) for path in sorted(folder.iterdir()) if path.name != CARD}


def replace_export(folder: Path, out: Path) -> None:
    """Rename the folder of a new export to `out`.

    The files of an earlier export in `out` are removed, and all other files are kept. `out` never
    contains an incomplete export. If this process is killed while `out` is missing, `finish_export`
    restores the earlier export.
    """
    if not out.exists():
        folder.rename(out)
        return
    for path in out.iterdir():
        if path.name in (*WRITTEN, CARD, HELD_OUT_TERMS, LOCK):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.copytree(path, folder / path.name, symlinks=True)
        else:
            shutil.copy2(path, folder / path.name, follow_symlinks=False)
    out.rename(_earlier(out))
    folder.rename(out)
    shutil.rmtree(_earlier(out))


def finish_export(out: Path) -> None:
    """Finish the work of a `replace_export` that was killed.

    If `out` is missing, the earlier export is restored. If the new export is in `out`, the earlier
    one is removed.
    """
    earlier = _earlier(out)
    if earlier.is_dir() and out.exists():
        shutil.rmtree(earlier)
    elif earlier.is_dir():
        earlier.rename(out)


def _earlier(out: Path) -> Path:
    return out.with_name(f".{out.name}.earlier")
