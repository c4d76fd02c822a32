"""The page of scored clips: their strongest events, and the scores of each clip over time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from dmad.drawing.thumbnails import HEIGHT, thumbnails
from dmad.evaluation.summary import Series
from dmad.forms.video.pictures import Picture
from dmad.predict.clip_scores import ClipScores
from dmad.predict.event_pictures import EventPictures, small_picture
from dmad.predict.index_page import counted, link_to, player_time, write_index
from dmad.predict.output_folder import OutputFolder

MOST_MOMENTS = 200  # on the page
CURVE_WIDTH = 600  # SVG units, and the largest number of points of a curve
LEAD_IN = 1.0  # a link opens the film this many seconds before an event
FILM = "annotated.mp4"


@dataclass(frozen=True)
class Moment:
    """An event, or a frame with a high score if there is no threshold. Times are in seconds."""

    clip: str
    start: float
    end: float
    peak: float
    score: float
    why: str = ""  # "error" or "deformation": the larger part of the score; empty if unknown
    picture: dict[str, Any] | None = None  # source, width and height in pixels
    link: str = ""  # relative address of the film, with the time to show; empty without a film

    @property
    def times(self) -> str:
        """Start and end, or the time of a single frame."""
        first, last = player_time(self.start), player_time(self.end)
        return first if first == last else f"{first} to {last}"

    @property
    def alternative(self) -> str:
        """The text that replaces the picture for people who cannot see it."""
        return f"Frame of {self.clip} at {player_time(self.peak)}, with heat over it"


@dataclass(frozen=True, eq=False)
class ClipResult:
    """The result of one clip."""

    name: str  # name of the folder with its results
    source: str  # path of the clip
    score: np.ndarray  # (N,); NaN: no score
    events: Sequence[tuple[int, int]] | None  # [start, end) in frames; None without a threshold
    moments: Sequence[Moment]  # the events, in order; without a threshold, high scores
    peak: float  # highest score
    peak_time: float  # seconds
    length: float  # seconds
    files: Sequence[str]  # names of the files in that folder

    @property
    def summary(self) -> str:
        """Length, number of events, and the highest score."""
        found = "" if self.events is None else f"{counted(len(self.events), 'event')}, "
        highest = f"highest score {self.peak:.3g} at {player_time(self.peak_time)}"
        return f"{player_time(self.length)} long, {found}{highest}"

    @property
    def links(self) -> list[tuple[str, str]]:
        """Name and relative address of each file."""
        return [(name, link_to(self.name, name)) for name in self.files]


@dataclass
class ClipIndex:
    """Collects the results of clips for the page.

    Args:
        threshold: The threshold of the scores; None if the model has none.
    """

    threshold: float | None
    clips: list[ClipResult] = field(default_factory=list)
    moments: list[Moment] = field(default_factory=list)  # the strongest ones, strongest first

    def add(self, clip: ClipResult) -> None:
        """Add the result of a clip."""
        without = [replace(moment, picture=None) for moment in clip.moments]
        self.clips.append(replace(clip, moments=without))  # pictures need much memory
        moments = [*self.moments, *clip.moments]
        moments.sort(key=lambda moment: -moment.score)
        self.moments = moments[:MOST_MOMENTS]

    @property
    def heading(self) -> str:
        """What was found, in a few words."""
        sources = counted(len(self.clips), "source")
        if self.threshold is None:
            return f"Highest scores in {sources}"
        return f"{counted(self.events, 'event')} in {sources}".capitalize()

    @property
    def events(self) -> int:
        """Number of events of all clips."""
        return sum(len(clip.events or []) for clip in self.clips)

    @property
    def has_films(self) -> bool:
        """True if at least one picture is a link to a film."""
        return any(moment.link for moment in self.moments)

    def write(self, output: OutputFolder) -> None:
        """Write the page. Without clips, there is no page.

        Only the user who runs dmad can read the page.
        """
        if not self.clips:
            return
        series = [
            Series(clip.name, clip.score, clip.score, clip.score, None, clip.events)
            for clip in self.clips
        ]
        curves = thumbnails(series, self.threshold, CURVE_WIDTH)
        content = {
            "index": self,
            "strongest": max(self.clips, key=lambda clip: clip.peak),
            "clips": list(zip(self.clips, curves, strict=True)),
            "size": (CURVE_WIDTH, HEIGHT),
        }
        write_index(output, "clips.html", content, private=True)


def event_moments(
    scores: ClipScores, clip: str, film: bool, pictures: EventPictures
) -> list[Moment]:
    """Return the events of a clip, for the page.

    Args:
        scores: The scores of the clip.
        clip: Name of the folder with the results of the clip.
        film: True if the folder has an annotated video.
        pictures: The pictures of the events.
    """
    moments = []
    for event in scores.events:
        start = scores.times[event.start]
        moments.append(
            Moment(
                clip=clip,
                start=start,
                end=scores.end_of(event),
                peak=scores.times[event.peak],
                score=event.score,
                why=scores.larger_part(event.peak),
                picture=pictures.of(event.peak),
                link=film_link(clip, event.start / scores.fps) if film else "",
            )
        )
    return moments


def highest_moments(pictures: Iterable[Picture], clip: str, film: bool, fps: float) -> list[Moment]:
    """Return the frames with the highest scores of a clip, for a model without a threshold.

    Args:
        pictures: The frames.
        clip: Name of the folder with the results of the clip.
        film: True if the folder has an annotated video.
        fps: Frames per second.
    """
    return [
        Moment(
            clip=clip,
            start=picture.time,
            end=picture.time,
            peak=picture.time,
            score=picture.score,
            picture=small_picture(picture),
            link=film_link(clip, picture.index / fps) if film else "",
        )
        for picture in pictures
    ]


def film_link(clip: str, seconds: float) -> str:
    """Return a relative address that opens the annotated video a little before a time."""
    return f"{link_to(clip, FILM)}#t={max(seconds - LEAD_IN, 0.0):.1f}"
