"""`dmad demo`: with no data and no network, train the toy and the street and draw both."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from rich.console import Console

from dmad import recipes, visualize
from dmad.data.frames import Clip
from dmad.data.load import LabelledFootage, load_split
from dmad.evaluation.show import show
from dmad.experiments.toy import toy
from dmad.inference.detector import Detector, load
from dmad.inference.explain import Limits, Picture, pictures
from dmad.inference.predict import Best, film_frame
from dmad.inference.video import VideoWriter
from dmad.judge import judge, write
from dmad.runs import Run, find_model, read_card, write_whole
from dmad.training import train

GUIDE = """dmad demo: what lies here

toy/fig6.png              Odd digits are normal, even ones were never seen. A plain memory blurs,
                          full skips copy everything (so they find nothing), and the deformation
                          bends a prototype: far for the abnormal, little for the normal.
street/panel.png          The most anomalous frame of each street clip: what the camera saw, what
                          was expected, how far that had to be bent, and where it still differs.
street/timeline-*.png     The score of one clip over time; shaded where something is abnormal.
street/annotated-*.mp4    The same as a video: heat left, deformation right.
street/curves.png         Training curves.
"""


def demo(out: Path) -> None:
    """Train both, print their figures, and write the pictures under `out`."""
    console = Console()
    console.rule("toy: odd digits are normal, even ones are not")
    toy(recipes.digits(), out / "toy")
    console.rule("street: a scripted scene with runners, cyclists, carts and thrown balls")
    street(out / "street")
    write_whole(out / "README.txt", GUIDE)
    console.print(f"pictures: {out}  (start with {out / 'README.txt'})")


def street(out: Path) -> None:
    """Train on normal street clips, judge the abnormal ones, and draw."""
    config = recipes.street()
    run = train(config, out / "runs")
    detector, test = load(run.folder), load_split(config.data, "test")
    result = judge(detector, test)
    write(result, Run(run.folder).evaluation)
    show(result.ledger)
    epochs = read_card(find_model(run.folder))["history"]
    shown = ("reconstruction", "compression", "strength", "perplexity")
    curves = {name: [epoch[name] for epoch in epochs] for name in shown}
    visualize.save(visualize.curves(curves), out / "curves.png")
    draw(detector, test, result.scores.channels, out)


def draw(
    detector: Detector, test: LabelledFootage, scores: Mapping[str, np.ndarray], out: Path
) -> None:
    """Panels, timelines and annotated videos of the test clips."""
    assert test.labels is not None
    strongest = []
    for clip in test.footage.clips[:5]:
        span = slice(clip.start, clip.start + clip.length)
        terms = {"reconstruction": scores["eq12"][span], "deformation": scores["eq13"][span]}
        line = visualize.timeline(scores["score"][span], test.labels[span], terms, clip.fps)
        visualize.save(line, out / f"timeline-{clip.name}.png")
        strongest.append(film(detector, test, clip, out))
    rows = [picture.tiles() for picture in strongest]
    titles = strongest[0].titles()
    visualize.save(visualize.panel(rows, titles, [p.label() for p in strongest]), out / "panel.png")


def film(detector: Detector, test: LabelledFootage, clip: Clip, out: Path) -> Picture:
    """The annotated video of a clip; returns its strongest frame."""
    limits, best = Limits(detector.config), Best(1)
    frames = test.footage.frames[clip.start : clip.start + clip.length]
    with VideoWriter(out / f"annotated-{clip.name}.mp4", clip.fps) as video:
        for found in detector.explain(frames, clip.scene):
            for picture in pictures(found, limits):
                best.offer(picture)
                video.write(film_frame(picture))
    return best.pictures[0]
