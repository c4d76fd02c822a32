"""The interface of a form of DMAD: everything that differs between video and images.

Training, inference and evaluation are handed a form and ask it. `dmad.forms` holds the two forms of
the paper. A third form is one file there that implements this protocol, and a recipe.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from dmad.config import Config, DataConfig

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from dmad.calibration.calibration import Calibration
    from dmad.calibration.request import CalibrationRequest
    from dmad.data.footage import Footage, LabelledFootage
    from dmad.data.windows import Batch
    from dmad.evaluation.result import Evaluation
    from dmad.evaluation.summary import Report
    from dmad.runs import ModelFiles

ConfigT_contra = TypeVar("ConfigT_contra", bound=Config, contravariant=True)
ModelT = TypeVar("ModelT", bound="nn.Module")


class Losses(Protocol):
    """The loss terms of a batch: a dataclass of scalar tensors, one of them `total`."""

    @property
    def total(self) -> Tensor:
        """The weighted sum, which is minimised."""


class Output(Protocol):
    """What a network computes for a batch, as far as every form has it."""

    @property
    def z_e(self) -> Tensor:
        """Embeddings (B, D, H', W')."""

    @property
    def memory(self) -> Any:
        """The `MemoryOutput`, or None without memory."""


class Form(Protocol[ConfigT_contra, ModelT]):
    """One form of DMAD.

    A `detector` below is a `dmad.inference.detector.Detector` whose form is this one.
    """

    @property
    def name(self) -> str:
        """The name of the form, as `Config.form` has it."""

    @property
    def judges(self) -> Literal["frames", "images"]:
        """What has a score: frames of clips, in their order, or single images."""

    # The network and its training.

    def network(self, config: ConfigT_contra, scenes: int = 1) -> ModelT:
        """Return a network with these settings, ready to load weights into.

        Args:
            config: The settings.
            scenes: Number of views that have a background template.
        """

    def prepare(self, config: ConfigT_contra, train: LabelledFootage) -> ModelT:
        """Return the network that a training on this footage starts from."""

    def fixed_features(self, model: ModelT, footage: Footage) -> list[np.ndarray]:
        """Return features of all frames that training does not change, (N, C, h, w) each.

        Empty if there are none. Training computes them once.
        """

    def losses(
        self, model: ModelT, config: ConfigT_contra, batch: Batch, x: Tensor, target: Tensor
    ) -> tuple[Output, Losses]:
        """Return the network's output and the losses of a batch.

        Args:
            model: The network.
            config: The settings.
            batch: The batch as loaded, with the view of each sample and fixed features.
            x: Inputs (B, T·C, H, W) in [-1, 1].
            target: What is to be reconstructed, (B, C, H, W) in [-1, 1].
        """

    # Maps and scores.

    def outputs(
        self,
        model: ModelT,
        config: ConfigT_contra,
        x: Tensor,
        target: Tensor,
        background: Tensor | None,
    ) -> dict[str, Tensor]:
        """Return scores, maps and drawings of a batch, by the names of an exported graph.

        `terms` (B, 3 or more) holds the raw score and its two terms (and, for video, the three
        released terms); `reconstruction_map` and `deformation_map` (B, H, W) the maps before
        smoothing. The other entries are the drawings of the form.
        """

    def score_map(
        self, reconstruction_map: Tensor, deformation_map: Tensor, config: ConfigT_contra
    ) -> Tensor:
        """Return the smoothed map whose maximum the score is near, (B, H, W): Eq. 14 or 23."""

    def rescore(
        self, reconstruction_map: np.ndarray, deformation_map: np.ndarray, config: ConfigT_contra
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return score, reconstruction and deformation term, (B,) each, of maps (B, H, W)."""

    # Tasks on a trained model.

    def evaluate(self, detector: Any, test: LabelledFootage) -> Evaluation:
        """Score a labelled test split and draw up its ledger."""

    def summarise(
        self,
        title: str,
        detector: Any,
        test: LabelledFootage,
        evaluation: Evaluation,
        card: Mapping[str, Any],
    ) -> Report:
        """Return what the page of an evaluation shows."""

    def calibrate(
        self, detector: Any, files: ModelFiles, request: CalibrationRequest
    ) -> Calibration:
        """Set a threshold from normal data and store it beside the model, or in `request.out`."""

    def choose_weight(self, detector: Any, normal: Footage) -> dict[str, Any]:
        """Choose the weight of the deformation by synthetic anomalies in normal footage.

        Returns:
            Entries for the model's card.
        """

    def training_overlap(self, data: DataConfig, detector: Any, card: Mapping[str, Any]) -> str:
        """Return a warning if normal test samples were, or may have been, trained on; else "".

        Args:
            data: Where the test split is.
            detector: The detector.
            card: The model's card.
        """
