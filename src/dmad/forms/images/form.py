"""Images (PPDM): restore a teacher's features behind a deformation of the image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from dmad.errors import DmadError

if TYPE_CHECKING:
    from torch import Tensor

    from dmad.calibration.calibration import Calibration
    from dmad.calibration.request import CalibrationRequest
    from dmad.config import DataConfig, ImageConfig
    from dmad.data.footage import Footage, LabelledFootage
    from dmad.data.windows import Batch
    from dmad.evaluation.result import Evaluation
    from dmad.evaluation.summary import Report
    from dmad.inference.detector import Detector
    from dmad.model.losses import ImageLossTerms
    from dmad.model.ppdm import PPDM, PPDMOutput
    from dmad.runs import ModelFiles

FIRST_ITEMS_FROM = 16  # images whose features the memory starts with


class Images:
    """The form of images: `Form` for the PPDM. Methods import what they need, so that exported
    models run without torch.
    """

    name = "images"
    judges: Literal["images"] = "images"

    def network(self, config: ImageConfig, scenes: int = 1) -> PPDM:
        """Return a PPDM with these settings, ready to load weights into."""
        from dmad.model.ppdm import PPDM

        return PPDM(config.model, config.data.size)

    def prepare(self, config: ImageConfig, train: LabelledFootage) -> PPDM:
        """Return a PPDM with the teacher's weights, its memory filled with features of images.

        A frozen teacher does not move its features towards memory items that start near zero, as
        an encoder does: a single item would serve all.
        """
        import torch

        from dmad.data.windows import Windows, to_model
        from dmad.model.teacher_weights import load_teacher

        torch.manual_seed(config.train.seed)
        model = self.network(config)
        with torch.random.fork_rng(devices=()):  # a download draws random numbers, a file does not
            load_teacher(model.teacher, config.model)
        if model.memory:
            windows = Windows(train.footage, 0, limit=FIRST_ITEMS_FROM)
            x, _ = to_model(windows.__getitems__(list(range(len(windows)))).frames)
            with torch.no_grad():
                z_e = model.teacher(x)[-1]
            model.memory.revive(torch.zeros(config.model.memory_items), z_e)
        return model

    def fixed_features(self, model: PPDM, footage: Footage) -> list[np.ndarray]:
        """Return the teacher's features of all images, if no deformation comes before it."""
        from dmad.training.features import compute_features

        return [] if model.estimator else compute_features(model.teacher, footage)

    def losses(
        self, model: PPDM, config: ImageConfig, batch: Batch, x: Tensor, target: Tensor
    ) -> tuple[PPDMOutput, ImageLossTerms]:
        """Return output and losses (Eq. 19), with the teacher's features if they are known."""
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

        The drawings are `deformed` (B, 3, H, W) and, with heads, `forward` and `backward`
        (B, K, 2, H, W) in grid units.
        """
        import torch

        from dmad.model.scoring import score_plus

        output = model(x)
        scores = score_plus(output, config.score)
        outputs = {
            "terms": torch.stack((scores.score, scores.reconstruction, scores.deformation), 1),
            "reconstruction_map": scores.reconstruction_map,
            "deformation_map": scores.deformation_map,
            "deformed": output.deformed,
        }
        if output.forward:
            outputs["forward"] = torch.stack(output.forward, 1)
            outputs["backward"] = torch.stack(output.backward, 1)
        return outputs

    def score_map(
        self, reconstruction_map: Tensor, deformation_map: Tensor, config: ImageConfig
    ) -> Tensor:
        """Return Eq. 23, smoothed as Eq. 22 is, (B, H, W)."""
        from dmad.model.scoring import pixel_map_plus

        return pixel_map_plus(reconstruction_map, deformation_map, config.score)

    def rescore(
        self, reconstruction_map: np.ndarray, deformation_map: np.ndarray, config: ImageConfig
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return Eq. 22 and its two terms, (B,) each, of maps (B, H, W)."""
        import torch

        from dmad.model.scoring import scores_of_maps_plus

        maps = torch.from_numpy(reconstruction_map), torch.from_numpy(deformation_map)
        scores = scores_of_maps_plus(*maps, config.score)
        return scores.score.numpy(), scores.reconstruction.numpy(), scores.deformation.numpy()

    def evaluate(self, detector: Detector, test: LabelledFootage) -> Evaluation:
        """Score a labelled test split and draw up the ledger of images."""
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
        """Return what the page of an evaluation shows."""
        from dmad.forms.images.summary import summarise

        return summarise(title, detector, test, evaluation, card)

    def calibrate(
        self, detector: Detector, files: ModelFiles, request: CalibrationRequest
    ) -> Calibration:
        """Set the threshold from good images and store it."""
        from dmad.forms.images.threshold import calibrate

        return calibrate(detector, files, request)

    def choose_weight(self, detector: Detector, normal: Footage) -> dict[str, Any]:
        """Choose α by synthetic defects in good images."""
        from dataclasses import asdict

        from dmad.forms.images.alpha import choose_alpha

        return {"choice": asdict(choose_alpha(detector, normal))}

    def training_overlap(
        self, data: DataConfig, detector: Detector, card: Mapping[str, Any]
    ) -> str:
        """Return a warning if good images may be among both training and test images."""
        from dmad.data.footage import fingerprint
        from dmad.data.splits import load_split

        if data.root != detector.config.data.root:
            return ""
        try:
            now = fingerprint(load_split(data, "train").footage)
        except DmadError:  # without them a test is still possible
            return ""
        if now == card["data"]["sha256"]:
            return ""
        return (
            "its good images are not those of the training any more, and some that were trained on "
            "may be tested: put those to test on into a folder test"
        )
