"""Image runs end to end: training, α, threshold, ledger, page."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from dmad import recipes
from dmad.config import changed
from dmad.data.splits import load_split
from dmad.data.windows import to_model
from dmad.errors import DmadError
from dmad.forms.images.evaluation import (
    best_alpha,
    choose_alpha,
    frames_of,
    image_terms,
    image_threshold,
    look,
    look_whole,
)
from dmad.forms.video.evaluation import evaluate
from dmad.hardware import Plan
from dmad.inference.detector import load
from dmad.model.deformation import grid_units, warp
from dmad.model.scoring import blur, feature_map, reconstruction_map_plus
from dmad.predict.video import predict
from dmad.runs import Run, find_model, read_card, read_config, read_weights, write_config
from dmad.thresholds import calibrate, choose
from dmad.training.train import kept_features, learner, train

PLAIN = Plan("32-true", compile=False, channels_last=False)
RD = {"reductions": (), "displacements": ()}


@pytest.fixture
def run(trained_images, tmp_path) -> Run:
    return Run(shutil.copytree(trained_images, tmp_path / "run"))


def test_training_learns_and_keeps_the_teacher(trained_images, teacher_weights) -> None:
    history = read_card(find_model(trained_images))["history"]
    assert history[-1]["reconstruction"] < 0.9 * history[0]["reconstruction"]
    assert history[-1].keys() > {"cycle", "strength", "smoothness", "compression", "perplexity"}
    from safetensors.torch import load_file

    before, after = load_file(teacher_weights), read_weights(find_model(trained_images))
    for name, tensor in before.items():
        torch.testing.assert_close(after[f"teacher.network.{name}"].to(tensor.dtype), tensor)


@pytest.mark.parametrize(
    "model", [RD, RD | {"memory": False}, {"memory": False}, {"reductions": (8,),
              "displacements": (3.0,)}], ids=["RD with VQ", "RD", "without VQ", "K = 1"]
)  # fmt: skip
def test_every_ablation_trains(tiny_images, tmp_path, model) -> None:
    run = train(tiny_images(model, epochs=1), tmp_path)
    history = read_card(find_model(run.folder))["history"]
    assert np.isfinite(history[0]["total"])
    assert ("perplexity" in history[0]) == model.get("memory", True)


def test_the_memory_begins_with_features(tiny_images) -> None:
    """Every item is a feature of a training image, so that none lies idle from the start."""
    config = tiny_images()
    footage = load_split(config.data, "train")
    model = learner(config, footage, PLAIN).model
    x, _ = to_model(torch.from_numpy(np.stack(frames_of(footage.footage)))[:, None])
    with torch.no_grad():
        z_e = model.teacher(x)[-1].permute(0, 2, 3, 1).flatten(0, 2)
    assert torch.cdist(model.memory.items, z_e).min(1).values.max() < 1e-2


def test_features_are_kept_only_where_nothing_bends_the_image(tiny_images) -> None:
    for model, count in ((RD, 3), ({}, 0)):
        config = tiny_images(model)
        footage = load_split(config.data, "train")
        assert len(kept_features(learner(config, footage, PLAIN), footage)) == count


def test_resuming_gives_the_same_model(tiny_images, tmp_path, monkeypatch) -> None:
    from dmad.training.modules import PPDMTraining

    config = tiny_images()
    whole = train(config, tmp_path / "whole")
    judged = PPDMTraining.judged

    def stopping(self, batch, x, target):
        if self.global_step == 4:
            raise RuntimeError("power cut")
        return judged(self, batch, x, target)

    with monkeypatch.context() as patch:
        patch.setattr(PPDMTraining, "judged", stopping)
        with pytest.raises(RuntimeError, match="power cut"):
            train(config, tmp_path / "cut")
    (folder,) = (tmp_path / "cut" / "mvtec").iterdir()
    train(config, resume=folder)
    first, second = (read_weights(find_model(f)) for f in (whole.folder, folder))
    torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-5)


def test_a_loss_that_is_not_finite_is_told(tiny_images, tmp_path) -> None:
    config = tiny_images(lr=1e30)
    with pytest.raises(DmadError, match=r"lower --train.lr"):
        train(config, tmp_path)


def test_folding_changes_nothing(trained_images, tiny_images) -> None:
    images = frames_of(load_split(tiny_images().data, "test").footage)
    slow, quick = (
        look(load(trained_images, fast=fast, device="cpu"), images) for fast in (False, True)
    )
    exact = 1e-3 if not load(trained_images).bf16 else 0.05
    np.testing.assert_allclose(quick.maps, slow.maps, atol=exact)


def test_alpha_is_chosen_from_good_images(trained_images, tiny_images) -> None:
    card = read_card(find_model(trained_images))
    choice = card["choice"]
    assert choice["images"] == 4
    assert 8 <= choice["defects"] <= 12
    assert (
        choice["alpha"]
        == best_alpha(choice["tried"], choice["images"] * choice["defects"])["alpha"]
    )
    detector = load(trained_images)
    assert detector.config.score.alpha == choice["alpha"]
    again = choose_alpha(detector, load_split(tiny_images().data, "held_out").footage)
    assert again.tried == choice["tried"]


@pytest.mark.parametrize(
    ("gain", "pairs", "alpha"),
    [(0.019, 9999, 0), (0.021, 9999, 3), (-0.3, 9999, 0), (1 / 27, 27, 0), (4 / 27, 27, 3)],
)
def test_alpha_stays_zero_unless_another_is_clearly_better(gain, pairs, alpha) -> None:
    tried = [
        {"weight": 0.0, "alpha": 0.0, "image_AUROC": 0.9, "pixel_AUROC": 0.9},
        {"weight": 1.0, "alpha": 3.0, "image_AUROC": 0.9 + gain, "pixel_AUROC": 0.9},
        {"weight": 2.0, "alpha": 6.0, "image_AUROC": 0.9 + gain, "pixel_AUROC": 0.8},
    ]
    assert best_alpha(tried, pairs)["alpha"] == alpha


def test_without_fields_there_is_nothing_to_choose(tiny_images, tmp_path) -> None:
    run = train(tiny_images(RD, epochs=1), tmp_path)
    found = choose_alpha(load(run.folder), load_split(tiny_images().data, "held_out").footage)
    assert (found.alpha, found.weight, len(found.tried)) == (0, 0, 1)


def test_thresholds_fall_with_the_rate(trained_images, tiny_images) -> None:
    detector = load(trained_images)
    good = load_split(tiny_images().data, "held_out").footage
    alpha = detector.config.score.alpha
    found, levels = image_threshold(image_terms(detector, good), alpha, "0.3/image")
    ordered = [levels[name] for name in ("0.01/image", "0.02/image", "0.05/image", "0.3/image")]
    assert ordered == sorted(ordered, reverse=True)
    assert found.threshold == levels["0.3/image"]
    terms = look_whole(detector, good)
    scores = found.score(terms.reconstruction, terms.deformation)
    order = np.argsort(terms.score(alpha), kind="stable")
    assert (np.diff(scores[order]) > -1e-6).all()  # as Eq. 22 ranks them


def test_calibrate_takes_images_and_refuses_hours(run, image_data, tmp_path, logged) -> None:
    found = calibrate(run.folder, [image_data / "discs/train/good"], "0.1/image")
    assert (found.frames, found.budget.amount) == (16, 0.1)
    assert load(run.folder).levels.keys() == {"0.1/image", "0.01/image", "0.02/image", "0.05/image"}
    calibrate(run.folder, [image_data / "discs"], "0.1/image")
    assert "images left out, which their folders do not call good" in logged()
    for name in ("good", "spot"):  # of a delivery: none of these names is known but one
        shutil.copytree(image_data / "discs/test" / name, tmp_path / "fresh" / name)
    assert calibrate(run.folder, [tmp_path / "fresh"], "0.1/image").frames == 4
    shutil.copytree(image_data / "discs/test/spot", tmp_path / "bad/abnormal")
    with pytest.raises(DmadError, match="are called abnormal or masks"):
        calibrate(run.folder, [tmp_path / "bad"], "0.1/image")
    with pytest.raises(DmadError, match=r"write 0.01/image"):
        calibrate(run.folder, budget="1/day")
    with pytest.raises(DmadError, match="are for video"):
        calibrate(run.folder, weight=0.5)
    with pytest.raises(DmadError, match=r"nowhere\.png does not exist"):
        calibrate(run.folder, [tmp_path / "nowhere.png"])
    with pytest.raises(DmadError, match="1 good images are too few"):
        calibrate(run.folder, [image_data / "discs/train/good/000.png"])


def test_calibrate_anew_on_the_same_images(run, image_data, tiny_images) -> None:
    before = load(run.folder).calibration
    again = calibrate(run.folder)  # what the training held out, also where images have come since
    assert (again.threshold, again.frames) == (before.threshold, before.frames)
    own = calibrate(run.folder, 2 * [image_data / "discs/train/good"], "0.1/image")
    assert own.frames == 16  # each once
    assert calibrate(run.folder) == own


def test_good_images_that_are_others_now_are_told(run, image_data, tmp_path, logged) -> None:
    root = shutil.copytree(image_data, tmp_path / "data")
    settings = read_config(run.folder)
    write_config(changed(settings, root=root), run)
    card = read_card(find_model(run.folder))
    card["config"]["data"]["root"] = str(root)
    run.card.write_text(json.dumps(card))
    evaluate(run.folder)
    assert "any more" not in logged()
    (root / "discs/train/good/000.png").unlink()
    result = evaluate(run.folder)
    assert "put those to test on into a folder test" in logged()
    assert "trained on" in result.ledger.labels.name
    for path in (root / "discs/train/good").iterdir():
        path.unlink()
    evaluate(run.folder)  # also without any of them


def test_ledger_and_page(run) -> None:
    result = evaluate(run.folder)
    ledger = result.ledger
    assert ledger.value("Eq. 22", "image_AUROC") == 1
    assert ledger.value("Eq. 22", "pixel_AUROC") > 0.9
    for metric in ("image_AUROC", "AP", "F1_max", "pixel_AUROC", "AUPRO"):
        both = [ledger.value(name, metric) for name in ("Eq. 22, α = 0.05", "Eq. 20")]
        assert ledger.value("the larger, as published", metric) == max(both)
    for share in (1, 2, 5):
        assert ledger.value(f"at {share} %", "false_positive_rate") <= 0.5
    names = {path.name for path in run.evaluation.iterdir()}
    assert names == {"ledger.json", "ledger.md", "scores.npz", "report.html"}
    page = (run.evaluation / "report.html").read_text()
    assert "backward field" in page
    rows = json.loads((run.evaluation / "ledger.json").read_text())["rows"]
    assert "binomial" not in rows
    assert any("95% interval" in row["note"] for row in rows)


def test_the_same_on_another_run_of_the_numbers(run) -> None:
    first, second = (evaluate(run.folder).scores.channels["score"] for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_tiles_end_to_end(tiny_images, tmp_path) -> None:
    """Each image as four overlapping pieces; maps and masks at twice the size."""
    base = tiny_images(epochs=6)
    data = replace(base.data, tiles=2)
    run = train(replace(base, data=data), tmp_path).folder
    choose(run)
    calibrate(run, budget="0.2/image")
    detector, test = load(run), load_split(data, "test")
    assert {clip.length for clip in test.footage.clips} == {4}
    seen = look_whole(detector, test.footage)
    assert seen.maps.shape == (2, 8, 128, 128)
    single = look(detector, list(test.footage.frames[:4]))
    assert seen.reconstruction[0] == single.reconstruction.max()
    ledger = evaluate(run).ledger
    assert ledger.value("Eq. 22", "pixel_AUROC") > 0.9
    (out,) = predict(run, [base.data.root / "discs/test/spot"], tmp_path / "out")
    assert len(list((out / "maps").rglob("*.png"))) == 4


class Known(torch.nn.Module):
    """An estimator that says one field forward and one backward, whatever it sees."""

    def __init__(self, forth: torch.Tensor, back: torch.Tensor) -> None:
        super().__init__()
        self.fields = [forth, back]

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        return self.fields


def middle(maps: torch.Tensor) -> np.ndarray:
    """Row and column of the hottest place, the mean over what reaches 90 % of the peak."""
    return np.argwhere(maps[0].numpy() >= 0.9 * maps.max().item()).mean(0)


@pytest.mark.data
@torch.no_grad()
def test_a_known_deformation_leaves_a_defect_where_it_is(data_root, tmp_path) -> None:
    """Eq. 20: bent by a known field, a model marks it within 2 px of where it does unbent."""
    base = recipes.mvtec()
    weights = data_root / "weights" / "resnet18_layers1-3.safetensors"
    data = replace(
        base.data, root=data_root / "mvtec", categories="bottle", limit=64, cache=tmp_path
    )
    small = replace(base.model, teacher="resnet18", teacher_weights=weights, **RD)
    with torch.enable_grad():
        run = train(
            replace(base, data=data, model=small, train=replace(base.train, epochs=2)), tmp_path
        )
    model = load(run.folder, fast=False, device="cpu").model
    ramp = torch.linspace(-1, 1, 256)
    rows, columns = torch.meshgrid(ramp, ramp, indexing="ij")
    bump = torch.exp(-2 * (rows**2 + columns**2)) * grid_units(8, 256)
    forth = torch.stack((bump, -bump))[None]
    back = -forth
    for _ in range(20):
        back = -warp(forth, back)
    frames = frames_of(load_split(data, "held_out").footage)
    good, _ = to_model(torch.from_numpy(frames[0][None, None].copy()))
    for row, column in [(110, 90), (128, 150), (150, 120)]:
        x = good.clone()
        x[..., row : row + 14, column : column + 14] = torch.tensor([1.0, -1, -1])[:, None, None]
        bent = warp(x, back)  # which the forward field undoes
        model.estimator = None
        plain = middle(blur(reconstruction_map_plus(model(bent)), 4.0))
        model.estimator = Known(forth, back)
        output = model(bent)
        returned = middle(blur(reconstruction_map_plus(output), 4.0))
        left = middle(blur(feature_map(output, 256), 4.0))
        assert np.hypot(*(returned - plain)) <= 2
        assert np.hypot(*(left - plain)) > 4
