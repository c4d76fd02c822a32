import pytest
import torch

from dmad.config import VideoModelConfig
from dmad.inference.folding import fold
from dmad.model.distillation import Teacher
from dmad.model.pdm import PDM


@pytest.mark.parametrize("settings", [{"stem": 1}, {"stem": 2}, {"mask": "decoder"}])
def test_a_folded_network_computes_the_same_without_batch_norms(settings, shaken):
    torch.manual_seed(0)
    small = {"widths": (8, 16, 32), "memory_items": 10, "reductions": (4, 2)}
    model = shaken(PDM(VideoModelConfig(**small | settings), 32, 1, 4))
    x, target = torch.rand(2, 4, 32, 32), torch.rand(2, 1, 32, 32)
    folded = fold(model)
    with torch.inference_mode():
        plain, quick = model(x, target), folded(x, target)
    for a, b in zip(plain.reconstructions, quick.reconstructions, strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in folded.modules())
    assert any(isinstance(module, torch.nn.BatchNorm2d) for module in model.modules())


def test_a_network_folded_in_place_is_the_same_object_and_computes_the_same(shaken):
    settings = VideoModelConfig(widths=(8, 16, 32), memory_items=10, reductions=(4, 2))
    model = shaken(PDM(settings, 32, 1, 4))
    x, target = torch.rand(2, 4, 32, 32), torch.rand(2, 1, 32, 32)
    expected = fold(model)
    folded = fold(model, in_place=True)
    assert folded is model
    with torch.inference_mode():
        pairs = zip(
            expected(x, target).reconstructions, folded(x, target).reconstructions, strict=True
        )
    assert all(torch.equal(*pair) for pair in pairs)


def test_a_folded_teacher_computes_the_same_without_batch_norms():
    """Also if its padding depends on the size of the image, as in EfficientNet-Lite0."""
    torch.manual_seed(0)
    teacher = Teacher("tf_efficientnet_lite0")
    for module in teacher.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
    folded, x = fold(teacher), torch.rand(2, 3, 64, 64)
    for a, b in zip(teacher(x), folded(x), strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in folded.modules())
