import numpy as np
import pytest
import torch

from dmad.forms import form_of
from dmad.inference.detector import Detector
from dmad.inference.torch_backend import TorchBackend
from dmad.model.ppdm import PPDM

SCORES_AND_MAPS = {"terms", "reconstruction_map", "deformation_map"}


@pytest.fixture
def windows(frames_of) -> np.ndarray:
    """Three windows of five frames, (3, 5, 32, 32, 1)."""
    frames = frames_of(3, 7)
    return np.stack([frames[start : start + 5] for start in range(3)])


def backend_of(model, config, **options) -> TorchBackend:
    return TorchBackend(model, config, form_of(config), "cpu", **options)


def test_video_gives_scores_maps_and_drawings_in_float32(random_model, tiny, windows):
    outputs = backend_of(random_model, tiny(None))(windows, None)
    assert set(outputs) == {*SCORES_AND_MAPS, "reference", "reconstructions", "offsets"}
    assert outputs["terms"].shape == (3, 6)
    assert outputs["deformation_map"].shape == (3, 32, 32)
    assert outputs["reference"].shape == (3, 1, 32, 32)
    assert outputs["reconstructions"].shape == (3, 2, 1, 32, 32)
    assert outputs["offsets"].shape == (3, 2, 2, 32, 32)
    assert {array.dtype for array in outputs.values()} == {np.dtype(np.float32)}


def test_images_give_scores_maps_and_drawings(tiny_images):
    config = tiny_images()
    model = PPDM(config.model)
    images = np.random.default_rng(0).integers(0, 255, (2, 1, 64, 64, 3), np.uint8)
    backend = backend_of(model, config)
    outputs = backend(images, None)
    assert backend.templates is None
    assert set(outputs) == {*SCORES_AND_MAPS, "deformed", "forward", "backward"}
    assert outputs["terms"].shape == (2, 3)
    assert outputs["backward"].shape == (2, 2, 2, 64, 64)


def test_the_fast_network_computes_the_same(random_model, tiny, windows):
    plain = backend_of(random_model, tiny(None), fast=False)(windows, None)
    fast = backend_of(random_model, tiny(None), bf16=False)(windows, None)
    for name in plain:
        np.testing.assert_allclose(fast[name], plain[name], rtol=1e-4, atol=1e-5, err_msg=name)


def test_sixteen_bit_is_close(random_model, tiny, windows):
    if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        pytest.skip("this CPU has no convolutions in bf16")
    plain = backend_of(random_model, tiny(None), fast=False)(windows, None)
    short = backend_of(random_model, tiny(None), bf16=True)(windows, None)
    np.testing.assert_allclose(short["terms"][:, :3], plain["terms"][:, :3], rtol=0.1)
    assert (short["terms"] != plain["terms"]).any()


def test_a_network_that_is_not_fast_is_used_as_it_is(random_model, tiny):
    backend = backend_of(random_model, tiny(None), fast=False)
    assert backend.model is random_model
    assert (backend.bf16, backend.packed) == (False, False)


def test_the_fast_network_is_a_copy(random_model, tiny):
    backend = backend_of(random_model, tiny(None))
    assert backend.model is not random_model
    assert any(isinstance(module, torch.nn.BatchNorm2d) for module in random_model.modules())


def test_one_background_serves_all_windows(random_model, tiny, windows):
    backend = backend_of(random_model, tiny(None), bf16=False)
    assert backend.templates.shape == (1, 1, 32, 32)
    one = backend(windows, backend.templates)
    np.testing.assert_array_equal(one["terms"], backend(windows, None)["terms"])
    each = backend(windows, np.repeat(backend.templates, 3, 0))
    np.testing.assert_allclose(each["terms"], one["terms"], rtol=1e-6)
    other = backend(windows, backend.templates + 0.5)
    assert np.abs(other["terms"] - one["terms"]).max() > 1e-3


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_computes_the_same(random_model, tiny, frames_of):
    config, frames = tiny(None), frames_of(3, 12)
    form = form_of(config)
    results = []
    for device in ("cpu", "cuda"):
        backend = TorchBackend(random_model, config, form, device, bf16=False)
        results.append(Detector(backend, config, form)(frames).score[4:])
    np.testing.assert_allclose(*results, rtol=1e-2)
