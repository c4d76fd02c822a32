"""The page of scored images: a histogram of the scores, and the images, highest score first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from markupsafe import Markup

from dmad.drawing.page import text_of
from dmad.forms.images.pictures import JudgedImage, picture_name
from dmad.predict.index_page import PACKAGE, counted, link_to, write_index
from dmad.predict.output_folder import OutputFolder

MOST_IMAGES = 1000  # on the page
BINS = 40  # of the histogram
WIDTH, HEIGHT = 600, 120  # of the histogram in SVG units


@dataclass(frozen=True)
class ImageCard:
    """One image on the page."""

    name: str
    score: float
    verdict: str  # "anomalous" or "good"; empty without a threshold
    picture: str  # relative address of its overlay; empty without an overlay
    links: Sequence[tuple[str, str]]  # name and relative address of its other pictures


@dataclass(frozen=True)
class Bar:
    """One bar of the histogram, in SVG units."""

    left: float
    width: float
    height: float
    words: str  # "3 images from 1.2 to 1.4"


@dataclass(frozen=True)
class Histogram:
    """A histogram of the scores. A bar shows how many images have a score in a certain range."""

    bars: Sequence[Bar]
    threshold: float | None  # SVG units from the left edge; None without a threshold
    lowest: float  # score at the left edge
    highest: float  # score at the right edge


class ImageIndex:
    """The content of the page of scored images.

    Args:
        results: The results of all images, at least one.
        output: The folder with their pictures.
    """

    def __init__(self, results: Sequence[JudgedImage], output: OutputFolder) -> None:
        self.count = len(results)
        self.threshold = results[0].threshold
        self.anomalous = sum(judged.verdict == "anomalous" for judged in results)
        self.scores = np.array([judged.score for judged in results])  # (N,)
        order = np.argsort(-self.scores, kind="stable")[:MOST_IMAGES]
        self.cards = [card_of(results[index], output) for index in order]
        self._output = output

    @cached_property
    def heading(self) -> str:
        """What was found, in a few words."""
        images = counted(self.count, "image")
        if self.threshold is None:
            return f"Highest scores of {images}"
        if not self.anomalous:
            return "No image is anomalous"
        return f"{self.anomalous} of {images} {'is' if self.anomalous == 1 else 'are'} anomalous"

    def write(self) -> None:
        """Write the page into the folder."""
        content = {
            "index": self,
            "histogram": histogram(self.scores, self.threshold),
            "size": (WIDTH, HEIGHT),
            "script": Markup(text_of(PACKAGE, "images.js")),
        }
        write_index(self._output, "images.html", content)


def card_of(judged: JudgedImage, output: OutputFolder) -> ImageCard:
    """Return what the page shows of an image. Pictures that were not written have no address."""
    name = picture_name(judged.name)
    addresses = {
        folder: link_to(folder, name)
        for folder in ("overlays", "maps", "fields")
        if output.has(f"{folder}/{name}")
    }
    return ImageCard(
        name=judged.name,
        score=judged.score,
        verdict=judged.verdict,
        picture=addresses.pop("overlays", ""),
        links=[(folder.removesuffix("s"), address) for folder, address in addresses.items()],
    )


def histogram(scores: np.ndarray, threshold: float | None) -> Histogram:
    """Return the histogram of scores (N,) of images, N at least 1.

    The range includes the threshold, if there is one.
    """
    inside = scores if threshold is None else np.append(scores, threshold)
    low, high = float(inside.min()), float(inside.max())
    if low == high:
        low, high = low - 0.5, high + 0.5
    counts, edges = np.histogram(scores, BINS, (low, high))
    step = WIDTH / BINS
    ranges = [f"{left:.3g} to {right:.3g}" for left, right in pairwise(edges)]
    bars = [
        Bar(
            left=round(index * step, 2),
            width=round(step - 1, 2),
            height=round(HEIGHT * float(count / counts.max()), 2),
            words=f"{counted(int(count), 'image')} from {ranges[index]}",
        )
        for index, count in enumerate(counts)
        if count
    ]
    place = None if threshold is None else round(WIDTH * (threshold - low) / (high - low), 2)
    return Histogram(bars, place, low, high)
