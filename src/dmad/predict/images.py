"""`dmad predict` on images: verdicts as CSV; overlay, raw map and fields as pictures."""

from __future__ import annotations

import csv
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from dmad.console import progress_bar, warn_about
from dmad.data.layouts.images import DRAWN, ImageFile, scan
from dmad.data.reading.decode import decode
from dmad.data.reading.paths import own_name
from dmad.errors import DmadError, require
from dmad.files import no_two_alike, write_whole
from dmad.forms.images.pictures import (
    COLUMNS,
    NO_THRESHOLD,
    VERDICTS,
    Judged,
    Pictures,
    file_of,
    judge_image,
)
from dmad.forms.video.pictures import Image
from dmad.inference.detector import Detector
from dmad.predict.tables import as_csv

logger = logging.getLogger(__name__)


def predict_images(detector: Detector, sources: Sequence[Path], out: Path) -> Path:
    """Judge image files, and all images in folders, and write what a person wants to see.

    Args:
        detector: A model of images.
        sources: Image files and folders.
        out: Where to write `scores.csv`, and `overlays`, `maps` and `fields` with a picture of
            each image.

    Returns:
        `out`.

    Raises:
        DmadError: No source holds an image, or none could be read.
    """
    files, table = _parts(sources), out / "scores.csv"
    require(_is_ours(table), f"{table} is none of ours; choose another folder with --out")
    shown = Pictures(detector)
    rows: list[list[str]] = []
    clear(table)
    try:
        for file, found in judge_files(detector, files):
            rows.append(found.row())
            try:
                shown.write(file.path, found, out)
            except OSError as error:  # such as a name too long
                logger.warning(f"no pictures of {file.name}: {error.strerror}")
    finally:  # also of what a full disk or Ctrl-C ends
        if rows:
            write_whole(table, as_csv(COLUMNS, rows))
    require(bool(rows), f"none of {len(files)} images could be read; give intact ones")
    if skipped := len(files) - len(rows):
        logger.warning(f"{skipped} of {len(files)} images were skipped")
    bad = sum(row[COLUMNS.index("verdict")] == VERDICTS[True] for row in rows)
    verdict = f"{bad} of {len(rows)} images are anomalous"
    logger.info(verdict if detector.calibration else NO_THRESHOLD)
    return out


def clear(table: Path) -> None:
    """Remove the pictures of images judged in a call before, as its table names them."""
    if not table.exists():
        return
    with table.open(newline="", errors="surrogateescape") as file:
        names = [row[0] for row in csv.reader(file) if row][1:]
    for folder in DRAWN:
        for name in names:
            picture = table.parent / folder / file_of(name)
            if ".." not in picture.parts:
                picture.unlink(missing_ok=True)


def _parts(sources: Sequence[Path]) -> list[ImageFile]:
    """The images of all sources, without the masks that lie beside them."""
    files = named(sources)
    found = [file for file in files if file.kind != "mask"] or files  # masks alone are meant
    if masks := len(files) - len(found):
        logger.warning(f"{masks} masks left out")
    return found


def _is_ours(table: Path) -> bool:
    """Whether a table may be written anew: there is none, or one of images judged before."""
    if not table.exists():
        return True
    with table.open(errors="replace") as file:
        return file.readline().strip() == ",".join(COLUMNS)


def named(sources: Sequence[Path]) -> list[ImageFile]:
    """The images of all sources, those of a folder called by it too, and so files named alike."""
    missing = next((source for source in sources if not source.exists()), None)
    require(missing is None, f"{missing} does not exist; give images or folders of them")
    whole = {Path(os.path.abspath(source)): source for source in sources}  # each once
    sources = list(whole.values())
    places = [path if path.is_dir() else path.parent for path in whole]
    folders = list(dict.fromkeys(places))
    labels = dict(zip(folders, no_two_alike(map(own_name, folders)), strict=True))
    loose = [source.name for source in sources if source.is_file()]
    found: list[ImageFile] = []
    for source, place in zip(sources, places, strict=True):
        labelled = source.is_dir() or len(set(loose)) < len(loose)
        start = f"{labels[place]}/" if labelled else ""
        there = scan(source)
        warn_about(there.notes, logger)
        found += [replace(file, name=f"{start}{file.name}") for file in there.files]
    return found


def judge_files(
    detector: Detector, files: Sequence[ImageFile]
) -> Iterator[tuple[ImageFile, Judged]]:
    """Judge files one by one; those that cannot be read are told and left out."""
    for file in progress_bar(files, "judging", len(files)):
        if frames := _read(detector, file):
            yield file, judge_image(detector, frames, file.name)


def _read(detector: Detector, file: ImageFile) -> list[Image]:
    data, notes, frames = detector.config.data, list[str](), list[Image]()
    try:
        frames = list(decode(file.path, data.size, data.channels, notes.append, data.tiles))
    except DmadError as error:
        notes.append(str(error))
    for note in notes:
        logger.warning(f"skipped: {note}")
    return frames
