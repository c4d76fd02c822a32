"""The trained model as a tool: frames or images in, scores and the maps behind them out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from dmad.calibration.calibration import Calibration
from dmad.config import Config, ScoreConfig, config_of_card
from dmad.data.templates import Past, template_of
from dmad.data.windows import to_model
from dmad.data.zones import Zone
from dmad.errors import DmadError
from dmad.hardware import has_fast_bf16, quicken, usual_device
from dmad.inference.folding import fold
from dmad.inference.packing import can_pack, pack
from dmad.inference.result import RELEASED, AnomalyResult, check_frames
from dmad.inference.windowing import causal
from dmad.model.pdm import PDM, Drawn
from dmad.model.ppdm import PPDM, Bent
from dmad.model.scoring import ReleasedTerms, Scores, released_terms, score, score_plus, within
from dmad.runs import find_model, is_exported, read_card, read_weights

if TYPE_CHECKING:
    from dmad.inference.streaming import Judged


@dataclass(frozen=True)
class Explained:
    """A batch of B scored frames, with all that the model made of them."""

    index: np.ndarray  # (B,): position of each frame in its clip
    frames: np.ndarray  # (B, H, W, C) uint8: what was judged
    output: Drawn | Bent
    scores: Scores
    released: ReleasedTerms | None  # PDM only

    def within(self, mask: Tensor | None, config: ScoreConfig) -> Explained:
        """With the scores of a part of the view alone, (H, W) bool; as it is where None."""
        return self if mask is None else replace(self, scores=within(self.scores, config, mask))

    def columns(self) -> list[np.ndarray]:
        """Score, its two terms and the `RELEASED` terms, (B,) float64 each."""
        own = [self.scores.score, self.scores.reconstruction, self.scores.deformation]
        released = self.released
        all_of_them = own + ([getattr(released, name) for name in RELEASED] if released else [])
        return [column.double().cpu().numpy() for column in all_of_them]


class Detector:
    """A trained model, ready to judge.

    Args:
        model: The network.
        config: Its settings.
        scenes: Names of the views it has templates for, in their order.
        device: Where to compute.
        fast: Fold the network and use 16 bit where the machine is quick in it.
        calibration: Its threshold, where one was set.
        levels: Of images: thresholds for several false-positive rates, by their budgets.
    """

    def __init__(
        self,
        model: PDM | PPDM,
        config: Config,
        scenes: Sequence[str] = ("",),
        device: str | torch.device | None = None,
        fast: bool = True,
        calibration: Calibration | None = None,
        levels: Mapping[str, float] | None = None,
    ) -> None:
        quicken()
        self.levels = levels or {}
        self.calibration = calibration
        self.config, self.scenes = config, tuple(scenes)
        self.device = torch.device(device or usual_device())
        self.model: PDM | PPDM = fold(model) if fast else model.eval()
        self.model.to(self.device)
        self.bf16 = fast and has_fast_bf16(self.device.type)
        if self.bf16:
            self.model.to(memory_format=torch.channels_last)
        self.packed = fast and can_pack(self.device)
        if self.packed:
            self.model = pack(self.model, torch.bfloat16 if self.bf16 else torch.float32)
        self.templates: Tensor | None = self.model.background

    @property
    def weight(self) -> float:
        """Of the standardised deformation: of the calibration, else of the settings."""
        return self.calibration.scorer.weight if self.calibration else self.config.score.weight

    def __call__(self, frames: np.ndarray, scene: str = "") -> AnomalyResult:
        """Score one clip, or a stack of images where the model was trained on images.

        Args:
            frames: (N, H, W, C) uint8 at the model's size and channels, oldest first.
            scene: Name of the view; one the model does not know gets its template from its own
                past frames.

        Raises:
            DmadError: Shape or type is not what the model takes.
        """
        check_frames(frames, self.config.data)
        return AnomalyResult.of(self.explain(frames, scene), self.config.data.history)

    def explain(
        self, frames: Iterable[np.ndarray | None], scene: str = "", batch: int = 8
    ) -> Iterator[Explained]:
        """Score frames as they come, causally, with constant memory.

        Args:
            frames: (H, W, C) uint8 each, oldest first; any number. A None stands where the next
                does not follow the last.
            scene: As in `__call__`.
            batch: Frames judged at once; 1 for the least delay.

        Yields:
            The judged frames in order; the first T of a clip are not judged.
        """
        past = Past() if self.needs_template(scene) else None
        for position, window in causal(frames, self.config.data.history, past, batch):
            yield self._explain(window, position, scene, past)

    def stream(self, source: str | Path, scene: str = "") -> Iterator[Judged]:
        """Judge a video, folder of frames, camera or stream as its frames come.

        Args:
            source: As `dmad.inference.sources.open_source` takes it.
            scene: As in `__call__`.

        Yields:
            Each judged frame; the first T and those around a gap are not.
        """
        from dmad.inference.streaming import follow

        return follow(self, str(source), scene)

    def _explain(
        self, frames: list[np.ndarray], position: int, scene: str, past: Past | None
    ) -> Explained:
        stack = torch.from_numpy(np.stack(frames))
        length = self.config.data.history + 1
        windows = stack.unfold(0, length, 1).movedim(-1, 1).to(self.device)
        background = self.background(scene, past)
        if background is not None:
            background = background.to(self.device).expand(len(windows), -1, -1, -1)
        output, scores, released = self.run(windows, background)
        index = np.arange(position, position + len(windows))
        return Explained(index, stack[length - 1 :].numpy(), output, scores, released)

    @torch.inference_mode()
    def run(
        self, windows: Tensor, background: Tensor | None
    ) -> tuple[Drawn | Bent, Scores, ReleasedTerms | None]:
        """Judge a batch.

        Args:
            windows: (B, T + 1, H, W, C) uint8: frames with their pasts.
            background: (B, C, H, W) template of each; the first view's where None.
        """
        x, target = to_model(windows)
        if self.bf16:
            x = x.contiguous(memory_format=torch.channels_last)
        cast = self.bf16 and not self.packed
        with torch.autocast(self.device.type, torch.bfloat16) if cast else nullcontext():
            return self._compute(x, target, background)

    def _compute(
        self, x: Tensor, target: Tensor, background: Tensor | None
    ) -> tuple[Drawn | Bent, Scores, ReleasedTerms | None]:
        if isinstance(self.model, PPDM):
            restored = self.model(x)
            return restored, score_plus(restored, self.config.score), None
        output = self.model(x, target, background)
        scores = score(target, output, self.config.score, self.config.loss.gradient)
        return output, scores, released_terms(target, output, self.config.data.layout)

    def mask(self, zone: Zone) -> Tensor | None:
        """A zone as `Explained.within` takes it."""
        mask = zone.mask(self.config.data.size)
        return None if mask is None else torch.from_numpy(mask).to(self.device)

    def needs_template(self, scene: str) -> bool:
        """Whether a view's template comes from its own past: one not trained on."""
        return self.templates is not None and template_of(scene, self.scenes) is None

    def background(self, scene: str, past: Past | None) -> Tensor | None:
        """x_bg of a view, (1, C, H, W) in [-1, 1]; None where the model has none."""
        if self.templates is None:
            return None
        if past is not None:
            return torch.from_numpy(past.median())[None]
        known = template_of(scene, self.scenes)
        assert known is not None, "a view never trained on needs its past"
        return self.templates[known : known + 1]


def load(run: str | Path, **options: Any) -> Detector:
    """A trained model by run folder, `.safetensors` file or shipped name, such as "ped2".

    Args:
        run: Which; a folder that `dmad export` wrote gives an `Exported`.
        **options: As `Detector` takes them: `device`, `fast`; not of exports.
    """
    if is_exported(run):
        from dmad.inference.exported import Exported

        return Exported(run)
    files = find_model(run)
    card = read_card(files)
    config, scenes = config_of_card(card), card["scenes"]
    model = network(config, len(scenes))
    try:
        model.load_state_dict(read_weights(files))
    except RuntimeError as error:
        raise DmadError(
            f"{files.weights} does not fit {files.card.name} beside it; keep each with "
            "its own, or train again where they come from an earlier version"
        ) from error
    tree = card.get("calibration")
    calibration = Calibration.from_dict(tree) if tree else None
    levels = card.get("levels")
    return Detector(model, config, scenes, calibration=calibration, levels=levels, **options)


def network(config: Config, scenes: int = 1) -> PDM | PPDM:
    """A network of these settings, for weights to be loaded into."""
    data = config.data
    if config.model.teacher:
        return PPDM(config.model, data.size)
    views = scenes if config.model.background else 1
    return PDM(config.model, data.size, data.channels, data.history, views)
