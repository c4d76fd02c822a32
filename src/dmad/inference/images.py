"""`dmad predict` on images: verdicts as CSV; overlay, raw map and fields as pictures."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from scipy.ndimage import binary_erosion
from torch import Tensor

from dmad import visualize
from dmad.data.decoding import decode, own_name
from dmad.data.images import DRAWN, ImageFile, scan
from dmad.data.load import tell
from dmad.data.pictures import open_image, upright
from dmad.data.tiles import blend
from dmad.errors import DmadError, require
from dmad.evaluation.calibration import Calibration
from dmad.inference.detector import Detector, Explained
from dmad.inference.explain import Image, to_image, total_field
from dmad.inference.tables import as_csv
from dmad.nn.ppdm import Bent
from dmad.runs import no_two_alike, write_whole
from dmad.scoring import pixel_map_plus
from dmad.tracking import tracked

FULL = 6.0  # value of the brightest grey of a raw map: the most three stages can differ
SHOWN = 1024  # longest side of an overlay in pixels
HOT = 2.0  # full colour of the heat, in thresholds
CONTOUR = (0, 220, 255)
COLUMNS = ("image", "score", "threshold", "verdict", "reconstruction", "deformation")
NO_THRESHOLD = "no threshold is set, so that nothing is called good or anomalous: dmad calibrate"
VERDICTS = {True: "anomalous", False: "good", None: ""}


@dataclass(frozen=True)
class Judged:
    """One image and what was found."""

    name: str  # of the image
    score: float  # standardised where there is a threshold, else Eq. 22
    threshold: float | None
    reconstruction: float  # first term of Eq. 22
    deformation: float  # second term before α
    map: NDArray[np.float32]  # (H, W): Eq. 23
    forward: NDArray[np.float32]  # (2, H, W) px: all forward fields in one
    backward: NDArray[np.float32]  # (2, H, W) px: all backward fields in one
    bent: tuple[Tensor, ...]  # tiles² x (3, h, w): its tiles bent forward, as the teacher sees them

    @property
    def deformed(self) -> Image:
        """The image bent forward, (H, W, 3); drawn when it is asked for."""
        return joined(np.stack([to_image(tile) for tile in self.bent]), len(self.map))

    @property
    def reach(self) -> float:
        """Length in px that 99 % of either field stay below."""
        return max(float(np.quantile(np.hypot(*w), 0.99)) for w in (self.forward, self.backward))

    @property
    def verdict(self) -> str:
        """`anomalous` or `good`; empty without a threshold."""
        return VERDICTS[None if self.threshold is None else self.score >= self.threshold]

    def row(self) -> list[str]:
        """Its line of the table, as `COLUMNS` say."""
        level = "" if self.threshold is None else f"{self.threshold:.6g}"
        terms = [f"{term:.6g}" for term in (self.reconstruction, self.deformation)]
        return [self.name, f"{self.score:.6g}", level, self.verdict, *terms]


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
                print(f"note: no pictures of {file.name}: {error.strerror}", file=sys.stderr)
    finally:  # also of what a full disk or Ctrl-C ends
        if rows:
            write_whole(table, as_csv(COLUMNS, rows))
    require(bool(rows), f"none of {len(files)} images could be read; give intact ones")
    if skipped := len(files) - len(rows):
        print(f"note: {skipped} of {len(files)} images were skipped", file=sys.stderr)
    bad = sum(row[COLUMNS.index("verdict")] == VERDICTS[True] for row in rows)
    verdict = f"{bad} of {len(rows)} images are anomalous"
    print(verdict if detector.calibration else NO_THRESHOLD, file=sys.stderr)
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


def file_of(name: str) -> str:
    """What the pictures of an image are called."""
    return name if name.lower().endswith(".png") else f"{name}.png"


def _parts(sources: Sequence[Path]) -> list[ImageFile]:
    """The images of all sources, without the masks that lie beside them."""
    files = named(sources)
    found = [file for file in files if file.kind != "mask"] or files  # masks alone are meant
    if masks := len(files) - len(found):
        print(f"note: {masks} masks left out", file=sys.stderr)
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
        tell(there.notes)
        found += [replace(file, name=f"{start}{file.name}") for file in there.files]
    return found


def judge_files(
    detector: Detector, files: Sequence[ImageFile]
) -> Iterator[tuple[ImageFile, Judged]]:
    """Judge files one by one; those that cannot be read are told and left out."""
    for file in tracked(files, "judging", len(files)):
        if frames := _read(detector, file):
            yield file, judge_image(detector, frames, file.name)


def _read(detector: Detector, file: ImageFile) -> list[Image]:
    data, notes, frames = detector.config.data, list[str](), list[Image]()
    try:
        frames = list(decode(file.path, data.size, data.channels, notes.append, data.tiles))
    except DmadError as error:
        notes.append(str(error))
    for note in notes:
        print(f"skipped: {note}", file=sys.stderr)
    return frames


def judge_image(detector: Detector, frames: Sequence[Image], name: str) -> Judged:
    """Judge an image, given whole or as its tiles (H, W, 3) uint8."""
    calibration, score = detector.calibration, detector.config.score
    canvas = detector.config.data.canvas
    batches = list(detector.explain(frames))
    terms = np.concatenate([found.columns()[1:3] for found in batches], axis=1).max(1)
    total, level = float(terms[0] + score.alpha * terms[1]), None
    if calibration:
        total = float(calibration.scorer.combine(*terms[:, None])[0])
        level = calibration.threshold
    maps = np.concatenate([pixel_map_plus(b.scores, score).cpu().numpy() for b in batches])
    forward, backward = (
        np.stack([blend(ways[:, axis], canvas) for axis in (0, 1)])
        for ways in map(np.concatenate, zip(*map(_fields, batches), strict=True))
    )
    bent = tuple(tile for found in batches for tile in _output(found).deformed)
    first, second = map(float, terms)
    pictures = blend(maps, canvas), forward, backward, bent
    return Judged(name, total, level, first, second, *pictures)


def joined(tiles: Image, canvas: int) -> Image:
    """An image (canvas, canvas, 3) from its tiles (tiles², h, w, 3)."""
    channels = [blend(tiles[..., c], canvas) for c in range(tiles.shape[-1])]
    return np.stack(channels, -1).round().astype(np.uint8)


def _fields(found: Explained) -> list[NDArray[np.float32]]:
    """All forward fields in one, and all backward ones: (B, 2, H, W) px each."""
    output = _output(found)
    ways = (output.forward, output.backward[::-1])
    return [total_field(way, output.deformed).float().cpu().numpy() for way in ways]


def _output(found: Explained) -> Bent:
    assert isinstance(found.output, Bent)
    return found.output


def raw_level(calibration: Calibration, alpha: float) -> float:
    """The threshold in units of Eq. 22: where Eq. 23 reaches it, a place alone is enough."""
    scorer = calibration.scorer
    first, second = scorer.reconstruction, scorer.deformation
    return calibration.threshold * first.scale + first.centre + alpha * second.centre


def outline(picture: Image, inside: NDArray[np.bool_], color: tuple[int, int, int]) -> None:
    """Draw the border of a region (H, W) into a picture (H, W, 3)."""
    width = max(1, max(inside.shape) // 256)
    picture[inside & ~binary_erosion(inside, iterations=width, border_value=1)] = color


class Pictures:
    """Draws judged images, all with the same colours.

    Args:
        detector: Its threshold sets full heat and the contour; without one, the first image does.
    """

    def __init__(self, detector: Detector) -> None:
        config, calibration = detector.config, detector.calibration
        self.level = raw_level(calibration, config.score.alpha) if calibration else None
        self.heat = HOT * self.level if self.level and self.level > 0 else 0.0
        self.field = sum(config.model.displacements) or 1.0

    def write(self, path: Path, found: Judged, out: Path) -> None:
        """Overlay, raw map and fields of the image at a path."""
        with open_image(path) as opened:
            opened.draft("RGB", (2 * SHOWN, 2 * SHOWN))
            picture = upright(opened, "RGB")
        picture.thumbnail((SHOWN, SHOWN))
        name = file_of(found.name)
        visualize.save(self.overlay(np.asarray(picture), found.map), out / "overlays" / name)
        visualize.save(self.fields(found), out / "fields" / name)
        grey = (found.map / FULL).clip(0, 1) * 65535
        visualize.save(grey.round().astype(np.uint16), out / "maps" / name)

    def overlay(self, picture: Image, anomaly: NDArray[np.float32]) -> Image:
        """The picture (H, W, 3) with heat, and a contour where the map reaches the threshold."""
        self.heat = self.heat or HOT * float(anomaly.max()) or 1.0
        size = picture.shape[1::-1]
        large = np.asarray(Pillow.fromarray(anomaly).resize(size, Pillow.Resampling.BILINEAR))
        drawn = visualize.heatmap(picture, large, self.heat)
        if self.level is not None:
            outline(drawn, large >= self.level, CONTOUR)
        return drawn

    def fields(self, found: Judged) -> Image:
        """Both fields side by side: hue is the direction, saturation the length."""
        drawn = [visualize.color_wheel(way, self.field) for way in (found.forward, found.backward)]
        return np.hstack(drawn)

    def tiles(self, picture: Image, found: Judged) -> dict[str, Image]:
        """The picture (H, W, 3), its heat, and its fields, by their names."""
        forward, backward = np.hsplit(self.fields(found), 2)
        heat = self.overlay(picture, found.map)
        fields = {"forward field": forward, "backward field": backward}
        return {"input": picture, "anomaly": heat, **fields}
