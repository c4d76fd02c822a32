"""Methods of anomalib, tested without it."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dmad.errors import DmadError
from dmad.experiments import anomalib_methods
from dmad.experiments.anomalib_methods import (
    CLASSES,
    EFFICIENT_AD,
    AnomalibMethod,
    ModuleScorer,
    PeerSettings,
    chosen_peers,
    copy_backbone,
)
from dmad.experiments.peer_methods import Own
from dmad.model.distillation import Teacher


@pytest.fixture
def without_anomalib(monkeypatch):
    monkeypatch.setattr(anomalib_methods, "find_spec", lambda name: None)


@pytest.fixture
def with_anomalib(monkeypatch):
    monkeypatch.setattr(anomalib_methods, "find_spec", lambda name: object())


def test_a_missing_package_is_one_line_that_says_how_to_install_it(without_anomalib, tiny_images):
    hint = r"needs anomalib; pip install 'dmad\[peers\]'"
    own = [Own(tiny_images())]
    with pytest.raises(DmadError, match=hint):
        chosen_peers(own, PeerSettings(), 64)
    assert chosen_peers(own, PeerSettings(), 64, ["dmad"]) == own
    with pytest.raises(DmadError, match=hint):
        AnomalibMethod("PaDiM", PeerSettings(), 64).train(own[0].config.data, None)


def test_methods_are_chosen_by_name(with_anomalib, tiny_images):
    own = [Own(tiny_images())]
    names = [one.name for one in chosen_peers(own, PeerSettings(), 64)]
    assert names == ["dmad", *CLASSES]
    (only,) = chosen_peers(own, PeerSettings(), 64, ["PaDiM"])
    assert (only.name, only.settings) == ("PaDiM", "resnet18")
    two = [replace(own[0], name=f"dmad {recipe}") for recipe in ("images", "patches")]
    assert chosen_peers(two, PeerSettings(), 64, ["dmad"]) == two
    (bank, _) = chosen_peers(two, PeerSettings(), 64, ["dmad patches", "PaDiM"])
    assert bank == two[1]
    with pytest.raises(DmadError, match=r"no method is called \['padim'\]"):
        chosen_peers(own, PeerSettings(), 64, ["padim"])


def test_settings_out_of_range_are_refused():
    with pytest.raises(DmadError, match="--coreset is 0"):
        PeerSettings(coreset=0.0)
    with pytest.raises(DmadError, match="--peer_epochs is 0"):
        PeerSettings(epochs=0)
    settings = AnomalibMethod(EFFICIENT_AD, PeerSettings(epochs=3), 64).settings
    assert settings == "size S, 3 epochs"


class TimmFeatureExtractor(nn.Module):
    """Has the name and the network of anomalib's class."""

    def __init__(self) -> None:
        super().__init__()
        self.feature_extractor = Teacher("resnet18").network


def test_the_weights_of_the_teacher_are_copied(teacher_weights):
    extractor = TimmFeatureExtractor()
    copy_backbone(nn.Sequential(extractor), PeerSettings(backbone_weights=teacher_weights))
    torch.manual_seed(1)
    expected = Teacher("resnet18").network.state_dict()
    for key, value in extractor.feature_extractor.state_dict().items():
        assert torch.equal(value, expected[key]), key
    with pytest.raises(DmadError, match="has no network to copy weights into"):
        copy_backbone(nn.Sequential(), PeerSettings(backbone_weights=teacher_weights))


class Judged(NamedTuple):
    pred_score: Tensor  # (B,)
    anomaly_map: Tensor  # (B, 1, H, W)


class Brightness(nn.Module):
    """A module that scores an image by its brightest value of the first channel."""

    def forward(self, x: Tensor) -> Judged:
        return Judged(x[:, 0].amax((1, 2)), x[:, :1])


def test_scores_and_maps_of_a_module_are_the_first_term():
    frames = [np.zeros((16, 16, 3), np.uint8) for _ in range(2)]
    frames[1][3, 5, 0] = 255
    scored = ModuleScorer(Brightness(), 16)(frames)
    assert scored.score(alpha=7.0).tolist() == [0, 1]
    assert scored.pixel_scores(1, 7.0).sum() == scored.pixel_scores(1, 7.0)[3, 5] == 1
