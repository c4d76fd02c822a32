"""The statistics of batch norm layers after a training on crops."""

import torch

from dmad.data.footage import LabelledFootage, footage_from_arrays
from dmad.forms.video.form import Video
from dmad.training.batch_norm import estimate_statistics


def test_statistics_are_those_of_whole_frames(tiny, frames_of, tmp_path) -> None:
    config = tiny(tmp_path)
    train = LabelledFootage(footage_from_arrays([frames_of(seed) for seed in range(3)]), None, "")
    model = Video().prepare(config, train)
    norm = model.encoder.levels[0][1]
    inputs: list[torch.Tensor] = []
    hook = norm.register_forward_hook(lambda _, args, __: inputs.append(args[0]))
    norm.running_mean.fill_(100)
    estimate_statistics(model, Video(), config, train)
    hook.remove()
    assert sum(len(batch) for batch in inputs) == 12  # three clips of four windows
    means = torch.stack([batch.mean((0, 2, 3)) for batch in inputs])
    torch.testing.assert_close(norm.running_mean, means.mean(0))
    assert norm.momentum == 0.1
