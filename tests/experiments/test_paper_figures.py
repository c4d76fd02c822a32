"""The paper's figures of a run: the rows that are chosen, the tiles and the numbers."""

from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from dmad import recipes
from dmad.api import load
from dmad.data.footage import Clip, Footage, LabelledFootage
from dmad.data.splits import load_split
from dmad.data.windows import to_model
from dmad.drawing import charts as chart_drawing
from dmad.drawing import pictures as drawing
from dmad.errors import DmadError
from dmad.evaluation.metrics import micro_auroc
from dmad.experiments.paper_figures import (
    draw_clips,
    draw_figures,
    draw_images,
    draw_single_images,
    frames_of_fig7,
    item_at_rank,
    rows_of_fig2,
)
from dmad.forms import form_of
from dmad.forms.video.pictures import DEFORMATION
from dmad.inference.detector import Detector
from dmad.inference.torch_backend import TorchBackend
from dmad.model.pdm import PDM


@dataclass
class DrawnPanel:
    """The content of a panel."""

    rows: list[list[np.ndarray]]
    titles: list[str]
    names: list[str]
    legends: drawing.Legends | None

    def column(self, title: str) -> list[np.ndarray]:
        place = next(i for i, head in enumerate(self.titles) if title in head)
        return [row[place] for row in self.rows]


@pytest.fixture
def panels(monkeypatch) -> list[DrawnPanel]:
    """The content of every panel that a test draws."""
    found, panel = [], drawing.panel

    def record(rows, titles, names=None, legends=None):
        found.append(DrawnPanel(rows, titles, names, legends))
        return panel(rows, titles, names, legends)

    monkeypatch.setattr(drawing, "panel", record)
    return found


@pytest.fixture
def charts(monkeypatch) -> list:
    """Every matplotlib figure that a test draws."""
    found, rendered = [], chart_drawing.render

    def record(figure, dpi=120):
        found.append(figure)
        return rendered(figure, dpi)

    monkeypatch.setattr(chart_drawing, "render", record)
    return found


def detector_of(config, shaken, history: int) -> Detector:
    torch.manual_seed(0)
    net = PDM(config.model, config.data.size, config.data.channels, history)
    net = shaken(net) if net.estimator else net.eval()
    form = form_of(config)
    return Detector(TorchBackend(net, config, form), config, form)


@pytest.fixture(scope="module")
def digits(shaken) -> Detector:
    """A network for digits with random weights that deforms."""
    return detector_of(recipes.digits(), shaken, 0)


@pytest.fixture(scope="module")
def digits_test(digits) -> LabelledFootage:
    """Sixty of the test digits, of all classes."""
    whole = load_split(digits.config.data, "test")
    keep = np.sort(np.concatenate([np.flatnonzero(whole.classes == k)[:6] for k in range(10)]))
    clip = Clip("digits", "", 0, len(keep), 0.0)
    footage = Footage(whole.footage.frames[keep], (clip,), ())
    return replace(whole, footage=footage, labels=whole.labels[keep], classes=whole.classes[keep])


@pytest.fixture(scope="module")
def errors(digits, digits_test) -> np.ndarray:
    """The maximum of the squared error of each reference, averaged over 8 x 8 px."""
    frames = digits_test.footage.frames
    batches = digits.judge(frames, batch=64)
    reference = np.concatenate([judged.drawings["reference"] for judged in batches])
    square = ((frames[..., 0] / 127.5 - 1) - reference[:, 0]) ** 2
    padded = np.pad(square, ((0, 0), (3, 4), (3, 4)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (8, 8), (1, 2))
    return windows.mean((3, 4)).max((1, 2))


def test_an_item_is_chosen_by_its_rank_among_some() -> None:
    scores, among = np.array([5.0, 1, 4, 2, 3, 9]), np.array([1, 1, 1, 1, 1, 0], bool)
    assert [item_at_rank(scores, among, share) for share in (0, 0.5, 1)] == [1, 4, 0]


def test_the_rows_of_fig2_are_chosen_by_the_pixel_wise_error() -> None:
    errors, labels = np.array([1.0, 2, 9, 4, 5, 6]), np.array([0, 0, 0, 1, 1, 1])
    assert rows_of_fig2(errors, labels) == {"normal": 1, "unusual\nnormal": 2, "abnormal": 4}
    assert list(rows_of_fig2(errors, 0 * labels)) == ["normal", "unusual\nnormal"]
    unlabelled = rows_of_fig2(errors, None)
    assert list(unlabelled.values())[1] == 2
    assert all("no labels" in name for name in unlabelled)


def test_figs_2_and_6_draw_single_images(digits, digits_test, errors, panels, charts) -> None:
    drawn = draw_single_images(digits, digits_test)
    assert list(drawn) == ["fig2.png", "fig2-scores.png", "fig6.png"]
    fig2, fig6 = panels
    assert "".join(title[0] for title in fig2.titles) == "abcdefg"
    shown = list(rows_of_fig2(errors, digits_test.labels).values())
    for index, tile in zip(shown, fig2.column("input"), strict=True):
        assert np.array_equal(tile, digits_test.footage.frames[index])
    full = drawing.error_image(np.ones((1, 1)), 1.0)[0, 0]
    at_full = [(tile == full).all(-1).any() for tile in fig2.column("diversity")]
    assert sum(at_full) == 1  # one scale for all rows
    assert [name.split("\n")[0] for name in fig6.titles] == list("1357902468")
    assert list(fig6.names) == ["input", "reference", "coarse", "fine"]
    (axis,) = charts[0].axes
    areas = micro_auroc(errors, digits_test.labels), axis.get_title("left")
    assert f"{areas[0]:.3f} pixel-wise" in areas[1]
    dots = np.concatenate([dots.get_offsets() for dots in axis.collections[:2]])
    assert np.allclose(np.sort(dots[:, 0]), np.sort(errors), rtol=1e-3)
    assert np.allclose(axis.collections[2].get_offsets()[:, 0], errors[shown], rtol=1e-3)
    assert drawn["fig2-scores.png"].shape[1] == 5.5 * 200


def test_the_pixel_wise_map_is_darkest_at_the_largest_error(
    digits, digits_test, errors, panels
) -> None:
    draw_single_images(digits, digits_test)
    shown = list(rows_of_fig2(errors, digits_test.labels).values())
    _, x = to_model(torch.from_numpy(digits_test.footage.frames[shown])[:, None])
    tile = panels[0].column("pixel-wise")[1].astype(int).sum(-1)[::5, ::5]
    reference = panels[0].column("reference")[1][..., 0] / 127.5 - 1
    error = (x[1, 0].numpy() - reference) ** 2
    below_the_score = slice(8, None)
    tile, error = tile[below_the_score], error[below_the_score]
    assert tile[np.unravel_index(error.argmax(), error.shape)] == tile.min()


def test_digits_without_labels_or_deformation(shaken, digits_test, panels) -> None:
    config = recipes.digits()
    config = replace(config, model=replace(config.model, reductions=(), displacements=()))
    stiff = detector_of(config, shaken, 0)
    draw_single_images(stiff, replace(digits_test, labels=None, classes=None))
    assert panels[0].names == ["median\nno labels", "strongest\nno labels"]
    assert set(panels[1].titles) == {"no labels"}
    assert all(tile.min() > 245 for tile in panels[0].column("diversity"))


def footage_of(lengths: list[int]) -> Footage:
    starts = np.cumsum([0, *lengths])
    clips = [Clip(f"{k}", "", int(starts[k]), n, 0.0) for k, n in enumerate(lengths)]
    return Footage(np.zeros((sum(lengths), 1, 1, 1), np.uint8), tuple(clips), ())


def test_events_of_fig7_are_spread_over_clips() -> None:
    clip = np.array([np.nan, 1, 5, 2, 0, 4, 8, 1])
    labels = np.array([0, 1, 1, 0, 0, 1, 1, 0])
    test = SimpleNamespace(footage=footage_of([8] * 3), labels=np.tile(labels, 3))
    scores = np.concatenate([clip, clip + 0.1, clip + 0.2])
    found = frames_of_fig7(scores, test)
    assert found[:4] == [2, 10, 18, 6]  # one of each clip, then a second
    assert found[4:] == [7, 23]  # of 2, 0 and 1 the median
    test = SimpleNamespace(footage=footage_of([8] * 6), labels=np.tile(labels, 6))
    assert frames_of_fig7(np.tile(clip, 6), test)[:4] == [2, 18, 26, 42]


def test_frames_of_fig7_without_labels_are_the_strongest() -> None:
    scores = np.array([np.nan, 1, 2, 3] * 5) + np.repeat([5, 0, 3, 9, 1], 4)
    test = SimpleNamespace(footage=footage_of([4] * 5), labels=None)
    assert frames_of_fig7(scores, test) == [15, 3, 11, 19, 2, 18]


def test_fig7_of_video(trained, panels) -> None:
    detector = load(trained)
    test = load_split(detector.config.data, "test")
    drawn = draw_clips(detector, test)
    assert list(drawn) == ["fig7.png", "wheel.png"]
    (fig7,) = panels
    scores = [detector(test.footage.frames[clip.span]).score for clip in test.footage.clips]
    peaks = [6 + int(own[6:].argmax()) for own in scores]
    calm = [4 + int(own[4:6].argmin()) for own in scores]
    expected = [("abnormal", k, peaks[k]) for k in (0, 1)]
    expected += [("normal", k, calm[k]) for k in (0, 1)]
    for name, row, (kind, k, frame) in zip(fig7.names, fig7.rows, expected, strict=True):
        assert name == f"{kind}\nclip{k}, frame {frame}\nscore {scores[k][frame]:.3f}"
        assert np.array_equal(row[0], drawing.resized(test.footage.frames[8 * k + frame], 256, 256))
    heads = [title.split("\n")[0] for title in fig7.titles]
    assert " ".join(heads) == ("frame reference prediction prediction deformation difference heat")


def test_videos_without_labels_or_deformation(tiny, normal_data, shaken, panels) -> None:
    config = tiny(normal_data)
    config = replace(config, model=replace(config.model, reductions=(), displacements=()))
    detector = detector_of(config, shaken, 4)
    draw_clips(detector, replace(load_split(config.data, "test"), labels=None))
    assert all(name.startswith("no labels\n") for name in panels[0].names)
    assert all(
        not np.ptp(tile[128:], -1).any() for tile in panels[0].column("of the reference")
    )  # grey
    legend = panels[0].legends[DEFORMATION](200)
    assert np.array_equal(legend, drawing.field_legend(200, limit=0.1))


def test_a_view_never_trained_on_keeps_its_score(trained, panels) -> None:
    detector = load(trained)
    test = load_split(detector.config.data, "test")
    detector.scenes = ("another",)
    draw_clips(detector, test)
    scores = detector(test.footage.frames[test.footage.clips[0].span]).score
    assert panels[0].names[0].endswith(f"score {scores[6:].max():.3f}")


def test_fig7_of_images_shows_each_kind(trained_images, panels) -> None:
    detector = load(trained_images)
    test = load_split(detector.config.data, "test")
    draw_images(detector, test)
    (fig7,) = panels
    kinds = [name.split("\n")[0] for name in fig7.names]
    assert kinds == ["good", "spot"]
    assert all("\njudged " in name for name in fig7.names)
    good, spot = fig7.column("marked")
    assert np.array_equal(good, fig7.column("input")[0])
    green = np.flatnonzero((spot == (0, 230, 90)).all(-1).any(1))
    assert (green.min(), green.max()) == (24, 33)  # as the mask lies
    assert fig7.column("bent")[0].shape == (64, 64, 3)
    draw_images(detector, replace(test, masks=None))
    assert "marked" not in panels[1].titles


def test_the_pictures_are_written_and_their_paths_returned(trained, tmp_path) -> None:
    paths = draw_figures(trained, tmp_path / "drawn")
    assert [path.name for path in paths] == ["fig7.png", "wheel.png"]
    with Image.open(paths[0]) as picture:
        assert picture.size[0] > 8 * 160
    assert not list(tmp_path.rglob("*.part*"))


def test_without_test_data_nothing_is_written(trained, tmp_path) -> None:
    with pytest.raises(DmadError, match="ped2 needs a folder of data"):
        draw_figures("ped2", tmp_path / "out")
    with pytest.raises(DmadError, match="does not exist"):
        draw_figures(trained, tmp_path / "out", root=tmp_path / "none")
    assert not (tmp_path / "out").exists()
