"""The choice of α by synthetic defects in good images."""

import numpy as np
import pytest

from dmad.api import load, train_network
from dmad.data.footage import footage_from_arrays
from dmad.data.splits import load_split
from dmad.errors import DmadError
from dmad.forms.images.alpha import WEIGHTS, best_alpha, choose_alpha, try_alpha
from dmad.forms.images.evaluation import ScoredImages
from dmad.runs import find_model, read_card

WITHOUT_HEADS = {"reductions": (), "displacements": ()}


def test_alpha_is_chosen_from_good_images(trained_images, tiny_images) -> None:
    choice = read_card(find_model(trained_images))["choice"]
    assert choice["images"] == 4
    assert 8 <= choice["defects"] <= 12
    pairs = choice["images"] * choice["defects"]
    best = best_alpha(choice["tried"], pairs)
    assert (choice["alpha"], choice["weight"]) == (best["alpha"], best["weight"])
    assert [one["weight"] for one in choice["tried"]] == list(WEIGHTS)
    detector = load(trained_images)
    assert detector.config.score.alpha == choice["alpha"]
    again = choose_alpha(detector, load_split(tiny_images().data, "held_out").footage)
    assert again.tried == choice["tried"]


@pytest.mark.parametrize(
    ("gain", "pairs", "alpha"),
    [(0.019, 9999, 0), (0.021, 9999, 3), (-0.3, 9999, 0), (1 / 27, 27, 0), (4 / 27, 27, 3)],
)
def test_alpha_stays_zero_unless_another_is_clearly_better(gain, pairs, alpha) -> None:
    tried = [
        {"weight": 0.0, "alpha": 0.0, "image_AUROC": 0.9, "pixel_AUROC": 0.9},
        {"weight": 1.0, "alpha": 3.0, "image_AUROC": 0.9 + gain, "pixel_AUROC": 0.9},
        {"weight": 2.0, "alpha": 6.0, "image_AUROC": 0.9 + gain, "pixel_AUROC": 0.8},
    ]
    assert best_alpha(tried, pairs)["alpha"] == alpha


def test_without_fields_only_alpha_zero_is_tried(tiny_images, tmp_path) -> None:
    run = train_network(tiny_images(WITHOUT_HEADS, epochs=1), tmp_path)
    choice = choose_alpha(load(run.folder), load_split(tiny_images().data, "held_out").footage)
    assert (choice.alpha, choice.weight, len(choice.tried)) == (0, 0, 1)


def test_a_single_good_image_is_too_few(trained_images) -> None:
    one_image = footage_from_arrays([np.zeros((1, 64, 64, 3), np.uint8)])
    with pytest.raises(DmadError, match="1 good image is held out; α needs two or more"):
        choose_alpha(load(trained_images), one_image)


def test_auroc_counts_the_deformation_with_its_weight() -> None:
    """Only the deformation sees the defect of the second image."""
    maps = np.zeros((2, 2, 8, 8), np.float32)
    maps[1, 1, :4, :4] = 1.0
    scored = ScoredImages(np.array([0.5, 0.4]), np.array([0.0, 1.0]), maps)
    masks = np.zeros((2, 8, 8), bool)
    masks[1, :4, :4] = True
    without, with_deformation = (try_alpha(scored, masks, 1.0, alpha) for alpha in (0.0, 1.0))
    assert (without["image_AUROC"], with_deformation["image_AUROC"]) == (0, 1)
    assert (without["pixel_AUROC"], with_deformation["pixel_AUROC"]) == (0.5, 1)
    assert (with_deformation["weight"], with_deformation["alpha"]) == (1, 1)
