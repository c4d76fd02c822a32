"""The form for images (PPDM): deform an image, then restore the teacher's features of this image.

`StillImages` contains what all forms for single images share.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from copy import deepcopy
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from dmad.data.footage import thin
from dmad.errors import DmadError, require

if TYPE_CHECKING:
    from torch import Tensor, nn

    from dmad.calibration.calibration import Calibration
    from dmad.calibration.request import CalibrationRequest
    from dmad.config import Config, DataConfig, ImageConfig
    from dmad.data.footage import Footage, LabelledFootage
    from dmad.data.synthetic.anomalies import Sequences
    from dmad.data.windows import Batch
    from dmad.evaluation.result import Evaluation
    from dmad.evaluation.summary import Report
    from dmad.form import Explanation, ToExplain
    from dmad.inference.detector import Detector
    from dmad.model.losses import ImageLossTerms
    from dmad.model.ppdm import PPDM, PPDMOutput
    from dmad.runs import ModelFiles

DEFECTIVE_IMAGES = 16  # number of good images that get synthetic defects for the export to int8
FIRST_ITEMS_FROM = 16  # number of images whose features are the first memory items

logger = logging.getLogger(__name__)


class StillImages:
    """What the forms for single images share: data, pictures, evaluation and report.

    Modules that need torch are imported inside the methods, so that exported models run without it.

    Args:
        teacher: A network to use as teacher instead of the one that the settings name.
    """

    judges: Literal["images"] = "images"

    def __init__(self, teacher: nn.Module | None = None) -> None:
        self.teacher = teacher

    def score_map(
        self, reconstruction_map: Tensor, deformation_map: Tensor, config: Config
    ) -> Tensor:
        """Return the score of every pixel (Eq. 23), smoothed as in Eq. 22, (B, H, W)."""
        from dmad.model.scoring import pixel_map_plus

        return pixel_map_plus(reconstruction_map, deformation_map, config.score)

    def smoothed(self, maps: np.ndarray, config: Config) -> np.ndarray:
        """Return maps (B, H, W) after the Gaussian blur of Eq. 22 and 23."""
        from dmad.inference.maps import blurred

        return blurred(maps, config.score.sigma)

    def explain(self, detector: Detector, given: ToExplain) -> Explanation:
        """Return the map of Eq. 23, the image, and the image with its heat map.

        If the model deforms images, the forward and the backward field are returned too.
        """
        from dmad.forms.images.pictures import explain

        return explain(detector, given)

    def evaluate(self, detector: Detector, test: LabelledFootage) -> Evaluation:
        """Score a labelled test split. Return the scores and the table of results (the ledger)."""
        from dmad.forms.images.evaluation import evaluate

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
        from dmad.forms.images.summary import summarise

        return summarise(title, detector, test, evaluation, card)

    def synthetic_anomalies(self, config: Config, normal: Footage) -> Sequences:
        """Return good images, or tiles of them, with synthetic defects."""
        from dmad.data.synthetic.anomalies import Sequences
        from dmad.forms.images.alpha import with_defects
        from dmad.forms.images.evaluation import frames_of

        images = frames_of(normal)
        made = with_defects([images[i] for i in thin(np.arange(len(images)), DEFECTIVE_IMAGES)])
        require(bool(made), "no good image can be given a visible synthetic defect")
        return Sequences(np.stack([image[None] for image, _ in made]), ("",) * len(made))

    def training_overlap(
        self, data: DataConfig, detector: Detector, card: Mapping[str, Any]
    ) -> str:
        """Return a warning if a good test image may have been a training image; else ""."""
        from dmad.data.footage import fingerprint
        from dmad.data.splits import load_split

        if data.root != detector.config.data.root:
            return ""
        try:
            now = fingerprint(load_split(data, "train").footage)
        except DmadError:  # a test is possible without training images
            return ""
        if now == card["data"]["sha256"]:
            return ""
        return (
            "the good images have changed since the training, so some test images may have been "
            "trained on; put the images to test on into a folder named test"
        )


class Images(StillImages):
    """The form for images: implements `TrainedForm` with the PPDM."""

    name = "images"

    def network(self, config: ImageConfig, scenes: int = 1) -> PPDM:
        """Return a PPDM with these settings, ready to load weights into."""
        from dmad.model.ppdm import PPDM

        return PPDM(config.model, deepcopy(self.teacher))

    def prepare(self, config: ImageConfig, train: LabelledFootage) -> PPDM:
        """Return a PPDM with the teacher's weights. Its memory items are features of good images.

        Memory items near zero would be a bad start: one single item would be the nearest to all
        features. A trained encoder could move its features towards the items, but the teacher is
        frozen.
        """
        import torch

        from dmad.data.windows import Windows, to_model
        from dmad.model.teacher_weights import load_teacher

        torch.manual_seed(config.train.seed)
        model = self.network(config)
        with torch.random.fork_rng(devices=()):  # a download must not change random numbers
            load_teacher(model.teacher, config.model)
        windows = Windows(train.footage, 0, limit=FIRST_ITEMS_FROM)
        x, _ = to_model(windows.__getitems__(list(range(len(windows)))).frames)
        model.teacher.measure_spreads(x)
        with torch.no_grad():
            z_e = model.teacher(x)[-1]
        if model.memory:
            model.memory.revive(torch.zeros(config.model.memory_items), z_e)
        if z_e.min() < 0 and not config.model.student_widths:
            logger.warning(
                "features of teacher %s can be negative, and those of the student cannot; give "
                "--model.student_widths [64,128,256]",
                config.model.teacher,
            )
        return model

    def fixed_features(self, model: PPDM, footage: Footage) -> list[np.ndarray]:
        """Return the teacher's features of all images.

        The list is empty if the model deforms images before the teacher sees them, because the
        features then change during training.
        """
        from dmad.training.features import compute_features

        return [] if model.estimator else compute_features(model.teacher, footage)

    def losses(
        self, model: PPDM, config: ImageConfig, batch: Batch, x: Tensor, target: Tensor
    ) -> tuple[PPDMOutput, ImageLossTerms]:
        """Return the network's output and the losses of a batch (Eq. 19).

        If the batch contains the teacher's features, they are not computed again.
        """
        from dmad.model.losses import total_loss_plus

        features = tuple(feature.to(x.dtype) for feature in batch.features)
        output = model(x, features or None)
        return output, total_loss_plus(x, output, config.loss)

    def outputs(
        self,
        model: PPDM,
        config: ImageConfig,
        x: Tensor,
        target: Tensor,
        background: Tensor | None,
    ) -> dict[str, Tensor]:
        """Return scores, maps and drawings of a batch.

        The drawings are the deformed images, `deformed` (B, 3, H, W). If the model has K heads,
        there are also the fields `forward` and `backward` (B, K, 2, H, W), in grid units.
        """
        import torch

        from dmad.model.scoring import score_plus

        output = model(x)
        outputs = {**score_plus(output, config.score).outputs(), "deformed": output.deformed}
        if output.forward:
            outputs["forward"] = torch.stack(output.forward, 1)
            outputs["backward"] = torch.stack(output.backward, 1)
        return outputs

    def calibrate(
        self, detector: Detector, files: ModelFiles, request: CalibrationRequest
    ) -> Calibration:
        """Set the threshold from good images, store it in the model's card, and return it."""
        from dmad.forms.images.threshold import calibrate

        return calibrate(detector, files, request)

    def choose_weight(self, detector: Detector, normal: Footage) -> dict[str, Any]:
        """Choose α with synthetic defects in good images. Return an entry for the model's card."""
        from dataclasses import asdict

        from dmad.forms.images.alpha import choose_alpha

        return {"choice": asdict(choose_alpha(detector, normal))}
