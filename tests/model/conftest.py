"""Small networks with random weights, images for them, and outputs made by hand."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from dmad.config import ImageModelConfig, VideoModelConfig
from dmad.model.pdm import PDM, PDMOutput
from dmad.model.ppdm import PPDM, PPDMOutput

VIDEO = VideoModelConfig(
    widths=(8, 16, 32), memory_items=10, skip_channels=4, reductions=(4, 2), estimator_width=8
)
IMAGES = ImageModelConfig(
    teacher="resnet18",
    memory_items=10,
    reductions=(8, 4),
    displacements=(8.0, 3.0),
    estimator_width=8,
)


@pytest.fixture
def make_pdm() -> Callable[..., PDM]:
    """Makes a PDM for grey images of 32 x 32 in which all parts have random weights.

    `history` is 4 if it is not given. Other arguments change the settings of the network.
    """

    def make(history: int = 4, **changes: object) -> PDM:
        torch.manual_seed(0)
        model = PDM(replace(VIDEO, **changes), 32, 1, history)
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.3)
                module.running_var.uniform_(0.5, 2)
                torch.nn.init.uniform_(module.weight, 0.5, 1.5)
        for head in model.estimator.heads if model.estimator else []:
            torch.nn.init.normal_(head.final.weight, std=0.1)
        if model.background is not None:
            torch.nn.init.normal_(model.background)
        return model.eval()

    return make


@pytest.fixture
def make_ppdm() -> Callable[..., PPDM]:
    """Makes a PPDM for images of 64 x 64.

    Its heads have random weights, or with `moving=False` zeros. Other arguments change the settings
    of the network.
    """

    def make(moving: bool = True, **changes: object) -> PPDM:
        torch.manual_seed(0)
        model = PPDM(replace(IMAGES, **changes)).eval()
        for head in model.estimator.heads if model.estimator and moving else []:
            torch.nn.init.normal_(head.final.weight, std=0.05)
        return model

    return make


@pytest.fixture(scope="session")
def images() -> torch.Tensor:
    """Two smooth images (2, 3, 64, 64) in [-1, 1]."""
    torch.manual_seed(3)
    coarse = torch.rand(2, 3, 12, 12) * 2 - 1
    return F.interpolate(coarse, size=(64, 64), mode="bicubic").clamp(-1, 1)


@pytest.fixture
def frames() -> tuple[torch.Tensor, torch.Tensor]:
    """Two clips of four grey frames (2, 4, 32, 32), and the frames after them (2, 1, 32, 32)."""
    torch.manual_seed(0)
    return torch.rand(2, 4, 32, 32), torch.rand(2, 1, 32, 32)


@pytest.fixture(scope="session")
def video_output() -> Callable[..., PDMOutput]:
    """Makes what a PDM computes for one grey frame. Images that are not given are zero."""

    def make(size: int = 32, fields: tuple = (), reconstructions: tuple = ()) -> PDMOutput:
        zero = torch.zeros(1, 1, size, size)
        images = reconstructions or (zero,) * max(len(fields), 1)
        return PDMOutput(
            reference=zero,
            offsets=fields,
            reconstructions=images,
            deformed=images,
            mask=None,
            mask_probability=None,
            background=None,
            z_e=torch.zeros(1, 4, 2, 2),
            memory=None,
        )

    return make


@pytest.fixture(scope="session")
def stages() -> Callable[..., tuple[list[torch.Tensor], list[torch.Tensor]]]:
    """Makes three stages of features (1, 2, size, size), and three that are orthogonal to them."""

    def make(size: int = 4) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        features = [torch.zeros(1, 2, size, size) for _ in range(3)]
        for stage in features:
            stage[:, 0] = 1
        return features, [stage.flip(1) for stage in features]

    return make


@pytest.fixture(scope="session")
def image_output() -> Callable[..., PPDMOutput]:
    """Makes what a PPDM without heads and memory computes for a grey image of 8 x 8."""

    def make(features: list, restored: list, **changes: object) -> PPDMOutput:
        grey = torch.zeros(1, 3, 8, 8)
        output = PPDMOutput(
            deformed=grey,
            forward=(),
            backward=(),
            return_field=None,
            cycled=grey,
            features=tuple(features),
            restored=tuple(restored),
            z_e=features[-1],
            memory=None,
        )
        return replace(output, **changes)

    return make
