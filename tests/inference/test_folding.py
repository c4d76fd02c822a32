import pytest
import torch

from dmad.config import VideoModelConfig
from dmad.inference.folding import fold
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
