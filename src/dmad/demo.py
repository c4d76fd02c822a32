"""`dmad demo`: with no data at all, train the toy, the street and three textures, and draw them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console
from safetensors.torch import save_file

from dmad import categories, recipes
from dmad.config import ModelConfig, changed
from dmad.data.footage import Clip
from dmad.data.reading.decode import decode
from dmad.data.splits import LabelledFootage, load_split
from dmad.data.synthetic.textures import TEXTURES, write_textures
from dmad.drawing import pictures as visualize
from dmad.errors import DmadError
from dmad.evaluation.tables import show
from dmad.experiments.toy import toy
from dmad.files import make_folder, write_whole
from dmad.forms.images.pictures import Pictures, judge_image
from dmad.forms.video.evaluation import judge, write
from dmad.forms.video.pictures import Best, Limits, Picture, pictures
from dmad.inference.detector import Detector, load
from dmad.model.distillation import Teacher
from dmad.model.teacher_weights import load_teacher
from dmad.predict.film import Film
from dmad.runs import Run, find_model, read_card
from dmad.training.train import train

STREET_EPOCHS, TEXTURE_EPOCHS = 6, 6  # so that all of it fits in six minutes on two cores

GUIDE = """dmad demo: what lies here

toy/fig6.png              Odd digits are normal, even ones were never seen. A plain memory blurs,
                          full skips copy everything (so they find little), and the deformation
                          bends a prototype until it fits the normal; the abnormal it cannot fit.
toy/anomaly-like.png      The same with the normal digits bent ever further.
street/panel.png          The most anomalous frame of five street clips: what the camera saw, what
                          was expected, how far that had to be bent, and where it still differs.
street/timeline-*.png     The score of one clip over time; shaded where something is abnormal.
street/annotated-*.mp4    The same as a video: heat left, deformation right.
street/curves.png         Training curves.
textures/panel.png        Of each texture and kind of defect, one image: what was judged, how
                          anomalous each place is, how it was bent and bent back, and the truth.
textures/*/report.html    All images of a texture, with thresholds and curves.
"""


def demo(out: Path) -> None:
    """Train all three, print their figures, and write the pictures under `out`."""
    console = Console()
    console.rule("toy: odd digits are normal, even ones are not")
    toy(recipes.digits(), out / "toy")
    console.rule("street: a scripted scene with runners, cyclists, carts and thrown balls")
    street(out / "street")
    console.rule("textures: brick, grass and gravel with cuts, scratches and spots")
    textures(out / "textures")
    write_whole(out / "README.txt", GUIDE)
    console.print(f"pictures: {out}  (start with {out / 'README.txt'})")


def street(out: Path) -> None:
    """Train on normal street clips, judge the abnormal ones, and draw."""
    config = recipes.recipe("street", epochs=STREET_EPOCHS)
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


def textures(out: Path) -> None:
    """Train a model a texture on good tiles, set its threshold, judge tiles with defects."""
    try:
        root = write_textures(out / "data")
    except DmadError as error:
        Console().print(f"left out: {error}")
        return
    config = replace(recipes.images(), recipe="mvtec")
    weights = _teacher(config.model, out)
    config = changed(config, layout="mvtec", root=root, size=128, teacher_weights=weights)
    config = changed(config, epochs=TEXTURE_EPOCHS, batch_size=4)
    folder = categories.train_categories(config, list(TEXTURES), out / "runs")
    runs = [folder / name for name in TEXTURES]
    categories.show(categories.evaluate_categories(folder))
    for run in runs:
        page = (Run(run).evaluation / "report.html").read_bytes()
        write_whole(out / run.name / "report.html", page)
    rows = [row for run in runs for row in _defects(load(run), root / run.name / "test")]
    names, tiles = zip(*rows, strict=True)
    panel = visualize.panel([list(row.values()) for row in tiles], list(tiles[0]), names)
    visualize.save(panel, out / "panel.png")


def _teacher(model: ModelConfig, out: Path) -> Path | None:
    """A file of random weights where timm cannot fetch the teacher's; else None."""
    teacher = Teacher(model.teacher)
    try:
        load_teacher(teacher, model)
        return None
    except DmadError as error:
        Console().print(f"note: {error}; here its weights are random, and less is found")
    make_folder(out)
    path = out / "random.safetensors"
    save_file(teacher.network.state_dict(), path)
    return path


def _defects(detector: Detector, test: Path) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Of each kind of defect the first image: its name, and pictures by their names."""
    draw = Pictures(detector)
    for folder in sorted(path for path in test.iterdir() if path.name != "good"):
        path = next(iter(sorted(folder.iterdir())))
        mask = test.parent / "ground_truth" / folder.name / f"{path.stem}_mask.png"
        image, truth = (
            next(iter(decode(file, detector.config.data.size, 3))) for file in (path, mask)
        )
        found = judge_image(detector, [image], path.name)
        pictures = {**draw.tiles(image, found), "marked": truth}
        yield f"{test.parent.name}, {folder.name}", pictures


def draw(
    detector: Detector, test: LabelledFootage, scores: Mapping[str, np.ndarray], out: Path
) -> None:
    """Panels, timelines and annotated videos of the test clips."""
    assert test.labels is not None
    strongest, usual = [], float(np.nanmedian(scores["eq12"]))
    for clip in test.footage.clips[:5]:
        span = clip.span
        terms = {"reconstruction": scores["eq12"][span], "deformation": scores["eq13"][span]}
        seconds = np.arange(clip.length) / clip.fps
        line = visualize.timeline(scores["score"][span], test.labels[span], terms, seconds)
        visualize.save(line, out / f"timeline-{clip.name}.png")
        strongest.append(film(detector, test, clip, out, usual))
    rows = [picture.tiles() for picture in strongest]
    titles = strongest[0].titles()
    visualize.save(visualize.panel(rows, titles, [p.label() for p in strongest]), out / "panel.png")


def film(detector: Detector, test: LabelledFootage, clip: Clip, out: Path, usual: float) -> Picture:
    """The annotated video of a clip, in colours for a `usual` peak; returns its strongest frame."""
    limits, best = Limits(detector.config, usual), Best(1)
    frames = test.footage.frames[clip.span]
    with Film(out / f"annotated-{clip.name}.mp4", clip.fps) as video:
        for found in detector.explain(frames, clip.scene):
            terms = zip(*found.columns()[1:3], strict=True)
            for picture, both in zip(pictures(found, limits), terms, strict=True):
                best.offer(picture)
                video.judged(picture, *both)
    return best.pictures[0]
