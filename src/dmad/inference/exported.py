"""An exported model in a `Detector`'s place: what judges, draws or watches takes it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dmad.errors import require
from dmad.inference import runtime
from dmad.inference.detector import Detector
from dmad.model.pdm import Drawn
from dmad.model.ppdm import Bent
from dmad.model.scoring import ReleasedTerms, Scores


class Exported(Detector):
    """A model carried by ONNX Runtime or OpenVINO on the CPU, a frame at a time.

    Args:
        folder: What `dmad export` wrote.

    Raises:
        DmadError: A damaged one, or the package that runs it is missing.
    """

    def __init__(self, folder: str | Path) -> None:
        carried = runtime.load(folder)
        self.config, self.scenes, self.levels = carried.config, carried.scenes, carried.levels
        self.calibration, self.device = carried.calibration, torch.device("cpu")
        self.templates = None
        if carried.templates is not None:
            self.templates = torch.from_numpy(carried.templates)
        self.carried = carried

    def run(
        self, windows: Tensor, background: Tensor | None
    ) -> tuple[Drawn | Bent, Scores, ReleasedTerms | None]:
        """As `Detector.run`, of the first view's template where none is given."""
        if background is None and self.templates is not None:
            background = self.templates[:1].expand(len(windows), -1, -1, -1)
        templates = [None] * len(windows) if background is None else background.numpy()
        pairs = zip(windows.numpy(), templates, strict=True)
        rows = [self.carried.outputs(window, template) for window, template in pairs]
        parts = (torch.from_numpy(np.concatenate(part)) for part in zip(*rows, strict=True))
        terms, _, reconstruction_map, deformation_map, *drawn = parts
        require(bool(drawn), "exported by a version that did not draw; export it again")
        score, reconstruction, deformation, *released = terms.unbind(1)
        maps = (reconstruction_map, deformation_map)
        first, *layers = drawn
        stacks = [layer.unbind(1) for layer in layers] + [(), ()]
        output: Drawn | Bent = Bent(first, stacks[0], stacks[1])
        if not self.config.model.teacher:
            output = Drawn(first, stacks[1], stacks[0])
        found = Scores(*maps, reconstruction, deformation, score)
        return output, found, ReleasedTerms(*released) if released else None
