"""The trained model as one graph from bytes to scores, for other runtimes to carry."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dmad.config import Config
from dmad.data.windows import to_model
from dmad.inference.folding import fold
from dmad.model.coordinates import CoordConv2d
from dmad.model.pdm import PDM
from dmad.model.ppdm import PPDM
from dmad.model.scoring import pixel_map, pixel_map_plus, released_terms, score, score_plus

OUTPUTS = ("terms", "map", "reconstruction_map", "deformation_map")

DRAWN = ("reference", "reconstructions", "offsets")  # of video besides; the last with heads alone

BENT = ("deformed", "forward", "backward")  # of images besides; the fields with heads alone


class Graph(nn.Module):
    """Pre-processing, model, scores and maps of one window.

    Args:
        model: The network; a folded copy is kept, its positions laid out for its size.
        config: Its settings.
    """

    def __init__(self, model: PDM | PPDM, config: Config) -> None:
        super().__init__()
        self.model, self.config = place(fold(model.cpu())), config

    def forward(self, frames: Tensor, background: Tensor | None = None) -> tuple[Tensor, ...]:
        """One window to its scores.

        Args:
            frames: (1, T + 1, H, W, C) uint8, oldest first; (1, 1, H, W, C) for images.
            background: (1, C, H, W) template in [-1, 1], of models with one.

        Returns:
            As `OUTPUTS` name them: terms (1, 3 or 6), the score, its two terms and the released
            ones; then, (1, H, W) each, the map of Eq. 14 or 23 and those of its terms. Of video
            also `DRAWN`: (1, C, H, W), (1, K, C, H, W) and, in grid units, (1, K, 2, H, W); of
            images `BENT`: (1, 3, H, W) and, in grid units, (1, K, 2, H, W) each.
        """
        x, target = to_model(frames)
        settings = self.config.score
        if isinstance(self.model, PPDM):
            bent = self.model(x)
            found = score_plus(bent, settings)
            whole, more = pixel_map_plus(found, settings), []
            first, layers = bent.deformed, [bent.forward, bent.backward]
        else:
            output = self.model(x, target, background)
            found = score(target, output, settings, self.config.loss.gradient)
            released = released_terms(target, output, self.config.data.layout)
            whole = pixel_map(found, settings)
            more = [released.deformation, released.reconstruction, released.gradient]
            first, layers = output.reference, [output.reconstructions, output.offsets]
        drawn = [first, *(torch.stack(layer, 1) for layer in layers if layer)]
        terms = torch.stack([found.score, found.reconstruction, found.deformation, *more], 1)
        return terms, whole, found.reconstruction_map, found.deformation_map, *drawn


class Placed(nn.Module):
    """A convolution over PE(x) with its positions as one constant row and one constant column."""

    def __init__(self, conv: CoordConv2d) -> None:
        super().__init__()
        assert conv.position is not None
        self.weight, self.bias = conv.weight, conv.bias
        self.across, self.down = (way[:, None, None] for way in conv.position.detach().unbind(1))

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) to (B, out, H, W)."""
        height, width = x.shape[2:]
        row = self.across * torch.linspace(-1, 1, int(width))
        column = self.down * torch.linspace(-1, 1, int(height))[:, None]
        return F.conv2d(x, self.weight, self.bias, padding=1) + (row + column)


def place(model: PDM | PPDM) -> PDM | PPDM:
    """Lay out the positions of a folded model, in place."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, CoordConv2d) and child.position is not None:
                setattr(parent, name, Placed(child))
    return model


def outputs(config: Config) -> list[str]:
    """Names of what `Graph.forward` gives."""
    drawn, flat = (BENT, BENT[:1]) if config.model.teacher else (DRAWN, DRAWN[:2])
    return [*OUTPUTS, *(drawn if config.model.reductions else flat)]


def example(config: Config, templated: bool) -> tuple[Tensor, ...]:
    """Inputs of the right shape."""
    data = config.data
    frames = torch.zeros(
        1, data.history + 1, data.size, data.size, data.channels, dtype=torch.uint8
    )
    template = torch.zeros(1, data.channels, data.size, data.size)
    return (frames, template) if templated else (frames,)
