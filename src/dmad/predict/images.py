"""Scores images with an image model, and writes a table of verdicts, a page and pictures."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from dmad.console import progress_bar
from dmad.data.image_traits import ImageTraits, look_of
from dmad.data.inputs import find_images
from dmad.data.layouts.image_folders import RESULT_FOLDERS, ImageFile
from dmad.data.reading.decode import decode
from dmad.data.reading.frame_format import Frame, FrameFormat
from dmad.errors import DmadError, require
from dmad.files import csv_text, write_atomically
from dmad.forms.images.pictures import ImagePictures, JudgedImage, judge_image, picture_name
from dmad.inference.detector import Detector
from dmad.predict.image_index import ImageIndex
from dmad.predict.output_folder import OutputFolder

logger = logging.getLogger(__name__)

COLUMNS = ("image", "score", "threshold", "verdict", "raw", "reconstruction", "deformation")
WITHOUT_DEFORMATION = COLUMNS[:5]  # of models whose raw score has a single term
EARLIER_COLUMNS = ("image", "score", "threshold", "verdict", "reconstruction", "deformation")


def predict_images(detector: Detector, sources: Sequence[Path], out: Path) -> Path:
    """Score images, and write a table and pictures.

    Args:
        detector: An image model.
        sources: Images, and folders of images.
        out: Folder for `scores.csv`, for the page `index.html`, and for the folders `overlays`,
            `maps` and `fields` with a picture of each image. Only a model that deforms images
            writes `fields`.

    Returns:
        `out`.

    Raises:
        DmadError: No image was found or none could be read; `scores.csv` exists and was not
            written by this function; another process writes into `out`; or a folder in `out` is
            a link.
    """
    files = _without_masks(find_images(sources))
    table = out / "scores.csv"
    require(
        _may_be_replaced(table),
        f"{table} was not written by `dmad predict`; choose another folder to write to",
    )
    pictures, differences = ImagePictures(detector), Differences(detector)
    results: list[JudgedImage] = []
    with OutputFolder(out) as output:
        for folder in RESULT_FOLDERS:
            output.path(f"{folder}/picture.png")  # refuses a link
            output.remove_unfinished(folder)
        try:
            for file, judged in judge_files(detector, files, differences):
                results.append(without_arrays(judged))
                try:
                    _write_pictures(pictures, file, judged, output)
                except OSError as error:  # such as a name too long
                    reason = error.strerror
                    logger.warning(f"some pictures of {file.name} are not written: {reason}")
        finally:  # also after a full disk or Ctrl-C
            if results:
                columns = COLUMNS if detector.config.deforms else WITHOUT_DEFORMATION
                rows = [_row(judged)[: len(columns)] for judged in results]
                write_atomically(table, csv_text(columns, rows))
                ImageIndex(results, output).write()
                output.remove_earlier()
    require(bool(results), f"none of {len(files)} images could be read; give intact ones")
    skipped = len(files) - len(results)
    if skipped:
        logger.warning(f"{skipped} of {len(files)} images were skipped")
    if differences.note:
        logger.warning(differences.note)
    logger.info(_summary(results))
    return out


def without_arrays(judged: JudgedImage) -> JudgedImage:
    """Return the result of an image with empty maps and fields, so that it needs little memory."""
    none = np.zeros((0, 0), np.float32)
    return replace(judged, map=none, forward=none, backward=none, deformed_tiles=none)


class Differences:
    """Counts the new images that look different from the training images.

    Args:
        detector: The model. Older models do not store how their training images look. For such
            a model, nothing is compared.
    """

    def __init__(self, detector: Detector) -> None:
        self.traits = ImageTraits.from_card(detector.images)
        self.megapixels: float = detector.config.data.megapixels
        self.compared = 0
        self.different = 0
        self.first = ""

    def compare(self, file: ImageFile, frames: Sequence[Frame]) -> None:
        """Compare an image with the training images.

        Args:
            file: The file of the image.
            frames: The decoded image: a single frame, or a frame for each tile of the image.
        """
        if self.traits is None:
            return
        self.compared += 1
        difference = self.traits.misfit(look_of(file, frames, self.megapixels))
        if difference:
            self.different += 1
            self.first = self.first or f"{file.name}: {difference}"

    @property
    def note(self) -> str:
        """One line on the images that look different from the training images; empty if none do."""
        if not self.different:
            return ""
        return (
            f"{self.different} of {self.compared} images look different from the training images "
            f"({self.first}); is this another camera or view?"
        )


def judge_files(
    detector: Detector, files: Sequence[ImageFile], differences: Differences
) -> Iterator[tuple[ImageFile, JudgedImage]]:
    """Yield each image and its result. Unreadable images are reported and left out."""
    for file in progress_bar(files, "scoring", len(files)):
        frames = _read(file, FrameFormat.from_settings(detector.config.data))
        if frames:
            differences.compare(file, frames)
            yield file, judge_image(detector, frames, file.name)


def _read(file: ImageFile, frame_format: FrameFormat) -> list[Frame]:
    """Return the whole image as one frame, or a frame for each tile. Empty if it is unreadable."""
    problems: list[str] = []
    frames: list[Frame] = []
    try:
        frames = list(decode(file.path, replace(frame_format, page=file.page), problems.append))
    except DmadError as error:
        problems.append(str(error))
    for problem in problems:
        logger.warning(f"skipped: {problem}")
    return frames


def _without_masks(files: list[ImageFile]) -> list[ImageFile]:
    """Leave out masks (images that mark the defects of other images).

    If all images are masks, return all.
    """
    images = [file for file in files if file.kind != "mask"]
    if not images:
        return files
    if len(images) < len(files):
        logger.warning(f"{len(files) - len(images)} masks are left out")
    return images


def _may_be_replaced(table: Path) -> bool:
    """True if the table does not exist, or if an earlier call of `predict_images` wrote it."""
    if not table.exists():
        return True
    with table.open(errors="replace") as file:
        header = tuple(file.readline().strip().split(","))
    return header in (COLUMNS, WITHOUT_DEFORMATION, EARLIER_COLUMNS)


def _write_pictures(
    pictures: ImagePictures, file: ImageFile, judged: JudgedImage, output: OutputFolder
) -> None:
    """Write the pictures of an image, and add them to the list of the files that were written."""
    paths = [output.path(f"{folder}/{picture_name(judged.name)}") for folder in RESULT_FOLDERS]
    try:
        pictures.write(file.path, judged, output.folder, file.page)
    finally:  # also if only some could be written
        for path in paths:
            if path.is_file():
                output.add(path)


def _row(judged: JudgedImage) -> list[str]:
    return [
        judged.name,
        f"{judged.score:.6g}",
        "" if judged.threshold is None else f"{judged.threshold:.6g}",
        judged.verdict,
        f"{judged.raw:.6g}",
        f"{judged.reconstruction:.6g}",
        f"{judged.deformation:.6g}",
    ]


def _summary(results: Sequence[JudgedImage]) -> str:
    if results[0].threshold is None:
        return "no threshold is set, so there are no verdicts; set one with `dmad calibrate`"
    anomalous = sum(judged.verdict == "anomalous" for judged in results)
    return f"{anomalous} of {len(results)} images are anomalous"
