"""A training that does not fit into the memory is refused before footage is decoded."""

from dataclasses import replace

import pytest
import torch

from dmad.data.windows import Batch, to_model
from dmad.errors import DmadError
from dmad.forms import form_of
from dmad.hardware import ComputeSettings
from dmad.training.memory_need import check_memory, training_bytes

COMPUTE = ComputeSettings("32-true", compile=False, channels_last=False)


def with_batch(config, size: int):
    return replace(config, train=replace(config.train, batch_size=size))


@pytest.mark.parametrize("settings", ["tiny", "tiny_images"])
def test_the_need_grows_with_the_batch(request, settings):
    make = request.getfixturevalue(settings)
    config = make(None) if settings == "tiny" else make()
    sizes = [training_bytes(with_batch(config, n), form_of(config), COMPUTE) for n in (2, 4, 8)]
    assert 0 < sizes[0] < sizes[1]
    assert sizes[2] - sizes[1] == 2 * (sizes[1] - sizes[0])


def test_the_need_is_that_of_the_tensors_which_a_step_keeps(tiny):
    config = with_batch(tiny(None), 4)
    form = form_of(config)
    model = form.network(config)
    kept = {}

    def keep(tensor):
        kept[tensor.data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    frames = torch.zeros(4, 5, 32, 32, 1, dtype=torch.uint8)
    batch = Batch(frames, torch.zeros(4, dtype=torch.int64))
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        form.losses(model, config, batch, *to_model(frames))
    weights = {parameter.data_ptr() for parameter in model.parameters()}
    results = sum(size for pointer, size in kept.items() if pointer not in weights)
    needed = training_bytes(config, form, COMPUTE)
    assert needed == pytest.approx(results + 16 * sum(p.numel() for p in model.parameters()), 0.1)


def test_too_large_a_batch_is_refused_in_one_line(tiny):
    config = with_batch(tiny(None), 10**7)
    with pytest.raises(
        DmadError, match=r"a batch of 10000000 samples of 32 x 32 pixels, and .* free"
    ):
        check_memory(config, form_of(config), COMPUTE, "cpu")
    check_memory(with_batch(config, 4), form_of(config), COMPUTE, "cpu")
