"""How a bank is filled, and how the banks of few images are cross-validated."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dmad.api import calibrate, load, train
from dmad.data.splits import load_split
from dmad.data.zones import Zone
from dmad.errors import DmadError
from dmad.forms.patches.bank import FOLDS, PROJECTED, choose, folds


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_chosen_patches_cover_all_others_better_than_random_ones():
    torch.manual_seed(0)
    patches = torch.randn(500, 8) * torch.rand(500, 1)
    chosen = choose(patches, 40, generator())
    assert len(set(chosen.tolist())) == 40
    farthest = torch.cdist(patches, patches[chosen]).amin(1).max()
    assert farthest < 0.8 * torch.cdist(patches, patches[:40]).amin(1).max()


def test_the_patch_that_is_farthest_from_the_chosen_ones_is_chosen_next():
    torch.manual_seed(0)
    patches = torch.randn(600, PROJECTED)
    chosen = choose(patches, 100, generator())
    projection = torch.randn(PROJECTED, PROJECTED, generator=generator())
    between = torch.cdist(patches @ projection, patches @ projection)
    for count in range(1, 100):
        farthest = between[:, chosen[:count]].amin(1)
        assert farthest[chosen[count]] >= 0.999 * farthest.max()


def test_repeated_patches_are_kept_once():
    """Such as those of an even background, or of photographs that are there twice."""
    torch.manual_seed(0)
    different = torch.randn(100, 16)
    chosen = choose(different.repeat(6, 1), 200, generator())
    assert len(chosen) == 100
    assert len({int(index) % 100 for index in chosen}) == 100


def test_nearly_all_patches_can_be_kept():
    torch.manual_seed(0)
    chosen = choose(torch.randn(1100, 16), 1000, generator())
    assert len(set(chosen.tolist())) == 1000


def test_other_images_than_those_of_the_bank_set_no_threshold(bank_settings, tmp_path):
    root = write_textures(tmp_path / "good", 6)
    run = train(bank_settings(root=root, cache=tmp_path), tmp_path / "runs")
    write_textures(tmp_path / "more", 1, 50)
    (tmp_path / "more" / "50.png").rename(root / "50.png")
    with pytest.raises(DmadError, match="are not those that the model was made from"):
        calibrate(run.folder, zone=Zone.parse("0,0 1,0 1,0.5 0,0.5", []))


def test_all_patches_are_kept_if_there_are_few():
    assert choose(torch.randn(5, 8), 5, generator()).tolist() == [0, 1, 2, 3, 4]


def test_the_seed_decides_which_patches_are_kept(bank_settings):
    footage = load_split(bank_settings().data, "train")
    banks = [load_bank(bank_settings(seed=seed), footage).patches for seed in (0, 0, 1)]
    assert torch.equal(banks[0], banks[1])
    assert not torch.equal(banks[0], banks[2])


def load_bank(config, footage):
    from dmad.forms import form_of

    return form_of(config).prepare(config, footage)


def test_every_image_is_scored_without_its_own_patches(bank_run):
    detector = load(bank_run)
    parts = list(folds(detector, detector.config.data))
    names = [clip.name for _, good in parts for clip in good.clips]
    assert len(parts) == FOLDS
    assert len(names) == len(set(names)) == 16
    for other, good in parts:
        frames = good.frames[[clip.start for clip in good.clips]]
        assert other(frames).raw.mean() > detector(frames).raw.mean()


def test_repeated_images_are_left_out_of_the_cross_validation(bank_settings, tmp_path):
    """Else the distance of a repeated image to its twin would be zero."""
    root = write_textures(tmp_path / "good", 5)
    Image.open(root / "0.png").save(root / "twin.png")
    run = train(bank_settings(root=root, cache=tmp_path), tmp_path / "runs")
    detector = load(run.folder)
    assert sum(len(good.clips) for _, good in folds(detector, detector.config.data)) == 5


def write_textures(folder: Path, count: int, first: int = 0) -> Path:
    """Write photographs of a generated texture: grey bars with noise, moved and turned a little."""
    folder.mkdir(parents=True)
    rows, columns = np.indices((64, 64))
    for seed in range(first, first + count):
        rng = np.random.default_rng(seed)
        slope, shift = rng.normal(0, 0.05), rng.uniform(0, 16)
        bars = np.sin((columns + slope * rows + shift) * 2 * np.pi / 16)
        image = 128 + 60 * bars + rng.normal(0, 6, (64, 64))
        Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(folder / f"{seed}.png")
    return folder


def test_ten_photographs_give_a_threshold_that_passes_most_good_parts(tmp_path):
    """And that finds a scratch, with the teacher that comes with dmad."""
    from dmad import recipes

    config = recipes.recipe(
        "patches", root=write_textures(tmp_path / "parts", 10), size=64, cache=tmp_path / "cache"
    )
    detector = load(train(config, tmp_path / "runs").folder)
    fresh = [Image.open(path) for path in write_textures(tmp_path / "new", 40, 100).iterdir()]
    assert (np.asarray(detector(fresh).verdict) == "anomalous").mean() <= 0.1
    scratched = [np.asarray(image).copy() for image in fresh]
    for image in scratched:
        image[20:44, 30:33] = 250
    assert (np.asarray(detector(scratched).verdict) == "anomalous").mean() >= 0.9


def test_six_images_or_fewer_are_reported(bank_settings, tmp_path, logged):
    root = write_textures(tmp_path / "good", 6)
    run = train(bank_settings(root=root, cache=tmp_path), tmp_path / "runs")
    assert "6 good images show little of how good parts differ" in logged()
    assert load(run.folder).calibration is not None


def test_two_images_give_no_threshold(bank_settings, tmp_path, logged):
    root = write_textures(tmp_path / "good", 2)
    run = train(bank_settings(root=root, cache=tmp_path), tmp_path / "runs")
    assert "2 good images are too few for a threshold" in logged()
    assert load(run.folder).calibration is None


def test_copies_of_one_image_give_no_threshold(bank_settings, tmp_path, logged):
    root = write_textures(tmp_path / "good", 1)
    Image.open(root / "0.png").save(root / "twin.png")
    run = train(bank_settings(root=root, cache=tmp_path), tmp_path / "runs")
    assert "all good images are the same" in logged()
    assert load(run.folder).calibration is None


def test_many_images_are_held_out_as_for_other_models(bank_settings):
    data = replace(bank_settings().data, held_out=0.25)
    assert len(load_split(data, "train").footage.clips) == 16
    with pytest.raises(DmadError, match="nothing normal is left for split held_out"):
        load_split(data, "held_out")


def test_a_run_is_calibrated_on_other_images_too(bank_run, image_data, tmp_path):
    import shutil

    run = shutil.copytree(bank_run, tmp_path / "run")
    assert calibrate(run, footage=[image_data / "discs/test/good"]).frames == 4
    assert calibrate(run, footage=[image_data / "discs/test/good"], zone=None).frames == 4
