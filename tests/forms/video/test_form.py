"""The form of video: its network, losses and scores, and its warnings."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from dmad.config import changed
from dmad.data.footage import footage_from_arrays
from dmad.data.splits import load_split
from dmad.data.windows import Batch, to_model
from dmad.errors import DmadError
from dmad.forms.video.form import Video
from dmad.model.pdm import PDM
from dmad.model.scoring import released_terms, score

VIDEO = Video()


@pytest.fixture
def windows(frames_of) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs (2, 4, 32, 32) and targets (2, 1, 32, 32) of two clips."""
    return to_model(torch.from_numpy(np.stack([frames_of(seed, 5) for seed in (1, 2)])))


def without_heads(config):
    return replace(config, model=replace(config.model, reductions=(), displacements=()))


def test_a_network_has_a_template_for_each_view(tiny) -> None:
    config = tiny(None)
    assert VIDEO.network(config, 3).background.shape == (3, 1, 32, 32)
    without = replace(config, model=replace(config.model, background=False))
    assert VIDEO.network(without, 3).background is None


def test_training_starts_from_the_median_of_each_view(tmp_path, write_clip, tiny) -> None:
    for scene, seed in (("east", 1), ("west", 2)):
        write_clip(tmp_path / "train" / scene / "clip", seed)
    write_clip(tmp_path / "test" / "east" / "clip", 7)
    config = tiny(tmp_path)
    data = load_split(config.data, "train")
    assert data.scenes == ("east", "west")
    background = VIDEO.prepare(config, data).background
    assert background.shape == (2, 1, 32, 32)
    pixels = torch.from_numpy(data.footage.frames[[0, 8]]).permute(0, 3, 1, 2) / 127.5 - 1
    corner = (..., slice(20, 32), slice(0, 32))  # where nothing moves
    torch.testing.assert_close(background.detach()[corner], pixels[corner])


def test_the_seed_sets_the_weights_that_training_starts_from(normal_data, tiny) -> None:
    data = load_split(tiny(normal_data).data, "train")
    first, again, other = (
        VIDEO.prepare(tiny(normal_data, seed=seed), data).state_dict() for seed in (1, 1, 2)
    )
    torch.testing.assert_close(first, again, rtol=0, atol=0)
    assert not torch.equal(first["memory.items"], other["memory.items"])


def test_no_features_are_fixed(random_model, frames_of) -> None:
    assert VIDEO.fixed_features(random_model, footage_from_arrays([frames_of(1)])) == []


def test_only_the_template_of_its_view_learns_from_a_batch(tiny, frames_of) -> None:
    config = tiny(None)
    model = PDM(config.model, 32, 1, 4, scenes=2)
    frames = torch.from_numpy(np.stack([frames_of(seed, 5) for seed in (1, 2)]))
    batch = Batch(frames, torch.tensor([1, 1]))
    _, losses = VIDEO.losses(model, config, batch, *to_model(frames))
    losses.total.backward()
    assert not model.background.grad[0].any()
    assert model.background.grad[1].any()


def test_a_network_without_templates_has_losses_too(tiny, frames_of) -> None:
    config = tiny(None)
    config = replace(config, model=replace(config.model, background=False))
    frames = torch.from_numpy(frames_of(1, 5)[None])
    batch = Batch(frames, torch.tensor([0]))
    _, losses = VIDEO.losses(VIDEO.network(config), config, batch, *to_model(frames))
    assert torch.isfinite(losses.total)


@torch.no_grad()
def test_outputs_have_the_shapes_that_are_stated(random_model, tiny, windows) -> None:
    outputs = VIDEO.outputs(random_model, tiny(None), *windows, None)
    assert {name: tuple(value.shape) for name, value in outputs.items()} == {
        "terms": (2, 6),
        "reconstruction_map": (2, 32, 32),
        "deformation_map": (2, 32, 32),
        "reference": (2, 1, 32, 32),
        "reconstructions": (2, 2, 1, 32, 32),
        "offsets": (2, 2, 2, 32, 32),
    }


@torch.no_grad()
def test_a_network_without_heads_gives_no_offsets(tiny, windows) -> None:
    config = without_heads(tiny(None))
    outputs = VIDEO.outputs(VIDEO.network(config).eval(), config, *windows, None)
    assert "offsets" not in outputs
    assert outputs["reconstructions"].shape == (2, 1, 1, 32, 32)
    assert not outputs["deformation_map"].any()


@torch.no_grad()
def test_terms_are_those_of_the_paper_and_of_the_released_code(random_model, tiny, windows) -> None:
    config = tiny(None)
    x, target = windows
    terms = VIDEO.outputs(random_model, config, x, target, None)["terms"]
    output = random_model(x, target)
    scores = score(target, output, config.score, config.loss.gradient)
    released = released_terms(target, output, config.data.layout)
    expected = (
        scores.score,
        scores.reconstruction,
        scores.deformation,
        released.deformation,
        released.reconstruction,
        released.gradient,
    )
    torch.testing.assert_close(terms, torch.stack(expected, 1))


@torch.no_grad()
def test_the_background_that_is_given_is_used(random_model, tiny, windows) -> None:
    given, own = (
        VIDEO.outputs(random_model, tiny(None), *windows, background)["reconstructions"]
        for background in (torch.ones(2, 1, 32, 32), None)
    )
    assert not torch.allclose(given, own)


def test_the_score_map_adds_both_averaged_maps_pixel_by_pixel(tiny) -> None:
    config = tiny(None)
    random = np.random.default_rng(0)
    first, second = torch.from_numpy(random.random((2, 1, 32, 32), np.float32))
    found = VIDEO.score_map(first, second, config)[0]
    rows, columns = config.score.kernel
    mixed = (first + config.score.alpha * second)[0].numpy()
    top, left = (rows - 1) // 2, (columns - 1) // 2
    padded = np.pad(mixed, ((top, rows - 1 - top), (left, columns - 1 - left)))
    means = np.lib.stride_tricks.sliding_window_view(padded, (rows, columns)).mean((2, 3))
    np.testing.assert_allclose(found.numpy(), means, rtol=1e-4)


@torch.no_grad()
def test_scores_of_whole_maps_are_those_of_the_network(random_model, tiny, windows) -> None:
    config = tiny(None)
    outputs = VIDEO.outputs(random_model, config, *windows, None)
    maps = (outputs[name].numpy() for name in ("reconstruction_map", "deformation_map"))
    reconstruction, deformation = (VIDEO.smoothed(one, config).max((1, 2)) for one in maps)
    found = (reconstruction + config.score.alpha * deformation, reconstruction, deformation)
    np.testing.assert_allclose(np.stack(found, 1), outputs["terms"][:, :3], rtol=1e-5)


def test_clips_too_short_for_a_choice_leave_the_weight(
    random_model, tiny, make_detector, frames_of, logged
) -> None:
    detector = make_detector(random_model, tiny(None))
    assert VIDEO.choose_weight(detector, footage_from_arrays([frames_of(1, 12)])) == {}
    assert "no held-out clip has 34 frames, so score.weight stays 0.5" in logged()


def test_a_test_split_of_training_clips_gives_a_warning(
    random_model, tiny, make_detector, write_clip, tmp_path
) -> None:
    for name in ("mine/1", "mine/2", "apart/train/a", "apart/test/a"):
        write_clip(tmp_path / name, 1)
    for name, expected in (("mine", True), ("apart", False)):
        detector = make_detector(random_model, tiny(tmp_path / name))
        warning = VIDEO.training_overlap(detector.config.data, detector, {})
        assert ("were also trained on" in warning) == expected


def test_a_test_split_of_other_data_gives_no_warning(
    random_model, tiny, make_detector, write_clip, tmp_path
) -> None:
    write_clip(tmp_path / "mine" / "1", 1)
    write_clip(tmp_path / "other" / "1", 1)
    detector = make_detector(random_model, tiny(tmp_path / "mine"))
    other = replace(detector.config.data, root=tmp_path / "other")
    assert VIDEO.training_overlap(other, detector, {}) == ""


def test_synthetic_anomalies_are_windows_with_past_frames(tiny, frames_of) -> None:
    footage = footage_from_arrays([frames_of(1, 30)])
    made = VIDEO.synthetic_anomalies(tiny(None), footage)
    assert made.frames.shape[1:] == (5, 32, 32, 1)
    assert len(made.frames) == len(made.scenes) > 2


@pytest.mark.parametrize(("history", "count"), [(4, 12), (0, 30)])
def test_without_long_clips_or_past_frames_there_are_no_synthetic_anomalies(
    tiny, frames_of, history, count
) -> None:
    footage = footage_from_arrays([frames_of(1, count)])
    with pytest.raises(DmadError, match=r"no synthetic anomalies|only for models with past"):
        VIDEO.synthetic_anomalies(changed(tiny(None), history=history), footage)
