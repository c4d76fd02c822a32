"""Images: teacher, bottleneck, student, both ways of bending, and the map brought back."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch.nn import functional as F

from dmad.config import (
    ImageConfig,
    ImageDataConfig,
    ImageLossConfig,
    ImageModelConfig,
    ImageScoreConfig,
)
from dmad.errors import DmadError
from dmad.model.deformation import compose, field_in_pixels, grid_units, warp
from dmad.model.distillation import Bottleneck, Residual, Student, Teacher
from dmad.model.losses import (
    compression_loss,
    cosine_loss,
    cycle_loss,
    smoothness,
    strength,
    strength_plus,
    total_loss_plus,
)
from dmad.model.memory import MemoryOutput
from dmad.model.ppdm import PPDM, PPDMOutput
from dmad.model.scoring import (
    blur,
    carried_strength,
    deformation_map_plus,
    feature_map,
    pixel_map_plus,
    reconstruction_map_plus,
    score_plus,
)

SIZE = 64
SMALL = ImageModelConfig(
    teacher="resnet18",
    memory_items=10,
    reductions=(8, 4),
    displacements=(8.0, 3.0),
    estimator_width=8,
)
PLAIN = ImageModelConfig(teacher="resnet18", memory=False, reductions=(), displacements=())


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    torch.manual_seed(3)
    coarse = torch.rand(2, 3, 12, 12) * 2 - 1
    return F.interpolate(coarse, size=(SIZE, SIZE), mode="bicubic").clamp(-1, 1)


def model(config: ImageModelConfig) -> PPDM:
    torch.manual_seed(0)
    return PPDM(config, SIZE).eval()


def bent(config: ImageModelConfig) -> PPDM:
    """A model whose heads are away from their start."""
    found = model(config)
    for head in found.estimator.heads:
        torch.nn.init.normal_(head.final.weight, std=0.05)
    return found


def stages(size: int = 4) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Three stages of features, and three at right angles to them."""
    features = [torch.zeros(1, 2, size, size) for _ in range(3)]
    for stage in features:
        stage[:, 0] = 1
    return features, [stage.flip(1) for stage in features]


def drawn(features: list, restored: list, **known: object) -> PPDMOutput:
    """What a model computed for a grey image of 8 x 8."""
    grey = torch.zeros(1, 3, 8, 8)
    plain = PPDMOutput(
        grey, (), (), None, grey, tuple(features), tuple(restored), features[-1], None
    )
    return replace(plain, **known)


@pytest.mark.parametrize(
    ("name", "channels", "blocks"),
    [
        ("resnet18", (64, 128, 256), [(2, 0), (2, 0), (2, 0)]),
        ("resnet50", (256, 512, 1024), [(3, 64), (4, 128), (6, 256)]),
        ("mobilenetv3_small_050", (8, 16, 24), [(2, 0), (2, 0), (2, 0)]),
    ],
)
def test_teachers(name: str, channels: tuple[int, ...], blocks: list) -> None:
    teacher = Teacher(name)
    assert teacher.channels == channels
    assert teacher.blocks() == blocks
    shapes = [feature.shape for feature in teacher(torch.zeros(1, 3, SIZE, SIZE))]
    strides = zip(channels, (4, 8, 16), strict=True)
    assert shapes == [(1, c, SIZE // s, SIZE // s) for c, s in strides]


def test_teacher_is_frozen_and_stays_in_eval_mode() -> None:
    found = model(SMALL).train()
    assert found.training
    assert not any(module.training for module in found.teacher.modules())
    assert not any(weight.requires_grad for weight in found.teacher.parameters())


def test_teacher_sees_what_imagenet_is_scaled_to() -> None:
    teacher = Teacher("resnet18")
    mean, deviation = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])
    for value, share in ((0.0, 0.5), (1.0, 1.0)):
        expected = (share - mean) / deviation
        direct = teacher.network(expected[None, :, None, None].expand(1, 3, 32, 32))
        torch.testing.assert_close(teacher(torch.full((1, 3, 32, 32), value)), direct)


@pytest.mark.parametrize("name", ["resnet19", "convnext_atto"])
def test_teachers_that_do_not_fit_are_refused(name: str) -> None:
    with pytest.raises(DmadError, match="such as resnet18"):
        Teacher(name)


@pytest.mark.parametrize("inner", [0, 4])
@pytest.mark.parametrize(("scale", "size"), [(0.5, 4), (1, 8), (2, 16)])
def test_residual_blocks_resize(inner: int, scale: float, size: int) -> None:
    block = Residual(6, 10, inner, scale)
    out = block(torch.randn(2, 6, 8, 8))
    assert out.shape == (2, 10, size, size)
    assert out.min() >= 0


@torch.no_grad()
def test_a_residual_block_can_take_away() -> None:
    torch.manual_seed(0)
    x = 10 + torch.rand(2, 6, 8, 8)
    assert (Residual(6, 6)(x) < x).any()


@pytest.mark.parametrize("compressed", [True, False])
def test_bottleneck_passes_what_it_may(compressed: bool) -> None:
    channels = (8, 16, 32)
    features = [
        torch.randn(2, c, 32 // 2**i, 32 // 2**i, requires_grad=True)
        for i, c in enumerate(channels)
    ]
    bottleneck = Bottleneck(channels, 2, 0, compressed)
    embedding = bottleneck(features, features[-1])
    assert embedding.shape == (2, 64, 4, 4)
    widths = {True: 2 + 4 + 8 + 32, False: 3 * 32}
    assert bottleneck.embed[0].path[0].in_channels == widths[compressed]
    embedding.square().sum().backward()
    assert (features[0].grad is None) == compressed
    assert features[2].grad is not None


@torch.no_grad()
def test_the_bottleneck_embeds_what_the_memory_gives() -> None:
    channels = (8, 16, 32)
    features = [torch.randn(2, c, 32 // 2**i, 32 // 2**i) for i, c in enumerate(channels)]
    bottleneck = Bottleneck(channels, 2, 0, True).eval()
    plain, other = (bottleneck(features, features[-1] + more) for more in (0, 1))
    assert not torch.allclose(plain, other)


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_student_mirrors_the_teacher(name: str) -> None:
    teacher = Teacher(name)
    student = Student(teacher.channels, teacher.blocks())
    restored = student(torch.randn(1, 2 * teacher.channels[-1], 2, 2))
    features = teacher(torch.zeros(1, 3, SIZE, SIZE))
    assert [f.shape for f in restored] == [f.shape for f in features]


@pytest.mark.parametrize("memory", [True, False])
@pytest.mark.parametrize("heads", [(), (8,), (8, 4), (16, 8, 4)])
def test_shapes(images: torch.Tensor, memory: bool, heads: tuple[int, ...]) -> None:
    config = ImageModelConfig(
        teacher="resnet18",
        memory=memory,
        reductions=heads,
        displacements=(3.0,) * len(heads),
        estimator_width=4,
    )
    output = model(config)(images)
    for fields in (output.forward, output.backward):
        assert [field.shape for field in fields] == [(2, 2, SIZE, SIZE)] * len(heads)
    assert (output.returning is None) == (not heads)
    assert output.deformed.shape == output.cycled.shape == images.shape
    assert [f.shape for f in output.restored] == [f.shape for f in output.features]
    assert (output.memory is None) == (not memory)


def test_zero_fields_give_the_map_of_reverse_distillation(images: torch.Tensor) -> None:
    """Heads start at zero, so the model is reverse distillation until it is trained."""
    ppdm = model(SMALL)
    rd = PPDM(
        ImageModelConfig(teacher="resnet18", memory_items=10, reductions=(), displacements=()), 64
    )
    rd.load_state_dict(
        {k: v for k, v in ppdm.state_dict().items() if not k.startswith("estimator")}
    )
    ours, theirs = ppdm(images), rd.eval()(images)
    torch.testing.assert_close(ours.deformed, images, atol=1e-5, rtol=0)
    torch.testing.assert_close(ours.cycled, images, atol=1e-5, rtol=0)
    expected = feature_map(theirs, SIZE)
    torch.testing.assert_close(reconstruction_map_plus(theirs), expected, atol=0, rtol=0)
    torch.testing.assert_close(reconstruction_map_plus(ours), expected, atol=1e-4, rtol=0)
    assert deformation_map_plus(ours).max() < 1e-5
    assert deformation_map_plus(theirs).max() == 0


def test_batch_is_its_images_one_by_one(images: torch.Tensor) -> None:
    found = bent(SMALL)
    whole = score_plus(found(images), ImageScoreConfig())
    single = [score_plus(found(image[None]), ImageScoreConfig()).score for image in images]
    torch.testing.assert_close(whole.score, torch.cat(single), rtol=1e-4, atol=1e-5)


def test_every_part_learns(images: torch.Tensor) -> None:
    found = bent(SMALL).train()
    total_loss_plus(images, found(images), ImageLossConfig()).total.backward()
    still = {n for n, p in found.named_parameters() if p.requires_grad and not p.grad.any()}
    assert still == set()
    assert all(p.grad is None for p in found.teacher.parameters())


@torch.no_grad()
def test_eq_15_to_17_written_out(images: torch.Tensor) -> None:
    found = bent(SMALL)
    out, fields = found(images), found.estimator(images)
    torch.testing.assert_close(list(out.forward + out.backward), fields)
    torch.testing.assert_close(out.deformed, warp(images, compose(*out.forward)))
    torch.testing.assert_close(out.returning, compose(out.backward[1], out.backward[0]))
    torch.testing.assert_close(out.cycled, warp(out.deformed, out.returning))
    torch.testing.assert_close(list(out.features), found.teacher(out.deformed))


@torch.no_grad()
def test_the_student_sees_the_memory(images: torch.Tensor) -> None:
    found = bent(SMALL)
    before = found(images).restored[0]
    found.memory.items += 1
    assert not torch.allclose(before, found(images).restored[0])


def test_known_features_stand_in_for_the_teacher(images: torch.Tensor) -> None:
    rd = model(PLAIN)
    features = rd.teacher(images)
    for a, b in zip(rd(images).restored, rd(images, features).restored, strict=True):
        torch.testing.assert_close(a, b)


def test_cosine_loss_of_known_values() -> None:
    a = [torch.tensor([[[[1.0, 0.0]]], [[[1.0, 1.0]]]]), torch.ones(2, 1, 1, 1)]
    b = [torch.tensor([[[[0.0, 1.0]]], [[[1.0, 0.0]]]]), torch.ones(2, 1, 1, 1)]
    assert cosine_loss(a, b) == pytest.approx((1 + (1 - 2**-0.5)) / 2)


def test_loss_adds_up(images: torch.Tensor) -> None:
    output = bent(SMALL)(images)
    config = ImageLossConfig(gamma1=2, gamma2=3, gamma3=0.5, smoothness=0.7, strength=0.3)
    terms = total_loss_plus(images, output, config)
    expected = terms.reconstruction + 2 * terms.compression + 0.5 * terms.cycle
    expected = expected + 3 * (0.7 * terms.smoothness + 0.3 * terms.strength)
    torch.testing.assert_close(terms.total, expected)
    torch.testing.assert_close(terms.cycle, (images - output.cycled).square().mean())
    torch.testing.assert_close(terms.cycle, cycle_loss(images, output.cycled))
    forward = sum(strength(field).mean() for field in output.forward)
    released = ImageLossConfig(backward_strength=False)
    torch.testing.assert_close(strength_plus(output, released), forward)
    assert terms.strength > forward


def test_smoothness_covers_both_ways_and_beta_counts() -> None:
    a, b, c, d = torch.rand(4, 1, 2, 8, 8)
    z_q = torch.rand(1, 2, 4, 4)
    memory = MemoryOutput(z_q, z_q, torch.zeros(1, 4, 4, dtype=torch.int64))
    output = drawn(*stages(), forward=(a, b), backward=(c, d), memory=memory)
    config = ImageLossConfig(beta=0.7, smoothness_window=3)
    terms = total_loss_plus(torch.zeros(1, 3, 8, 8), output, config)
    torch.testing.assert_close(terms.smoothness, sum(smoothness(f, 3) for f in (a, b, c, d)))
    torch.testing.assert_close(terms.compression, compression_loss(output.z_e, z_q, 0.7))


def test_the_map_adds_the_stages() -> None:
    torch.testing.assert_close(feature_map(drawn(*stages()), 8), torch.full((1, 8, 8), 3.0))


def test_features_of_nothing_have_a_distance() -> None:
    features, restored = stages()
    nothing = [0 * stage for stage in features]
    assert torch.isfinite(feature_map(drawn(nothing, restored), 8)).all()


def test_enlarged_stages_keep_their_corners() -> None:
    features, restored = stages(2)
    for stage in restored:
        stage[..., 0] = torch.tensor([1.0, 0.0])[:, None]
    found = feature_map(drawn(features, restored), 5)[0, 0] / 3
    torch.testing.assert_close(found, torch.linspace(0, 1, 5))


def test_the_map_is_brought_back() -> None:
    torch.manual_seed(0)
    features, restored = torch.randn(2, 3, 1, 4, 4, 4)
    back = torch.full((1, 2, 8, 8), grid_units(2, 8))
    output = drawn(list(features), list(restored), returning=back)
    expected = warp(feature_map(output, 8)[:, None], back)[:, 0]
    torch.testing.assert_close(reconstruction_map_plus(output), expected)


def test_blur_is_a_gaussian_filter() -> None:
    maps = torch.rand(2, 50, 40, dtype=torch.float64)
    expected = [gaussian_filter(m, 4, mode="nearest", truncate=4) for m in maps.numpy()]
    np.testing.assert_allclose(blur(maps, 4.0).numpy(), expected, atol=1e-12)


def test_strength_is_carried_by_the_fields_behind() -> None:
    """Eq. 21 written out for two and three fields; a field applied last is not carried."""
    torch.manual_seed(1)
    a, b, c = (0.1 * torch.randn(1, 2, 1, 1) + 0.02 * torch.randn(1, 2, 32, 32) for _ in "abc")
    expected = strength(warp(a, b)) + strength(b)
    torch.testing.assert_close(carried_strength([a, b]), expected)
    expected = strength(warp(a, compose(b, c))) + strength(warp(b, c)) + strength(c)
    torch.testing.assert_close(carried_strength([a, b, c]), expected)


def test_released_variant_measures_the_backward_fields_alone(images: torch.Tensor) -> None:
    output = bent(SMALL)(images)
    both, one = deformation_map_plus(output), deformation_map_plus(output, backward_only=True)
    forward = carried_strength(output.forward)
    torch.testing.assert_close(both - one, forward, atol=1e-5, rtol=1e-4)


def test_backward_fields_act_in_reverse() -> None:
    torch.manual_seed(0)
    a, b, c, d = 0.2 * torch.randn(4, 1, 2, 8, 8)
    output = drawn(*stages(), forward=(a, b), backward=(c, d))
    torch.testing.assert_close(deformation_map_plus(output, True), carried_strength([d, c]))


def test_scores_are_made_of_their_maps(images: torch.Tensor) -> None:
    found = score_plus(bent(SMALL)(images), config := ImageScoreConfig(alpha=0.3))
    torch.testing.assert_close(found.score, found.reconstruction + 0.3 * found.deformation)
    peak = blur(found.reconstruction_map, 4.0).amax((1, 2))
    torch.testing.assert_close(found.reconstruction, peak)
    expected = blur(found.reconstruction_map, 4) + 0.3 * blur(found.deformation_map, 4)
    torch.testing.assert_close(pixel_map_plus(found, config), expected, atol=1e-5, rtol=1e-4)


def inverse(field: torch.Tensor) -> torch.Tensor:
    back = -field
    for _ in range(20):
        back = -warp(field, back)
    return back


def test_a_known_deformation_moves_the_map_back() -> None:
    """Eq. 20: a defect seen in the bent image is found within 2 px of where it is in the image."""
    ramp = torch.linspace(-1, 1, 128)
    rows, columns = torch.meshgrid(ramp, ramp, indexing="ij")
    bump = torch.exp(-4 * (rows**2 + columns**2))
    forth = torch.stack((bump, -0.5 * bump))[None] * grid_units(8, 128)
    back = inverse(forth)
    assert field_in_pixels(compose(forth, back)).abs().max() < 0.1
    for row, column in [(50, 60), (64, 64), (80, 40)]:
        image = torch.zeros(1, 1, 128, 128)
        image[..., row - 2 : row + 3, column - 2 : column + 3] = 1
        seen = blur(warp(image, forth)[:, 0], 4.0)
        moved = peak(seen)
        returned = peak(blur(warp(seen[:, None], back)[:, 0], 4.0))
        assert np.hypot(*(moved - (row, column))) > 2
        assert np.hypot(*(returned - (row, column))) <= 2


def peak(maps: torch.Tensor) -> np.ndarray:
    return np.array(np.unravel_index(int(maps[0].argmax()), maps[0].shape))


def test_the_image_size_is_a_multiple_of_the_coarsest_feature_map() -> None:
    with pytest.raises(DmadError, match="multiple of 32"):
        ImageConfig(data=ImageDataConfig(size=240), model=SMALL)
