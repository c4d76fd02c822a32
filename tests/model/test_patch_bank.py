"""The bank of normal patches: distances to the nearest patch."""

import pytest
import torch
from torch.nn import functional as F

from dmad.config import PatchModelConfig
from dmad.model.patch_bank import PatchBank, distances_to_nearest


@pytest.fixture(scope="module")
def bank() -> PatchBank:
    """A bank with random weights and 50 patches of random images."""
    torch.manual_seed(0)
    model = PatchBank(PatchModelConfig(teacher="resnet18"))
    with torch.no_grad():
        model.teacher.measure_spreads(torch.rand(2, 3, 64, 64))
        patches = model.patches_of(torch.rand(2, 3, 64, 64) * 2 - 1)
    return model.with_patches(patches.movedim(1, -1).flatten(0, 2)[:50])


def test_the_distance_is_that_of_the_nearest_vector():
    a, b = torch.randn(7, 20), torch.randn(30, 20)
    expected = torch.cdist(a, b).amin(1)
    torch.testing.assert_close(distances_to_nearest(a, b), expected, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_distances_are_not_rounded_where_16_bit_is_used_for_speed():
    torch.manual_seed(0)
    a, b = 5 + torch.randn(50, 32), 5 + torch.randn(60, 32)
    with torch.autocast("cpu", torch.bfloat16):
        found = distances_to_nearest(a, b)
    torch.testing.assert_close(found, torch.cdist(a, b).amin(1), rtol=1e-4, atol=1e-3)


def test_a_bank_of_other_features_is_refused(bank):
    with pytest.raises(RuntimeError, match="size mismatch for patches"):
        bank.load_state_dict({**bank.state_dict(), "patches": torch.zeros(4, 3)})


def test_patches_come_from_the_stages_with_strides_8_and_16(bank):
    x = torch.rand(2, 3, 64, 64)
    patches = bank.patches_of(x)
    assert patches.shape == (2, 128 + 256, 8, 8)
    fine = F.avg_pool2d(bank.teacher(x)[1], 3, 1, 1)
    torch.testing.assert_close(patches[:, :128], fine / (128 + 256) ** 0.5)


@torch.no_grad()
def test_a_place_whose_patch_is_in_the_bank_has_no_distance(bank):
    x = torch.rand(1, 3, 64, 64)
    patches = bank.patches_of(x)[0].flatten(1).T
    assert bank.with_patches(patches)(x).max() < 0.01
    assert bank(x).min() > 0.01


@pytest.mark.filterwarnings("ignore")  # tracing warns about every constant
@torch.no_grad()
def test_maps_of_an_image_of_many_places_are_exported(bank, tmp_path):
    """An image of 320 x 320 pixels has 1600 places. At most 1024 are compared at once."""
    pytest.importorskip("onnx", reason="needs pip install '.[export]'")
    openvino = pytest.importorskip("openvino", reason="needs pip install '.[export]'")
    x, path = torch.rand(1, 3, 320, 320), tmp_path / "bank.onnx"
    torch.onnx.export(bank, (x,), str(path), dynamo=False)
    (found,) = openvino.Core().compile_model(str(path), "CPU")(x.numpy()).values()
    torch.testing.assert_close(torch.from_numpy(found), bank(x), rtol=0.02, atol=0.02)


@torch.no_grad()
def test_a_batch_has_the_maps_of_its_images(bank):
    x = torch.rand(3, 3, 64, 96)
    maps = bank(x)
    assert maps.shape == (3, 64, 96)
    torch.testing.assert_close(maps, torch.cat([bank(image[None]) for image in x]))


def test_other_patches_leave_the_bank_as_it_was(bank):
    before = bank.patches.clone()
    bank.with_patches(torch.zeros(2, before.shape[1]))
    torch.testing.assert_close(bank.patches, before)


def test_a_bank_of_any_size_is_loaded(bank):
    other = PatchBank(PatchModelConfig(teacher="resnet18"))
    other.load_state_dict(bank.state_dict(), assign=True)
    torch.testing.assert_close(other.patches, bank.patches)


def test_nothing_in_the_bank_is_trained(bank):
    assert not any(weight.requires_grad for weight in bank.parameters())
