import pytest
import torch

from dmad.config import ImageModelConfig, VideoModelConfig
from dmad.inference.folding import fold
from dmad.inference.packing import Packed, pack
from dmad.model.pdm import PDM
from dmad.model.ppdm import PPDM

FORMS = {
    "fields at full resolution": {"reductions": (4, 1)},
    "folded pixels": {"stem": 2},
    "mask from the decoder": {"mask": "decoder"},
    "without positions": {"positions": False},
    "without memory": {"memory": False, "skips": "full"},
}


IN_BF16 = pytest.mark.skipif(
    not torch.ops.mkldnn._is_mkldnn_bf16_supported(), reason="this CPU has no convolutions in bf16"
)


@pytest.mark.parametrize(
    ("dtype", "near"),
    [(torch.float32, 1e-4), pytest.param(torch.bfloat16, 0.06, marks=IN_BF16)],
)
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_a_packed_network_computes_the_same_at_any_batch(form, dtype, near, shaken):
    torch.manual_seed(0)
    settings = {"widths": (4, 8), "memory_items": 5, "reductions": (4, 2), "estimator_width": 4}
    model = shaken(PDM(VideoModelConfig(**settings | form), 32, 1, 4))
    packed = pack(fold(model), dtype)
    for batch in (1, 3, 1):
        x, target = torch.rand(batch, 4, 32, 32), torch.rand(batch, 1, 32, 32)
        with torch.inference_mode():
            plain, quick = model(x, target), packed(x, target)
        for name in ("reference", "mask", "z_e"):
            torch.testing.assert_close(
                getattr(quick, name).float(), getattr(plain, name), atol=near, rtol=near, msg=name
            )
        for quick_field, field in zip(quick.offsets, plain.offsets, strict=True):
            assert quick_field.dtype == torch.float32
            torch.testing.assert_close(quick_field, field, atol=near * 0.2, rtol=near)


def test_weights_are_ordered_anew_for_another_size():
    torch.manual_seed(0)
    conv = torch.nn.Conv2d(64, 64, 3, padding=1)
    packed = Packed(conv, relu=False, dtype=torch.float32)
    ordered = []
    for size in (16, 16, 64, 16):
        x = torch.rand(1, 64, size, size)
        with torch.inference_mode():
            torch.testing.assert_close(packed(x), conv(x), atol=1e-5, rtol=1e-4)
        ordered.append(packed._ordered)
    assert ordered[0] is ordered[1]
    assert ordered[2] is not ordered[1]


@pytest.mark.parametrize(
    ("teacher", "widths"), [("resnet18", ()), ("tf_efficientnet_lite0", (16, 16, 32))]
)
def test_packed_images_compute_the_same(shaken, teacher, widths):
    torch.manual_seed(0)
    config = ImageModelConfig(
        teacher=teacher,
        student_widths=widths,
        even_channels=bool(widths),
        memory_items=5,
        reductions=(16, 8),
        estimator_width=4,
    )
    model = shaken(PPDM(config))
    packed = pack(fold(model), torch.float32)
    x = torch.rand(2, 3, 64, 64) * 2 - 1
    with torch.inference_mode():
        plain, quick = model(x), packed(x)
    torch.testing.assert_close(quick.return_field, plain.return_field, atol=1e-5, rtol=1e-4)
    for a, b in zip(quick.restored, plain.restored, strict=True):
        torch.testing.assert_close(a, b, atol=1e-3, rtol=1e-3)


def test_packing_leaves_no_layer_that_would_only_copy():
    packed = pack(fold(PDM(VideoModelConfig(widths=(4, 8)), 32, 1, 4)), torch.float32)
    kinds = {type(module).__name__ for module in packed.modules()}
    assert not kinds & {"PixelShuffle", "BatchNorm2d", "CoordConv2d", "ConvTranspose2d"}
