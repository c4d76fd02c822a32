"""The PPDM: its equations and parts, with and without deformation and memory."""

import pytest
import torch

from dmad.config import ImageLossConfig, ImageScoreConfig
from dmad.model.deformation import compose, warp
from dmad.model.losses import total_loss_plus
from dmad.model.scoring import score_plus

NO_HEADS = {"reductions": (), "displacements": ()}


@pytest.mark.parametrize("memory", [True, False])
@pytest.mark.parametrize("heads", [(), (8,), (8, 4), (16, 8, 4)])
def test_outputs_have_the_shapes_of_images_and_stages(make_ppdm, images, memory, heads) -> None:
    changes = {"memory": memory, "reductions": heads, "displacements": (3.0,) * len(heads)}
    output = make_ppdm(**changes)(images)
    for fields in (output.forward, output.backward):
        assert [field.shape for field in fields] == [(2, 2, 64, 64)] * len(heads)
    assert (output.return_field is None) == (not heads)
    assert output.deformed.shape == output.cycled.shape == images.shape
    assert [stage.shape for stage in output.restored] == [stage.shape for stage in output.features]
    assert (output.memory is None) == (not memory)


@torch.no_grad()
def test_eq_15_to_17_deform_the_image_and_return(make_ppdm, images) -> None:
    model = make_ppdm()
    output, fields = model(images), model.estimator(images)
    torch.testing.assert_close(list(output.forward + output.backward), fields)
    torch.testing.assert_close(output.deformed, warp(images, compose(*output.forward)))
    torch.testing.assert_close(output.return_field, compose(output.backward[1], output.backward[0]))
    torch.testing.assert_close(output.cycled, warp(output.deformed, output.return_field))
    torch.testing.assert_close(list(output.features), model.teacher(output.deformed))


@torch.no_grad()
def test_untrained_heads_change_nothing(make_ppdm, images) -> None:
    """All fields are zero before the training, so they deform nothing."""
    model, without = make_ppdm(moving=False), make_ppdm(**NO_HEADS)
    state = model.state_dict()
    without.load_state_dict({k: v for k, v in state.items() if not k.startswith("estimator")})
    output, expected = model(images), without(images)
    for image in (output.deformed, output.cycled):
        torch.testing.assert_close(image, images, atol=1e-5, rtol=0)
    ours, theirs = (score_plus(each, ImageScoreConfig()) for each in (output, expected))
    difference = ours.reconstruction_map - theirs.reconstruction_map
    assert difference.abs().max() < 1e-4
    assert ours.deformation_map.max() < 1e-5
    assert theirs.deformation_map.max() == 0


@torch.no_grad()
def test_the_student_sees_the_memory(make_ppdm, images) -> None:
    model = make_ppdm()
    before = model(images).restored[0]
    model.memory.items += 1
    assert not torch.allclose(before, model(images).restored[0])


@torch.no_grad()
def test_known_features_replace_the_teacher(make_ppdm, images) -> None:
    model = make_ppdm(memory=False, **NO_HEADS)
    features = model.teacher(images)
    expected = model(images).restored
    torch.testing.assert_close(model(images, features).restored, expected)
    doubled = [2 * stage for stage in features]
    assert not torch.allclose(model(images, doubled).restored[0], expected[0])


def test_every_part_but_the_teacher_learns(make_ppdm, images) -> None:
    model = make_ppdm().train()
    total_loss_plus(images, model(images), ImageLossConfig()).total.backward()
    learning = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    assert {name for name, weight in learning if not weight.grad.any()} == set()
    assert all(weight.grad is None for weight in model.teacher.parameters())
    assert not any(module.training for module in model.teacher.modules())


@torch.no_grad()
def test_a_batch_equals_its_images(make_ppdm, images) -> None:
    model = make_ppdm()
    whole = score_plus(model(images), ImageScoreConfig())
    single = [score_plus(model(image[None]), ImageScoreConfig()).score for image in images]
    torch.testing.assert_close(whole.score, torch.cat(single), rtol=1e-4, atol=1e-5)
