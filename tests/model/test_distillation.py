"""Reverse distillation: teacher, bottleneck and student."""

import pytest
import torch

from dmad.errors import DmadError
from dmad.model.distillation import Blocks, Bottleneck, ResidualBlock, Student, Teacher

SIZE = 64
CHANNELS = (8, 16, 32)


def stages(**options: bool) -> list[torch.Tensor]:
    """Random features of three stages, as of a teacher with `CHANNELS`."""
    return [torch.randn(2, c, 32 // 2**i, 32 // 2**i, **options) for i, c in enumerate(CHANNELS)]


@pytest.mark.parametrize(
    ("name", "channels", "blocks"),
    [
        ("resnet18", (64, 128, 256), [(2, 0), (2, 0), (2, 0)]),
        ("resnet50", (256, 512, 1024), [(3, 64), (4, 128), (6, 256)]),
        ("mobilenetv3_small_050", (8, 16, 24), [(2, 0), (2, 0), (2, 0)]),
        ("tf_efficientnet_lite0", (24, 40, 112), [(2, 0), (2, 0), (2, 0)]),
    ],
)
def test_a_teacher_gives_three_stages_at_strides_4_8_and_16(
    name: str, channels: tuple[int, ...], blocks: list
) -> None:
    teacher = Teacher(name)
    assert teacher.channels == channels
    assert teacher.blocks() == [Blocks(count, inner) for count, inner in blocks]
    shapes = [feature.shape for feature in teacher(torch.zeros(1, 3, SIZE, SIZE))]
    strides = zip(channels, (4, 8, 16), strict=True)
    assert shapes == [(1, c, SIZE // s, SIZE // s) for c, s in strides]


def test_a_teacher_is_frozen_and_stays_in_eval_mode() -> None:
    teacher = Teacher("resnet18").train()
    assert not any(module.training for module in teacher.modules())
    assert not any(weight.requires_grad for weight in teacher.parameters())


def test_an_image_gets_a_gradient_through_the_teacher() -> None:
    image = torch.rand(1, 3, 32, 32, requires_grad=True)
    sum(stage.sum() for stage in Teacher("resnet18")(image)).backward()
    assert image.grad.any()


def test_a_teacher_sees_images_normalised_as_imagenet() -> None:
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
def test_a_residual_block_keeps_halves_or_doubles_the_size(
    inner: int, scale: float, size: int
) -> None:
    block = ResidualBlock(6, 10, inner, scale)
    out = block(torch.randn(2, 6, 8, 8))
    assert out.shape == (2, 10, size, size)
    assert out.min() >= 0


@torch.no_grad()
def test_a_residual_block_can_lower_its_input() -> None:
    torch.manual_seed(0)
    x = 10 + torch.rand(2, 6, 8, 8)
    assert (ResidualBlock(6, 6)(x) < x).any()


@pytest.mark.parametrize("compressed", [True, False])
def test_only_compressed_skips_stop_the_gradient_of_the_first_stages(compressed: bool) -> None:
    features = stages(requires_grad=True)
    bottleneck = Bottleneck(CHANNELS, CHANNELS, Blocks(2, 0), compressed)
    embedding = bottleneck(features, features[-1])
    assert embedding.shape == (2, 64, 4, 4)
    widths = {True: 2 + 4 + 8 + 32, False: 3 * 32}
    assert bottleneck.embed[0].path[0].in_channels == widths[compressed]
    embedding.square().sum().backward()
    assert (features[0].grad is None) == compressed
    assert features[2].grad is not None


@torch.no_grad()
def test_the_bottleneck_embeds_the_output_of_the_memory() -> None:
    features = stages()
    bottleneck = Bottleneck(CHANNELS, CHANNELS, Blocks(2, 0), True).eval()
    before = bottleneck(features, features[-1])
    assert not torch.allclose(before, bottleneck(features, features[-1] + 1))


@pytest.mark.parametrize(("stride", "convolutions"), [(0, 2), (1, 1), (2, 1)])
def test_a_compressed_stage_is_halved_to_the_size_of_the_last(stride, convolutions) -> None:
    skip = Bottleneck(CHANNELS, CHANNELS, Blocks(2, 0), True).skips[stride]
    layers = [layer for layer in skip if isinstance(layer, torch.nn.Conv2d)]
    assert len(layers) == convolutions
    assert layers[-1].out_channels == CHANNELS[stride] // 4
    assert skip(stages()[stride]).shape[2:] == (8, 8)


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "tf_efficientnet_lite0"])
@pytest.mark.parametrize("widths", [(), (32, 48, 64)])
def test_the_student_gives_features_of_the_shapes_of_the_teacher(name: str, widths: tuple) -> None:
    teacher = Teacher(name)
    student = Student(teacher.channels, widths, teacher.blocks())
    restored = student(torch.randn(1, 2 * (widths or teacher.channels)[-1], 2, 2))
    features = teacher(torch.zeros(1, 3, SIZE, SIZE))
    assert [f.shape for f in restored] == [f.shape for f in features]


@torch.no_grad()
def test_only_a_student_with_own_widths_restores_negative_features() -> None:
    embedding = torch.randn(1, 64, 2, 2)
    for widths, negative in (((), False), ((16, 16, 32), True)):
        student = Student(CHANNELS, widths, [Blocks(1, 0)] * 3)
        assert (min(stage.min() for stage in student(embedding)) < 0) == negative


@torch.no_grad()
def test_the_bottleneck_has_the_widths_of_the_student() -> None:
    bottleneck = Bottleneck(CHANNELS, (16, 32, 64), Blocks(2, 0), True).eval()
    features = stages()
    assert bottleneck(features, features[-1]).shape == (2, 128, 4, 4)
    assert bottleneck.embed[0].path[0].in_channels == 4 + 8 + 16 + CHANNELS[-1]


def test_even_channels_have_a_standard_deviation_of_one() -> None:
    torch.manual_seed(0)
    teacher = Teacher("tf_efficientnet_lite0", even_channels=True)
    x = torch.rand(2, 3, 32, 32) * 2 - 1
    before = teacher(x)
    teacher.measure_spreads(x)
    for old, new in zip(before, teacher(x), strict=True):
        torch.testing.assert_close(new.std((0, 2, 3)), torch.ones(new.shape[1]))
        torch.testing.assert_close(new * old.std((0, 2, 3))[:, None, None], old)
    copy = Teacher("tf_efficientnet_lite0", even_channels=True)
    copy.load_state_dict(teacher.state_dict())
    torch.testing.assert_close(copy(x), teacher(x))
    assert not any(weight.requires_grad for weight in teacher.parameters())


def test_without_even_channels_a_teacher_keeps_the_weights_of_earlier_versions() -> None:
    assert not [name for name in Teacher("resnet18").state_dict() if "spread" in name]


class Pyramid(torch.nn.Module):
    """A network that computes features of these strides with average pooling."""

    def __init__(self, *strides: int) -> None:
        super().__init__()
        self.strides = strides

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        return [torch.nn.functional.avg_pool2d(x, stride) for stride in self.strides]


def test_a_network_given_in_python_gets_images_from_minus_one_to_one() -> None:
    teacher = Teacher("mine", Pyramid(4, 8, 16))
    assert teacher.channels == (3, 3, 3)
    assert not teacher.of_timm
    x = torch.rand(1, 3, 32, 32) * 2 - 1
    torch.testing.assert_close(teacher(x)[0], torch.nn.functional.avg_pool2d(x, 4))


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Pyramid(4, 8), r"must compute three, of sizes \[\(16, 16\), \(8, 8\), \(4, 4\)\]"),
        (Pyramid(2, 4, 8), r"computes features of sizes \[\(32, 32\), "),
        (torch.nn.Linear(2, 2), "cannot compute features of an image"),
    ],
)
def test_a_given_network_with_other_features_is_refused(network, message) -> None:
    with pytest.raises(DmadError, match=message) as caught:
        Teacher("mine", network)
    assert "\n" not in str(caught.value)


def test_a_teacher_that_was_given_in_python_cannot_be_found_by_its_name() -> None:
    with pytest.raises(DmadError, match=r"given in Python \(Mine\); load the model in Python with"):
        Teacher("given:Mine")


@pytest.fixture
def installed_package(tmp_path, monkeypatch):
    """A package with an entry point `pooling`, as pip installs it."""
    (tmp_path / "pooling_teacher.py").write_text(
        "from torch import nn\n"
        "class Pooling(nn.Module):\n"
        "    def forward(self, x):\n"
        "        return [nn.functional.avg_pool2d(x, stride) for stride in (4, 8, 16)]\n"
    )
    about = tmp_path / "pooling_teacher-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: pooling-teacher\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[dmad.teachers]\npooling = pooling_teacher:Pooling\n")
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("installed_package")
def test_a_teacher_of_another_package_is_found_by_its_entry_point() -> None:
    assert Teacher("pooling").channels == (3, 3, 3)
