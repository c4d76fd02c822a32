"""The form for video (PDM): predict the next frame of a view, or reconstruct single images."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from dmad.errors import DmadError, require

if TYPE_CHECKING:
    from torch import Tensor

    from dmad.calibration.calibration import Calibration
    from dmad.calibration.request import CalibrationRequest
    from dmad.config import DataConfig, VideoConfig
    from dmad.data.footage import Footage, LabelledFootage
    from dmad.data.synthetic.anomalies import Sequences
    from dmad.data.windows import Batch
    from dmad.evaluation.result import Evaluation
    from dmad.evaluation.summary import Report
    from dmad.form import Explanation, ToExplain
    from dmad.inference.detector import Detector
    from dmad.model.losses import VideoLossTerms
    from dmad.model.pdm import PDM, PDMOutput
    from dmad.runs import ModelFiles

ABNORMAL = 24  # synthetic anomalies of each kind for the export to int8

logger = logging.getLogger(__name__)


class Video:
    """The form for video: implements `TrainedForm` with the PDM.

    Modules that need torch are imported inside the methods, so that exported models run without it.
    """

    name = "video"
    judges: Literal["frames"] = "frames"

    def network(self, config: VideoConfig, scenes: int = 1) -> PDM:
        """Return a PDM with these settings, ready to load weights into."""
        from dmad.model.pdm import PDM

        data = config.data
        views = scenes if config.model.background else 1
        return PDM(config.model, data.size, data.channels, data.history, views)

    def prepare(self, config: VideoConfig, train: LabelledFootage) -> PDM:
        """Return a PDM whose background templates are the medians of the training footage."""
        import torch

        from dmad.data.templates import templates

        scenes = train.scenes if config.model.background else ("",)
        torch.manual_seed(config.train.seed)
        model = self.network(config, len(scenes))
        if model.background is not None:
            medians = torch.as_tensor(templates(train.footage, scenes))
            model.background.data.copy_(medians)
        return model

    def fixed_features(self, model: PDM, footage: Footage) -> list[np.ndarray]:
        """Return an empty list, because no features of the PDM stay the same during training."""
        return []

    def losses(
        self, model: PDM, config: VideoConfig, batch: Batch, x: Tensor, target: Tensor
    ) -> tuple[PDMOutput, VideoLossTerms]:
        """Return the output of the network and the losses (Eq. 11) of a batch.

        Each frame of the batch is reconstructed with the background template of its view.
        """
        from dmad.model.coordinates import Place, crop
        from dmad.model.losses import total_loss

        template = None if model.background is None else model.background[batch.scene]
        if batch.corner is None:
            output = model(x, target, template)
            return output, total_loss(target, output, config.loss)
        size = config.data.size
        place = Place(batch.corner, config.data.crop, size)
        if template is not None:
            template = crop(template, place)
        output = model(x, target, template, place)
        return output, total_loss(target, output, config.loss, size)

    def outputs(
        self,
        model: PDM,
        config: VideoConfig,
        x: Tensor,
        target: Tensor,
        background: Tensor | None,
    ) -> dict[str, Tensor]:
        """Return scores, maps and drawings of a batch.

        Drawings are arrays that are needed only for pictures. The drawings are `reference`
        (B, C, H, W) and `reconstructions` (B, K, C, H, W). K is the number of heads, or 1 without
        heads. With heads, there are also the deformation fields `offsets` (B, K, 2, H, W), in grid
        units. If the foreground mask is binary, `reference` shows the background where it is 0.
        """
        import torch

        from dmad.model.pdm import visible_reference
        from dmad.model.scoring import released_terms, score

        output = model(x, target, background)
        reference = visible_reference(output) if config.model.binary_mask else output.reference
        scores = score(target, output, config.score, config.loss.gradient)
        released = released_terms(target, output, config.data.layout)
        outputs = {
            **scores.outputs(released.deformation, released.reconstruction, released.gradient),
            "reference": reference,
            "reconstructions": torch.stack(output.reconstructions, 1),
        }
        if output.offsets:
            outputs["offsets"] = torch.stack(output.offsets, 1)
        return outputs

    def score_map(
        self, reconstruction_map: Tensor, deformation_map: Tensor, config: VideoConfig
    ) -> Tensor:
        """Return the score of every pixel, (B, H, W): the weighted sum in Eq. 14 at this pixel."""
        from dmad.model.scoring import pixel_map

        return pixel_map(reconstruction_map, deformation_map, config.score)

    def smoothed(self, maps: np.ndarray, config: VideoConfig) -> np.ndarray:
        """Return maps (B, H, W) averaged with the box kernel of Eq. 14."""
        from dmad.inference.maps import averaged

        return averaged(maps, config.score.kernel)

    def explain(self, detector: Detector, given: ToExplain) -> Explanation:
        """Return the map of Eq. 14 and pictures of the last frame: its heat and its deformation."""
        from dmad.forms.video.pictures import explain

        return explain(detector, given)

    def evaluate(self, detector: Detector, test: LabelledFootage) -> Evaluation:
        """Score a labelled test split, and return the table of results (the ledger)."""
        from dmad.forms.video.evaluation import evaluate

        return evaluate(detector, test)

    def summarise(
        self,
        title: str,
        detector: Detector,
        test: LabelledFootage,
        evaluation: Evaluation,
        card: Mapping[str, Any],
    ) -> Report:
        """Return the content of the report page of an evaluation."""
        from dmad.forms.video.summary import summarise

        return summarise(title, detector, test, evaluation, card)

    def calibrate(
        self, detector: Detector, files: ModelFiles, request: CalibrationRequest
    ) -> Calibration:
        """Set the threshold from normal clips and store it."""
        from dmad.forms.video.threshold import calibrate

        return calibrate(detector, files, request)

    def choose_weight(self, detector: Detector, normal: Footage) -> dict[str, Any]:
        """Choose the weight of the deformation in the calibrated score.

        Returns:
            An entry `weighing` for the model's card (the JSON file beside the weights): the chosen
            weight, and the AUROC of each weight that was tried. Empty if no clip is long enough.
        """
        from dataclasses import asdict

        from dmad.forms.video.weight import choose_weight

        try:
            return {"weighing": asdict(choose_weight(detector, normal))}
        except DmadError as error:
            logger.warning("%s", error)
            return {}

    def synthetic_anomalies(self, config: VideoConfig, normal: Footage) -> Sequences:
        """Return windows of normal clips, changed so that one thing is too fast or too large."""
        from dmad.data.synthetic.anomalies import Sequences, sequences
        from dmad.forms.video.weight import check_length

        past = config.data.history
        require(past > 0, "synthetic anomalies are made only for models with past frames")
        check_length(normal, past, "so no synthetic anomalies are made")
        fast, large = (sequences(normal, past, ABNORMAL, kind) for kind in ("fast", "large"))
        frames = np.concatenate((fast.frames, large.frames))
        return Sequences(frames, (*fast.scenes, *large.scenes))

    def training_overlap(
        self, data: DataConfig, detector: Detector, card: Mapping[str, Any]
    ) -> str:
        """Return a warning if the normal clips of the test split were trained on.

        If they were not trained on, the text is empty.
        """
        from dmad.data.layouts.videos import splits_share_clips

        if data.root != detector.config.data.root or not splits_share_clips(data):
            return ""
        return (
            "the normal test clips were also trained on; put the clips to test on into a folder "
            "named test"
        )
