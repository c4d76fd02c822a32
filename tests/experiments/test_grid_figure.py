"""The figure of a grid."""

from PIL import Image

from dmad.experiments.grid import Outcome
from dmad.experiments.grid_figure import draw_grid


def outcome(variant: str, seed: int) -> Outcome:
    return Outcome(variant, seed, 1, 32, 8, 0.5, {"x": 0.1 * seed, "y": 0.5})


def test_the_figure_is_written_as_png_and_pdf(tmp_path) -> None:
    draw_grid([outcome("a", 0), outcome("a", 1), outcome("b", 0)], ["x", "y"], tmp_path / "some")
    assert (tmp_path / "some.pdf").read_bytes().startswith(b"%PDF")
    with Image.open(tmp_path / "some.png") as picture:
        assert picture.size == (round(200 * (1.8 + 2 * 1.9)), round(200 * (0.9 + 2 * 0.3)))


def test_the_figure_grows_with_columns_and_variants(tmp_path) -> None:
    sizes = []
    for number in (1, 2):
        outcomes = [outcome(f"variant {index}", 0) for index in range(number)]
        draw_grid(outcomes, ["x", "y"][:number], tmp_path / "some")
        with Image.open(tmp_path / "some.png") as picture:
            sizes.append(picture.size)
    assert sizes[1] > sizes[0]
