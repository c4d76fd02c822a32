"""The PDM: its equations, its parts, and every ablation of it."""

import pytest
import torch

from dmad.config import VideoLossConfig
from dmad.model.coordinates import Place
from dmad.model.deformation import compose, warp
from dmad.model.losses import total_loss
from dmad.model.pdm import round_mask, visible_reference

ABLATIONS = {
    "whole": {},
    "no PDM": {"reductions": (), "displacements": ()},
    "K = 1": {"reductions": (2,), "displacements": (3.0,)},
    "K = 3": {"reductions": (8, 4, 2), "displacements": (4.0, 3.0, 2.0)},
    "no memory": {"memory": False},
    "as MNAD": {"skips": "full", "reductions": (), "displacements": ()},
    "no background": {"background": False},
    "decoder mask": {"mask": "decoder"},
    "binary mask": {"binary_mask": True},
    "binary decoder mask": {"mask": "decoder", "binary_mask": True},
    "sees the target": {"estimator_sees": "target"},
    "no positions": {"positions": False},
    "stem 2": {"stem": 2},
    "stem 2, resized": {"stem": 2, "upsampling": "resize"},
    "stem 2, resized, decoder mask": {"stem": 2, "upsampling": "resize", "mask": "decoder"},
}


@pytest.mark.parametrize("name", ABLATIONS)
@pytest.mark.parametrize("history", [0, 4])
def test_every_ablation_runs_and_learns(make_pdm, name: str, history: int) -> None:
    changes = ABLATIONS[name]
    model = make_pdm(history, **changes).train()
    x, target = torch.rand(2, max(history, 1), 32, 32), torch.rand(2, 1, 32, 32)
    output = model(x, target)
    heads = len(changes.get("reductions", (4, 2)))
    assert len(output.offsets) == heads
    assert len(output.reconstructions) == len(output.deformed) == max(heads, 1)
    assert output.reference.shape == (2, 1, 32, 32)
    assert (output.mask is None) == (name == "no background")
    assert (output.memory is None) == (name == "no memory")
    total_loss(target, output, VideoLossConfig()).total.backward()
    assert all(torch.isfinite(weight.grad).all() for weight in model.parameters())
    assert {name for name, weight in model.named_parameters() if not weight.grad.any()} == set()


@torch.no_grad()
@pytest.mark.parametrize("mask", ["encoder", "decoder"])
def test_eq_9_blends_the_deformed_reference_with_the_background(make_pdm, frames, mask) -> None:
    model = make_pdm(mask=mask)
    output = model(*frames)
    assert 0 < output.mask.min() < output.mask.max() < 1
    coarse, fine = output.offsets
    for k, field in enumerate((coarse, compose(coarse, fine))):
        share, image = warp(output.mask, field), warp(output.reference, field)
        expected = share * image + (1 - share) * model.background[:1]
        torch.testing.assert_close(output.reconstructions[k], expected)
        torch.testing.assert_close(output.deformed[k], image)


@torch.no_grad()
@pytest.mark.parametrize("mask", ["encoder", "decoder"])
def test_a_binary_mask_is_its_rounded_probability(make_pdm, frames, mask) -> None:
    output = make_pdm(mask=mask, binary_mask=True)(*frames)
    assert output.mask.shape == (2, 1, 32, 32)
    torch.testing.assert_close(output.mask, output.mask_probability.round())


@torch.no_grad()
def test_the_visible_reference_is_over_the_background(make_pdm, frames) -> None:
    output = make_pdm(binary_mask=True)(*frames)
    visible = visible_reference(output)
    selected = output.mask.expand_as(visible) == 1
    assert torch.equal(visible[selected], output.reference[selected])
    assert torch.equal(visible[~selected], output.background[~selected])
    without = make_pdm(background=False)(*frames)
    assert torch.equal(visible_reference(without), without.reference)


def test_the_gradient_of_a_binary_mask_goes_to_its_probability() -> None:
    probability = torch.tensor([0.2, 0.7], requires_grad=True)
    mask = round_mask(probability)
    assert mask.tolist() == [0, 1]
    (3 * mask).sum().backward()
    assert probability.grad.tolist() == [3, 3]


@torch.no_grad()
def test_positions_of_a_crop_reach_decoder_and_estimator(make_pdm, frames) -> None:
    model = make_pdm()
    crops = [frame[..., :16, :16] for frame in frames]
    background = model.background[..., :16, :16].expand(2, -1, -1, -1)
    places = [Place(torch.full((2, 2), corner), crop=16, frame=32) for corner in (0, 16)]
    first, second = (model(*crops, background, place) for place in places)
    assert first.reference.shape == (2, 1, 16, 16)
    assert not torch.allclose(first.reference, second.reference)
    assert not torch.allclose(first.offsets[0], second.offsets[0])
    torch.testing.assert_close(first.z_e, second.z_e)


@torch.no_grad()
def test_a_given_background_replaces_that_of_the_first_view(make_pdm, frames) -> None:
    own = torch.full((2, 1, 32, 32), 0.5)
    model = make_pdm()
    assert torch.equal(model(*frames, own).background, own)
    assert torch.equal(model(*frames).background, model.background[[0, 0]])


@torch.no_grad()
def test_without_heads_the_reference_is_not_deformed(make_pdm, frames) -> None:
    output = make_pdm(reductions=(), displacements=())(*frames)
    torch.testing.assert_close(output.deformed[0], output.reference)


@pytest.mark.parametrize("sees", ["past", "target"])
def test_only_an_estimator_of_the_target_looks_at_it(make_pdm, frames, sees: str) -> None:
    model, (x, target) = make_pdm(estimator_sees=sees), frames
    black, white = model(x, torch.zeros_like(target)), model(x, torch.ones_like(target))
    same = torch.equal(black.reconstructions[-1], white.reconstructions[-1])
    assert same == (sees == "past")


@torch.no_grad()
def test_without_skips_the_decoder_sees_only_the_memory(make_pdm, frames) -> None:
    model = make_pdm(skips="none")
    before = model(*frames).reference
    model.memory.items += 1
    assert not torch.allclose(before, model(*frames).reference)


@torch.no_grad()
def test_the_reference_stays_in_the_range_of_images(make_pdm, frames) -> None:
    model = make_pdm()
    model.decoder.final[-1].weight *= 1000
    assert model(*frames).reference.abs().max() <= 1


@pytest.mark.parametrize(("used", "parts"), [(True, {"decoder", "estimator"}), (False, set())])
def test_decoder_and_estimator_have_positions_if_they_are_used(make_pdm, used, parts) -> None:
    names = [name for name, _ in make_pdm(positions=used).named_parameters()]
    assert {name.split(".")[0] for name in names if name.endswith("position")} == parts


@torch.no_grad()
def test_a_batch_equals_its_samples(make_pdm) -> None:
    model = make_pdm()
    x, target = torch.rand(3, 4, 32, 32), torch.rand(3, 1, 32, 32)
    whole = model(x, target).reconstructions[-1]
    single = [model(x[[i]], target[[i]]).reconstructions[-1] for i in range(3)]
    torch.testing.assert_close(whole, torch.cat(single), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_crops_are_nearly_the_same_in_16_bit(make_pdm, frames) -> None:
    model = make_pdm()
    crops = [frame[..., :16, :16] for frame in frames]
    background = model.background[..., :16, :16].expand(2, -1, -1, -1)
    place = Place(torch.tensor([[0, 16], [8, 0]]), crop=16, frame=32)
    exact = model(*crops, background, place).offsets[0]
    with torch.autocast("cpu", torch.bfloat16):
        rounded = model(*crops, background, place).offsets[0]
    torch.testing.assert_close(rounded, exact, atol=0.05 * exact.abs().max().item(), rtol=0.1)
