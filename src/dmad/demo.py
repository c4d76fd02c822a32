"""`dmad demo`: learn digits, a generated street and textures, and draw the results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from dmad import categories, recipes
from dmad.api import load, train_network, write_evaluation
from dmad.config import PatchConfig, changed
from dmad.console import show_table
from dmad.data.footage import Clip, LabelledFootage
from dmad.data.reading.decode import decode
from dmad.data.reading.frame_format import FrameFormat
from dmad.data.splits import load_split
from dmad.data.synthetic.textures import TEXTURES, write_textures
from dmad.drawing import charts
from dmad.drawing import pictures as drawing
from dmad.errors import DmadError
from dmad.evaluation.ledger_tables import printed_tables
from dmad.evaluation.table import Table
from dmad.experiments.toy import toy
from dmad.files import write_atomically
from dmad.forms.images.pictures import ImagePictures, judge_image
from dmad.forms.video.pictures import ColourScale, HighestPictures, Picture, pictures
from dmad.inference.detector import Detector
from dmad.predict.annotated_video import AnnotatedVideo
from dmad.runs import Run, find_model, read_card

STREET_EPOCHS = 6  # so that the whole demo takes six minutes on two cores
TEXTURE_SIZE = 128  # pixels; the generated images have 64, and a larger size finds no more
DRAWN_CLIPS = 5  # of the street
CURVES = ("reconstruction", "compression", "strength", "perplexity")

GUIDE = """dmad demo: the files in this folder

toy/fig6.png              Digits. Odd numbers are normal; even numbers are anomalies and are not in
                          the training data. A model with only a memory gives blurred digits.
                          Skip connections that pass all features copy every digit, so the model
                          finds few anomalies. The deformation bends a prototype until it fits a
                          normal digit. It fits only few abnormal digits.
toy/anomaly-like.png      How well the three models find anomalies if the normal digits are bent
                          more and more.
street/panel.png          For five street clips, the frame with the highest score: the reference
                          from the memory, the predictions, the deformation, the difference
                          between frame and prediction, and how much each place adds to the score.
street/timeline-*.png     The score of one clip over time. Abnormal frames have a coloured
                          background.
street/annotated-*.mp4    One clip as a video: a heat map on the left, the deformation on the right.
street/curves.png         The losses and the use of the memory during training.
textures/panel.png        One image for each texture and kind of defect: the input, the map of
                          anomaly scores, and the true defect. The model is a bank of patches
                          (recipe patches), which needs no training.
textures/*/report.html    A page with all images of one texture and the thresholds.
"""


def demo(out: Path) -> None:
    """Train models of digits, street and textures, print results, and write pictures to `out`."""
    print_heading("digits: odd numbers are normal, even numbers are abnormal")
    toy(recipes.digits(), out / "toy")
    print_heading("street: a generated scene with runners, cyclists, carts and thrown balls")
    street(out / "street")
    print_heading("textures: brick, grass and gravel with scratches, spots and stains")
    textures(out / "textures")
    write_atomically(out / "README.txt", GUIDE)
    print(f"pictures: {out} (start with {out / 'README.txt'})")


def print_heading(text: str) -> None:
    """Print the heading of a part of the demo."""
    print(f"\n== {text} ==", flush=True)


def print_tables(tables: list[Table]) -> None:
    """Print some tables."""
    for table in tables:
        show_table(table.title, table.columns, table.rows, table.notes)


def street(out: Path) -> None:
    """Train on normal street clips, score test clips with anomalies, and draw the results."""
    config = recipes.recipe("street", epochs=STREET_EPOCHS)
    run = train_network(config, out / "runs")
    detector, test = load(run.folder), load_split(config.data, "test")
    evaluation = detector.form.evaluate(detector, test)
    write_evaluation(evaluation, run.evaluation)
    print_tables(printed_tables(evaluation.ledger))
    epochs = read_card(find_model(run.folder))["history"]
    history = {name: [epoch[name] for epoch in epochs] for name in CURVES}
    drawing.save_png(charts.training_curves(history), out / "curves.png")
    draw_clips(detector, test, evaluation.scores.channels, out)


def draw_clips(
    detector: Detector, test: LabelledFootage, scores: Mapping[str, np.ndarray], out: Path
) -> None:
    """Draw a timeline and a film of each of the first test clips, and one panel of these clips.

    Args:
        detector: The model.
        test: The test split.
        scores: The raw scores `score` of the test split and their terms `eq12` (reconstruction) and
            `eq13` (deformation), (N,) each.
        out: Folder to write to.
    """
    assert test.labels is not None
    usual_peak = float(np.nanmedian(scores["eq12"]))
    strongest = []
    for clip in test.footage.clips[:DRAWN_CLIPS]:
        span = clip.span
        terms = {"reconstruction": scores["eq12"][span], "deformation": scores["eq13"][span]}
        seconds = np.arange(clip.length) / clip.fps
        timeline = charts.timeline(scores["score"][span], test.labels[span], terms, seconds)
        drawing.save_png(timeline, out / f"timeline-{clip.name}.png")
        scale = ColourScale(detector.config, usual_peak)
        path = out / f"annotated-{clip.name}.mp4"
        strongest.append(write_film(detector, test, clip, scale, path))
    rows = [picture.tiles() for picture in strongest]
    labels = [picture.label() for picture in strongest]
    panel = drawing.panel(rows, strongest[0].titles(), labels, strongest[0].scale.legends())
    drawing.save_png(panel, out / "panel.png")


def write_film(
    detector: Detector, test: LabelledFootage, clip: Clip, scale: ColourScale, path: Path
) -> Picture:
    """Write the annotated video of a clip. Return the picture of the frame with the highest score.

    `scale` says which values are drawn in the strongest colours. `path` is the video file.
    """
    highest = HighestPictures(1)
    frames = test.footage.frames[clip.span]
    with AnnotatedVideo(path, clip.fps, scale, clip.aspect) as film:
        for judged in detector.judge(frames, clip.scene):
            for drawn in pictures(judged, scale, clip.aspect):
                picture = replace(drawn, time=drawn.index / clip.fps)
                highest.offer(picture)
                film.add_scored(picture)
    return highest.pictures[0]


def textures(out: Path) -> None:
    """Make a bank of patches of each texture, and score images with defects."""
    try:
        root = write_textures(out / "data")
    except DmadError as error:
        print(f"the textures are left out: {error}")
        return
    folder = categories.train_categories(texture_settings(root), list(TEXTURES), out / "runs")
    print_tables(categories.evaluate_categories(folder))
    rows, names = [], []
    for texture in TEXTURES:
        run = Run(folder / texture)
        report = (run.evaluation / "report.html").read_bytes()
        write_atomically(out / texture / "report.html", report)
        detector = load(run.folder)
        for defect, tiles in draw_defects(detector, root / texture / "test"):
            rows.append(tiles)
            names.append(f"{texture}, {defect}")
    panel = drawing.panel([list(tiles.values()) for tiles in rows], list(rows[0]), names)
    drawing.save_png(panel, out / "panel.png")


def texture_settings(root: Path) -> PatchConfig:
    """Return the settings for banks of patches. They are the same for each texture in `root`."""
    return changed(recipes.patches(), layout="mvtec", root=root, size=TEXTURE_SIZE)


def draw_defects(detector: Detector, test: Path) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """For each kind of defect, yield its name and the pictures of one image, by their titles.

    `test` is the folder with a folder for each kind. The first image of each folder is drawn.
    """
    draw = ImagePictures(detector)
    frame_format = FrameFormat(detector.config.data.size)
    for folder in sorted(path for path in test.iterdir() if path.name != "good"):
        path = min(folder.iterdir())
        mask_path = test.parent / "ground_truth" / folder.name / f"{path.stem}_mask.png"
        image = next(iter(decode(path, frame_format)))
        mask = next(iter(decode(mask_path, frame_format)))
        judged = judge_image(detector, [image], path.name)
        yield folder.name, {**draw.tiles(image, judged), "marked": mask}
