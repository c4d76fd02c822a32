"""The variants of the ablations."""

import json

import pytest

from dmad.config import changed
from dmad.errors import DmadError
from dmad.experiments.ablation import (
    GAMMA3,
    TABLE_5,
    ablation,
    gamma3_grid,
    gamma3_values,
    image_parts,
    parts_grid,
    video_parts,
)
from dmad.experiments.effort import Effort
from dmad.recipes import recipe
from dmad.runs import read_config


def test_image_variants_differ_in_one_thing(trained_images) -> None:
    base = read_config(trained_images)
    variants = image_parts(base)
    assert variants["+ PPDM"] == base
    assert variants["RD + VQ"].model.reductions == ()
    assert variants["- cycle"].loss.gamma3 == 0
    assert not variants["- VQ"].model.memory
    assert not variants["RD"].model.memory
    assert not variants["RD"].model.reductions


def test_gamma3_has_a_variant_for_each_weight_of_table_5(trained_images) -> None:
    variants = gamma3_values(read_config(trained_images))
    assert [variant.loss.gamma3 for variant in variants.values()] == list(GAMMA3)
    assert list(variants) == list(TABLE_5)


def test_video_variants_are_those_of_table_4(trained) -> None:
    base = read_config(trained)
    variants = video_parts(base)
    assert variants["full"] == base
    assert len(variants["K = 1"].model.reductions) == 1
    assert variants["- strength"].loss.strength == 0 < variants["- smoothness"].loss.strength
    assert not variants["- background"].model.background
    assert variants["memory + skips"].model.skips == "full"
    assert len({repr(config) for config in variants.values()}) == 8


def test_a_part_that_the_base_does_not_have_is_not_a_variant() -> None:
    variants = video_parts(recipe("ped2_crops"))  # it has no background, and full skip connections
    assert list(variants) == ["full", "- PDM", "K = 1", "- memory", "- strength", "- smoothness"]


def test_a_variant_without_fields_has_no_deformed_targets() -> None:
    variants = video_parts(changed(recipe("ped2_crops"), deform_target=2.0))
    assert variants["full"].data.deform_target == 2
    assert variants["- PDM"].data.deform_target == 0
    assert variants["- deformed targets"].data.deform_target == 0
    assert variants["- deformed targets"].model.reductions


def test_the_columns_are_those_of_the_form(trained, trained_images) -> None:
    assert "perplexity" in parts_grid(read_config(trained)).titles
    assert "AUPRO" in parts_grid(read_config(trained_images)).titles


def test_an_ablation_of_images_trains_and_evaluates(trained_images, tmp_path) -> None:
    effort = Effort(epochs=1, only=["γ₃ = 0.5"])
    (outcome,) = ablation("gamma3", trained_images, tmp_path, effort)
    assert outcome.epochs == 1
    (ledger,) = tmp_path.glob("*/seed0/evaluation/ledger.json")
    rows = json.loads(ledger.read_text())["rows"]
    values = {(row["block"], row["metric"]): row["value"] for row in rows}
    assert outcome.values["pixel AUROC"] == values["deployable", "pixel_AUROC"]


def test_only_images_have_gamma3(trained) -> None:
    with pytest.raises(DmadError, match="not a run of images"):
        gamma3_grid(read_config(trained), trained)
