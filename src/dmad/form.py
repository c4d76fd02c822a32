"""The interface of a form of DMAD: everything that differs between video and images.

Training, inference and evaluation get a form as an argument and call its methods. `dmad.forms`
holds the forms. To add another form, add a folder there with a class that implements this protocol,
and a recipe.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar, runtime_checkable

from dmad.config import Config, DataConfig

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from dmad.calibration.calibration import Calibration
    from dmad.calibration.request import CalibrationRequest
    from dmad.data.footage import Footage, LabelledFootage
    from dmad.data.synthetic.anomalies import Sequences
    from dmad.data.windows import Batch
    from dmad.evaluation.result import Evaluation
    from dmad.evaluation.summary import Report
    from dmad.runs import ModelFiles

ConfigT_contra = TypeVar("ConfigT_contra", bound=Config, contravariant=True)
ModelT = TypeVar("ModelT", bound="nn.Module")


class Losses(Protocol):
    """The loss terms of a batch: a dataclass of scalar tensors with a field `total`."""

    @property
    def total(self) -> Tensor:
        """The weighted sum of the other terms. Training minimises it."""


class Output(Protocol):
    """What the output of a network contains in every form."""

    @property
    def z_e(self) -> Tensor:
        """The features (B, D, H', W') before the memory."""

    @property
    def memory(self) -> Any:
        """The output of the memory (`MemoryOutput`). None if the network has no memory."""


@dataclass(frozen=True, eq=False)
class ToExplain:
    """One frame or image whose score is to be explained."""

    frames: np.ndarray  # (M, H, W, C) uint8: past frames and the frame, or all tiles of the image
    scene: str = ""  # name of the view
    aspect: float = 1.0  # width divided by height of the original picture
    usual: float | None = None  # usual value of the first score term, for the colours of pictures


@dataclass(frozen=True, eq=False)
class Explanation:
    """A map and pictures that explain the score of one frame or image."""

    map: np.ndarray  # (H, W) float32, the score of each pixel as in `Form.score_map`
    pictures: Mapping[str, np.ndarray]  # (h, w, 3) uint8 each, by their titles; the input is first


class Form(Protocol[ConfigT_contra, ModelT]):
    """One form of DMAD.

    In the methods below, `detector` is a `dmad.inference.detector.Detector` of this form.
    """

    @property
    def name(self) -> str:
        """The name of the form: the value of `Config.form`."""

    @property
    def judges(self) -> Literal["frames", "images"]:
        """What gets a score: the frames of clips, or single images."""

    # The model.

    def network(self, config: ConfigT_contra, scenes: int = 1) -> ModelT:
        """Return a network with these settings, ready to load weights into.

        Args:
            config: The settings.
            scenes: Number of views (fixed cameras) that have a background template.
        """

    def prepare(self, config: ConfigT_contra, train: LabelledFootage) -> ModelT:
        """Return the network from which training starts.

        A form that needs no training returns the finished model.
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
        """Return the scores, maps and drawings of a batch, by the output names of an export.

        `terms` (B, 3 or 6) holds the raw score and its two terms. For video, the three frame scores
        of the authors' released code follow. `reconstruction_map` and `deformation_map` (B, H, W)
        are the maps before smoothing. All other entries are drawings: arrays, such as fields, that
        are needed only for pictures.

        Args:
            model: The network.
            config: The settings.
            x: Inputs of the network, (B, T·C, H, W) in [-1, 1].
            target: Frames or images to score, (B, C, H, W) in [-1, 1].
            background: Background template of each frame's view, (B, C, H, W) in [-1, 1]. None: the
                first template of the network, if the network has templates.
        """

    def score_map(
        self, reconstruction_map: Tensor, deformation_map: Tensor, config: ConfigT_contra
    ) -> Tensor:
        """Return the score of every pixel, (B, H, W).

        For video, this is Eq. 14 at each pixel: the sum of both terms before their maxima over the
        pixels are taken. For images, it is Eq. 23.
        """

    def smoothed(self, maps: np.ndarray, config: ConfigT_contra) -> np.ndarray:
        """Return maps (B, H, W) averaged with the kernel k* of the score (Eq. 14, 22 and 23)."""

    def explain(self, detector: Any, given: ToExplain) -> Explanation:
        """Return the map of the scores of one frame or image, and pictures of it."""

    def evaluate(self, detector: Any, test: LabelledFootage) -> Evaluation:
        """Score a labelled test split. Return the scores and the table of results (the ledger)."""

    def summarise(
        self,
        title: str,
        detector: Any,
        test: LabelledFootage,
        evaluation: Evaluation,
        card: Mapping[str, Any],
    ) -> Report:
        """Return the content of the report page of an evaluation."""

    def calibrate(
        self, detector: Any, files: ModelFiles, request: CalibrationRequest
    ) -> Calibration:
        """Set a threshold from normal data, and return it.

        The threshold is stored in the model's card (the JSON file beside the weights), or in the
        file `request.out`.
        """

    def synthetic_anomalies(self, config: ConfigT_contra, normal: Footage) -> Sequences:
        """Draw synthetic anomalies into normal footage, and return windows with one anomaly each.

        A window is a frame with the past frames that the model needs.

        Raises:
            DmadError: No anomaly can be made from this footage.
        """

    def training_overlap(self, data: DataConfig, detector: Any, card: Mapping[str, Any]) -> str:
        """Return a warning if the training may have used normal samples of the test split.

        The text is empty if the training has not used such samples.

        Args:
            data: The settings with the location of the test split.
            detector: The detector.
            card: The model's card.
        """


@runtime_checkable
class TrainedForm(Form[ConfigT_contra, ModelT], Protocol):
    """A form whose network is trained by gradients. Its settings are a `TrainedConfig`."""

    def fixed_features(self, model: ModelT, footage: Footage) -> list[np.ndarray]:
        """Return the features that stay the same during training, (N, C, h, w) each, for N frames.

        Training computes them only once. The list is empty if there are no such features.
        """

    def losses(
        self, model: ModelT, config: ConfigT_contra, batch: Batch, x: Tensor, target: Tensor
    ) -> tuple[Output, Losses]:
        """Return the network's output and the losses of a batch.

        Args:
            model: The network.
            config: The settings.
            batch: The loaded batch, which also holds the views and fixed features of the samples.
            x: Inputs (B, T·C, H, W) in [-1, 1].
            target: Frames or images to reconstruct, (B, C, H, W) in [-1, 1].
        """

    def choose_weight(self, detector: Any, normal: Footage) -> dict[str, Any]:
        """Choose the weight of the deformation in the score.

        Synthetic anomalies, drawn into normal footage, show which weight is best.

        Returns:
            Entries for the model's card (the JSON file beside the weights).
        """
