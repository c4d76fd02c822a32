"""A trained model as one graph that computes scores, maps and drawings from frames in uint8."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dmad.config import Config
from dmad.data.windows import to_model
from dmad.form import Form
from dmad.inference.folding import fold
from dmad.model.coordinates import CoordConv2d


class Graph(nn.Module):
    """A network with pre-processing, scores and maps, for one window of frames or one image.

    Args:
        model: The network. The graph uses a copy in which batch norms are folded into convolutions.
        config: Its settings.
        form: The form of the model.
    """

    def __init__(self, model: nn.Module, config: Config, form: Form[Any, Any]) -> None:
        super().__init__()
        self.model = with_fixed_positions(fold(model.cpu()))
        self.config, self.form = config, form

    def outputs(self, frames: Tensor, background: Tensor | None = None) -> dict[str, Tensor]:
        """Score one window.

        Args:
            frames: (1, T + 1, H, W, C) uint8: T past frames, the oldest first, and the frame to
                score. For images, T is 0.
            background: Background template (1, C, H, W) in [-1, 1]. None: the template of the first
                view, if the model has templates.

        Returns:
            The outputs of the form by name, and `map` (1, H, W): the map of Eq. 14 or 23.
        """
        x, target = to_model(frames)
        outputs = self.form.outputs(self.model, self.config, x, target, background)
        maps = outputs["reconstruction_map"], outputs["deformation_map"]
        score_map = self.form.score_map(*maps, self.config)
        return {"terms": outputs.pop("terms"), "map": score_map, **outputs}

    def forward(self, frames: Tensor, background: Tensor | None = None) -> tuple[Tensor, ...]:
        """Return the values of `outputs`. An exported graph cannot return a dictionary."""
        return tuple(self.outputs(frames, background).values())


class FixedPositions(nn.Module):
    """A `CoordConv2d` (convolution with positions) whose image size is fixed in the exported graph.

    To each pixel of an output channel, the layer adds a value for its row and a value for its
    column.
    """

    def __init__(self, conv: CoordConv2d) -> None:
        super().__init__()
        assert conv.position is not None
        self.weight, self.bias = conv.weight, conv.bias
        across, down = conv.position.detach().unbind(1)
        self.across, self.down = across[:, None, None], down[:, None, None]

    def forward(self, x: Tensor) -> Tensor:
        """Return the output (B, out, H, W) of the layer for an input (B, in, H, W)."""
        height, width = x.shape[2:]
        row = self.across * torch.linspace(-1, 1, int(width))
        column = self.down * torch.linspace(-1, 1, int(height))[:, None]
        return F.conv2d(x, self.weight, self.bias, padding=1) + (row + column)


def with_fixed_positions(model: nn.Module) -> nn.Module:
    """Replace the layers `CoordConv2d` by `FixedPositions` in a model, and return this model."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, CoordConv2d) and child.position is not None:
                setattr(parent, name, FixedPositions(child))
    return model


def example_inputs(config: Config, has_background: bool) -> dict[str, Tensor]:
    """Return inputs of the graph by name. All values are zero."""
    data = config.data
    shape = (1, data.history + 1, data.size, data.size, data.channels)
    inputs = {"frames": torch.zeros(shape, dtype=torch.uint8)}
    if has_background:
        inputs["background"] = torch.zeros(1, data.channels, data.size, data.size)
    return inputs
