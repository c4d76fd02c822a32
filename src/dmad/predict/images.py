"""Scores images with an image model: a table of verdicts, and overlays, maps and fields."""

from __future__ import annotations

import csv
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from dmad.console import progress_bar
from dmad.data.inputs import find_images
from dmad.data.layouts.image_folders import RESULT_FOLDERS, ImageFile
from dmad.data.reading.decode import decode
from dmad.data.reading.frame_format import Frame, FrameFormat
from dmad.errors import DmadError, require
from dmad.files import csv_text, write_atomically
from dmad.forms.images.pictures import ImagePictures, JudgedImage, judge_image, picture_name
from dmad.inference.detector import Detector

logger = logging.getLogger(__name__)

COLUMNS = ("image", "score", "threshold", "verdict", "reconstruction", "deformation")


def predict_images(detector: Detector, sources: Sequence[Path], out: Path) -> Path:
    """Score images, and write a table and pictures.

    Args:
        detector: An image model.
        sources: Images, and folders of images.
        out: Folder for `scores.csv`, and for the folders `overlays`, `maps` and `fields` with a
            picture of each image.

    Returns:
        `out`.

    Raises:
        DmadError: No image was found or none could be read, or `scores.csv` exists and was not
            written by this function.
    """
    files = _without_masks(find_images(sources))
    table = out / "scores.csv"
    require(
        _may_be_replaced(table),
        f"{table} was not written by `dmad predict`; choose another folder to write to",
    )
    _remove_pictures(table)
    pictures = ImagePictures(detector)
    results: list[JudgedImage] = []
    try:
        for file, judged in judge_files(detector, files):
            results.append(judged)
            try:
                pictures.write(file.path, judged, out)
            except OSError as error:  # such as a name too long
                logger.warning(f"no pictures of {file.name}: {error.strerror}")
    finally:  # also after a full disk or Ctrl-C
        if results:
            write_atomically(table, csv_text(COLUMNS, [_row(judged) for judged in results]))
    require(bool(results), f"none of {len(files)} images could be read; give intact ones")
    skipped = len(files) - len(results)
    if skipped:
        logger.warning(f"{skipped} of {len(files)} images were skipped")
    logger.info(_summary(results))
    return out


def judge_files(
    detector: Detector, files: Sequence[ImageFile]
) -> Iterator[tuple[ImageFile, JudgedImage]]:
    """Yield each image and its result. Unreadable images are reported and left out."""
    for file in progress_bar(files, "scoring", len(files)):
        frames = _read(file, FrameFormat.from_settings(detector.config.data))
        if frames:
            yield file, judge_image(detector, frames, file.name)


def _read(file: ImageFile, frame_format: FrameFormat) -> list[Frame]:
    """Read an image or its tiles; an empty list if it is unreadable."""
    problems: list[str] = []
    frames: list[Frame] = []
    try:
        frames = list(decode(file.path, frame_format, problems.append))
    except DmadError as error:
        problems.append(str(error))
    for problem in problems:
        logger.warning(f"skipped: {problem}")
    return frames


def _without_masks(files: list[ImageFile]) -> list[ImageFile]:
    """Leave out masks, unless all images are masks."""
    images = [file for file in files if file.kind != "mask"]
    if not images:
        return files
    if len(images) < len(files):
        logger.warning(f"{len(files) - len(images)} masks left out")
    return images


def _may_be_replaced(table: Path) -> bool:
    """True if there is no such table, or an earlier call of `predict_images` wrote it."""
    if not table.exists():
        return True
    with table.open(errors="replace") as file:
        return file.readline().strip() == ",".join(COLUMNS)


def _remove_pictures(table: Path) -> None:
    """Remove the pictures that are listed in the table of an earlier call."""
    if not table.exists():
        return
    with table.open(newline="", errors="surrogateescape") as file:
        rows = [row for row in csv.reader(file) if row]
    for name, *_ in rows[1:]:
        for folder in RESULT_FOLDERS:
            picture = table.parent / folder / picture_name(name)
            if ".." not in picture.parts:
                picture.unlink(missing_ok=True)


def _row(judged: JudgedImage) -> list[str]:
    return [
        judged.name,
        f"{judged.score:.6g}",
        "" if judged.threshold is None else f"{judged.threshold:.6g}",
        judged.verdict,
        f"{judged.reconstruction:.6g}",
        f"{judged.deformation:.6g}",
    ]


def _summary(results: Sequence[JudgedImage]) -> str:
    if results[0].threshold is None:
        return "no threshold is set, so there are no verdicts; set one with `dmad calibrate`"
    anomalous = sum(judged.verdict == "anomalous" for judged in results)
    return f"{anomalous} of {len(results)} images are anomalous"
