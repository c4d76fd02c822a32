"""The paper's modules: shapes, identities, gradients, reference values computed another way."""

import itertools

import pytest
import torch
from torch.nn import functional as F

from dmad.config import VideoLossConfig, VideoModelConfig
from dmad.errors import DmadError
from dmad.inference.folding import fold
from dmad.model.autoencoder import Decoder, Encoder, skip_modules
from dmad.model.coordinates import CoordConv2d, coordinates
from dmad.model.deformation import (
    DeformationEstimator,
    Head,
    compose,
    compose_all,
    field_in_pixels,
    grid_units,
    resize,
    warp,
)
from dmad.model.losses import total_loss
from dmad.model.memory import Memory, nearest_item, perplexity, usage
from dmad.model.pdm import PDM

SMALL = VideoModelConfig(
    widths=(8, 16, 32), memory_items=10, skip_channels=4, reductions=(4, 2), estimator_width=8
)


def smooth_field(batch: int, size: int, pixels: float) -> torch.Tensor:
    coarse = torch.randn(batch, 2, 4, 4)
    field = F.interpolate(coarse, size=(size, size), mode="bicubic", align_corners=True)
    return field / field.abs().max() * grid_units(pixels, size)


def test_zero_field_is_identity() -> None:
    image = torch.rand(2, 3, 16, 20)
    torch.testing.assert_close(warp(image, torch.zeros(2, 2, 16, 20)), image, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("channel", "axis"), [(0, -1), (1, -2)])
def test_one_pixel_samples_the_neighbour(channel: int, axis: int) -> None:
    image = torch.rand(1, 1, 17, 17)
    field = torch.zeros(1, 2, 17, 17)
    field[:, channel] = grid_units(1, 17)
    expected = image.roll(-1, axis)
    inside = (slice(None), slice(None), slice(1, -1), slice(1, -1))
    torch.testing.assert_close(warp(image, field)[inside], expected[inside], atol=1e-5, rtol=0)


def test_field_in_pixels_undoes_grid_units() -> None:
    field = torch.full((1, 2, 33, 65), 1.0)
    pixels = field_in_pixels(field)
    assert pixels[0, 0, 0, 0] == 32
    assert pixels[0, 1, 0, 0] == 16
    assert grid_units(16, 33) == 1


def test_compose_equals_warping_twice() -> None:
    torch.manual_seed(0)
    ramp = coordinates(64, 64, torch.zeros(()))
    image = torch.sin(3 * ramp).expand(2, -1, -1, -1)
    first, second = smooth_field(2, 64, 3), smooth_field(2, 64, 3)
    once, twice = warp(image, compose(first, second)), warp(warp(image, first), second)
    inside = (slice(None), slice(None), slice(8, -8), slice(8, -8))
    torch.testing.assert_close(once[inside], twice[inside], atol=1e-2, rtol=0)
    torch.testing.assert_close(compose_all([first, second])[1], compose(first, second))


def test_the_second_field_carries_the_first() -> None:
    torch.manual_seed(0)
    first, second = 0.3 * torch.randn(2, 1, 2, 8, 8)
    torch.testing.assert_close(compose(first, second), second + warp(first, second))


def test_an_enlarged_field_keeps_its_corners() -> None:
    field = torch.tensor([[0.0, 1], [2, 3]]).expand(1, 2, 2, 2)
    found = resize(field, (5, 5))[0, 0]
    torch.testing.assert_close(found[0], torch.linspace(0, 1, 5))
    torch.testing.assert_close(found[:, 0], torch.linspace(0, 2, 5))


def test_forward_then_backward_returns() -> None:
    torch.manual_seed(1)
    forth = smooth_field(1, 64, 1.5)
    back = -forth
    for _ in range(8):
        back = -warp(forth, back)
    inside = (slice(None), slice(None), slice(8, -8), slice(8, -8))
    residue = field_in_pixels(compose(forth, back))[inside]
    assert residue.abs().max() < 0.05


def test_warp_has_gradients_for_image_and_field() -> None:
    image = torch.rand(1, 1, 6, 6, dtype=torch.float64, requires_grad=True)
    field = (0.1 * torch.rand(1, 2, 6, 6, dtype=torch.float64) + 0.01).requires_grad_()
    assert torch.autograd.gradcheck(warp, (image, field))


def test_nearest_item_agrees_with_distances() -> None:
    torch.manual_seed(0)
    z_e, items = torch.randn(2, 5, 3, 4), torch.randn(7, 5)
    flat = z_e.permute(0, 2, 3, 1).reshape(-1, 5)
    expected = torch.cdist(flat, items).argmin(1).reshape(2, 3, 4)
    assert torch.equal(nearest_item(z_e, items), expected)


def test_memory_is_straight_through() -> None:
    memory = Memory(6, 4)
    z_e = torch.randn(2, 4, 3, 3, requires_grad=True)
    out = memory(z_e)
    torch.testing.assert_close(out.decoded, out.z_q)
    out.decoded.sum().backward()
    assert torch.equal(z_e.grad, torch.ones_like(z_e))
    assert memory.items.grad is None
    out.z_q.sum().backward()
    assert memory.items.grad is not None


@torch.no_grad()
def test_an_item_is_its_own_nearest() -> None:
    memory = Memory(6, 4)
    torch.nn.init.normal_(memory.items)
    z_e = memory.items[[3, 0, 5, 5]].T.reshape(1, 4, 2, 2)
    out = memory(z_e)
    assert out.indices.flatten().tolist() == [3, 0, 5, 5]
    torch.testing.assert_close(out.decoded, z_e)


def test_revive_replaces_only_unused_items_by_whole_embeddings() -> None:
    memory = Memory(4, 2)
    before = memory.items.detach().clone()
    z_e = torch.stack((20 + torch.arange(4.0), 30 + torch.arange(4.0))).view(1, 2, 2, 2)
    assert memory.revive(torch.tensor([3, 0, 1, 0]), z_e) == 2
    assert torch.equal(memory.items[[0, 2]], before[[0, 2]])
    for item in memory.items[[1, 3]].tolist():
        assert item in [[20 + i, 30 + i] for i in range(4)]


def test_what_is_revived_is_drawn_anew_from_its_seed() -> None:
    z_e, found = torch.randn(1, 2, 8, 8), []
    for _ in range(2):
        memory = Memory(4, 2)
        memory.revive(torch.zeros(4), z_e, torch.Generator().manual_seed(3))
        found.append(memory.items.detach())
    assert torch.equal(*found)


def test_perplexity_spans_one_to_all() -> None:
    assert perplexity(torch.tensor([8, 0, 0, 0])) == pytest.approx(1)
    assert perplexity(torch.tensor([2, 2, 2, 2])) == pytest.approx(4)
    assert torch.isfinite(perplexity(torch.zeros(4, dtype=torch.int64)))
    assert usage(torch.tensor([[0, 2], [2, 2]]), 4).tolist() == [1, 0, 3, 0]


def test_coordinate_share_equals_concatenated_channels() -> None:
    """Away from the border, a 3 x 3 kernel over coordinates is one weight a coordinate."""
    conv = CoordConv2d(3, 5)
    assert conv.position is not None
    x = torch.randn(2, 3, 9, 9)
    kernel = torch.zeros(5, 2, 3, 3)
    kernel[:, :, 1, 1] = conv.position.detach()
    both = torch.cat((x, coordinates(9, 9, x).expand(2, -1, -1, -1)), 1)
    expected = F.conv2d(both, torch.cat((conv.weight, kernel), 1), conv.bias, padding=1)
    torch.testing.assert_close(conv(x), expected)
    last = x.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(conv(last), expected)


def test_fields_start_at_zero_and_stay_below_their_limit() -> None:
    estimator = DeformationEstimator(3, 32, (8, 4, 2), (4.0, 2.0, 1.0), 8)
    x = torch.randn(2, 3, 32, 32)
    fields = estimator(x)
    assert [f.shape for f in fields] == [(2, 2, 32, 32)] * 3
    assert all((f == 0).all() for f in fields)
    for head in estimator.heads:
        torch.nn.init.normal_(head.final.weight, std=100)
    for field, limit in zip(estimator(x), (4.0, 2.0, 1.0), strict=True):
        largest = field_in_pixels(field).abs().max()
        assert 0.5 * limit < largest <= limit + 1e-5


@torch.no_grad()
def test_a_head_reaches_its_largest_displacement() -> None:
    head = Head(4, 0, 3.0, 16)
    head.final.bias.fill_(100)
    found = field_in_pixels(head(torch.zeros(1, 4, 16, 16)))
    torch.testing.assert_close(found, torch.full((1, 2, 16, 16), 3.0))


def test_heads_halve_down_to_their_scale() -> None:
    made = DeformationEstimator(1, 32, (8, 4, 2), (1.0, 1.0, 1.0), 8)
    halvings = [sum(isinstance(m, torch.nn.Conv2d) for m in head.layers) for head in made.heads]
    assert halvings == [2, 1, 0]


@torch.no_grad()
def test_the_trunk_passes_its_input_on() -> None:
    made = DeformationEstimator(1, 32, (2,), (1.0,), 8).eval()
    torch.nn.init.normal_(made.heads[0].final.weight)
    made.residual[-1].weight.zero_()  # nothing but the shortcut is left
    made.residual[-1].bias.zero_()
    assert made(torch.rand(1, 1, 32, 32))[0].std() > 0


@pytest.mark.parametrize("kind", ["compressed", "full", "none"])
def test_skips_pass_what_they_promise(kind: str) -> None:
    widths = [4, 8, 16]
    skips = skip_modules(kind, widths, 2, 3)
    encoder, decoder = Encoder(2, widths, 2), Decoder(1, widths, skips, 2)
    features = encoder(torch.randn(2, 2, 32, 32))
    passed = [skip(f).shape[1] for skip, f in zip(skips, features, strict=True)]
    assert passed == {"compressed": [0, 3, 3], "full": [4, 8, 0], "none": [0, 0, 0]}[kind]
    assert decoder(features[-1], features).shape == (2, 1, 32, 32)


@torch.no_grad()
def test_skips_reach_the_decoder() -> None:
    widths = [4, 8, 16]
    decoder = Decoder(1, widths, skip_modules("compressed", widths, 2, 3), 2).eval()
    features = [torch.randn(1, w, 16 // 2**i, 16 // 2**i) for i, w in enumerate(widths)]
    other = [features[0], features[1] + 1, features[2]]
    assert not torch.allclose(decoder(features[-1], features), decoder(features[-1], other))


@torch.no_grad()
def test_levels_of_the_encoder_keep_the_largest() -> None:
    encoder = Encoder(1, (4, 8)).eval()
    first, second = encoder(torch.rand(1, 1, 8, 8))
    torch.testing.assert_close(second, encoder.levels[1](F.max_pool2d(first, 2)))


def test_the_embedding_is_what_the_last_convolution_gives() -> None:
    assert isinstance(Encoder(1, (4, 8)).levels[-1][-1], CoordConv2d)


def test_compressed_skips_stop_the_gradient() -> None:
    skip = skip_modules("compressed", [4, 8], 4, 3)[0]
    features = torch.randn(1, 4, 8, 8, requires_grad=True)
    out = skip(features)
    assert out.requires_grad
    out.sum().backward()
    assert features.grad is None


ABLATIONS = {
    "whole": {},
    "no PDM": {"reductions": (), "displacements": ()},
    "K = 1": {"reductions": (2,), "displacements": (3.0,)},
    "K = 3": {"reductions": (8, 4, 2), "displacements": (4.0, 3.0, 2.0)},
    "no memory": {"memory": False},
    "as MNAD": {"skips": "full", "reductions": (), "displacements": ()},
    "no background": {"background": False},
    "decoder mask": {"mask": "decoder"},
    "sees the target": {"estimator_sees": "target"},
    "no positions": {"positions": False},
    "stem 2": {"stem": 2},
}


@pytest.mark.parametrize("name", ABLATIONS)
@pytest.mark.parametrize("history", [0, 4])
def test_every_ablation_runs_and_learns(name: str, history: int) -> None:
    config = VideoModelConfig(**{**vars(SMALL), **ABLATIONS[name]})
    model = trained_like(PDM(config, 32, 1, history)).train()
    x, target = torch.rand(2, max(history, 1), 32, 32), torch.rand(2, 1, 32, 32)
    out = model(x, target)
    heads = max(len(config.reductions), 1)
    assert len(out.reconstructions) == len(out.deformed) == heads
    assert out.reference.shape == (2, 1, 32, 32)
    assert (out.mask is None) == (not config.background)
    total_loss(target, out, VideoLossConfig()).total.backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())
    assert {n for n, p in model.named_parameters() if not p.grad.any()} == set()


@pytest.mark.parametrize("sees", ["past", "target"])
def test_past_only_does_not_look_at_the_target(sees: str) -> None:
    model = trained_like(PDM(VideoModelConfig(**{**vars(SMALL), "estimator_sees": sees}), 32, 1, 4))
    x = torch.rand(1, 4, 32, 32)
    a, b = model(x, torch.zeros(1, 1, 32, 32)), model(x, torch.ones(1, 1, 32, 32))
    assert torch.equal(a.reconstructions[-1], b.reconstructions[-1]) == (sees == "past")


def lively(**changes: object) -> PDM:
    """A model away from its start, its background included."""
    torch.manual_seed(0)
    model = trained_like(PDM(VideoModelConfig(**{**vars(SMALL), **changes}), 32, 1, 4))
    torch.nn.init.normal_(model.background)
    return model


@torch.no_grad()
@pytest.mark.parametrize("mask", ["encoder", "decoder"])
def test_eq_9_written_out(mask: str) -> None:
    model = lively(mask=mask)
    out = model(torch.rand(2, 4, 32, 32), torch.rand(2, 1, 32, 32))
    assert 0 < out.mask.min() < out.mask.max() < 1
    coarse, fine = out.offsets
    for field, found in zip((coarse, compose(coarse, fine)), out.reconstructions, strict=True):
        share, image = warp(out.mask, field), warp(out.reference, field)
        expected = share * image + (1 - share) * model.background[:1]
        torch.testing.assert_close(found, expected)


@torch.no_grad()
def test_a_background_that_is_given_counts() -> None:
    own = torch.full((2, 1, 32, 32), 0.5)
    out = lively()(torch.rand(2, 4, 32, 32), torch.rand(2, 1, 32, 32), own)
    assert torch.equal(out.background, own)


@torch.no_grad()
def test_the_decoder_sees_the_memory_alone() -> None:
    model, x, target = lively(skips="none"), torch.rand(2, 4, 32, 32), torch.rand(2, 1, 32, 32)
    before = model(x, target).reference
    model.memory.items += 1
    assert not torch.allclose(before, model(x, target).reference)


@torch.no_grad()
def test_the_reference_stays_within_the_range_of_images() -> None:
    model = lively()
    model.decoder.final[-1].weight *= 1000
    reference = model(torch.rand(2, 4, 32, 32), torch.rand(2, 1, 32, 32)).reference
    assert reference.abs().max() <= 1


@pytest.mark.parametrize(("asked", "where"), [(True, {"decoder", "estimator"}), (False, set())])
def test_positions_are_where_they_are_asked_for(asked: bool, where: set[str]) -> None:
    names = [name for name, _ in lively(positions=asked).named_parameters()]
    assert {name.split(".")[0] for name in names if name.endswith("position")} == where


def test_a_batch_equals_its_samples() -> None:
    torch.manual_seed(0)
    model = trained_like(PDM(SMALL, 32, 1, 4))
    x, target = torch.rand(3, 4, 32, 32), torch.rand(3, 1, 32, 32)
    whole = model(x, target).reconstructions[-1]
    single = torch.cat(
        [model(x[i : i + 1], target[i : i + 1]).reconstructions[-1] for i in range(3)]
    )
    torch.testing.assert_close(whole, single, atol=1e-5, rtol=1e-5)


def trained_like(model: PDM) -> PDM:
    """A model in eval mode with batch norms and heads away from their start."""
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
    if model.estimator is not None:
        for head in model.estimator.heads:
            torch.nn.init.normal_(head.final.weight, std=0.1)
    return model.eval()


@pytest.mark.parametrize(("stem", "mask"), list(itertools.product((1, 2), ("decoder", "encoder"))))
def test_folding_changes_nothing(stem: int, mask: str) -> None:
    torch.manual_seed(0)
    model = trained_like(
        PDM(VideoModelConfig(**{**vars(SMALL), "stem": stem, "mask": mask}), 32, 1, 4)
    )
    x, target = torch.rand(2, 4, 32, 32), torch.rand(2, 1, 32, 32)
    plain, quick = model(x, target), fold(model)(x, target)
    for a, b in zip(plain.reconstructions, quick.reconstructions, strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in fold(model).modules())


@pytest.mark.parametrize(
    "wrong",
    [
        {"reductions": (2, 4)},
        {"reductions": (3,), "displacements": (1.0,)},
        {"displacements": (1.0,)},
        {"displacements": (1.0, -1.0)},
        {"widths": (8,)},
    ],
)
def test_wrong_settings_are_refused(wrong: dict) -> None:
    with pytest.raises(DmadError, match=r"model\."):
        VideoModelConfig(**{**vars(SMALL), **wrong})
