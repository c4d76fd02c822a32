"""The form for images that keeps patches of good images, and compares new images with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmad.forms.images.form import StillImages

if TYPE_CHECKING:
    from torch import Tensor

    from dmad.calibration.calibration import Calibration
    from dmad.calibration.request import CalibrationRequest
    from dmad.config import PatchConfig
    from dmad.data.footage import LabelledFootage
    from dmad.inference.detector import Detector
    from dmad.model.patch_bank import PatchBank
    from dmad.runs import ModelFiles


class Patches(StillImages):
    """The form for images that keeps patches of good images in a bank.

    Nothing is trained, and images are not deformed.
    """

    name = "patches"

    def network(self, config: PatchConfig, scenes: int = 1) -> PatchBank:
        """Return a model with an empty bank, ready to load patches into."""
        from copy import deepcopy

        from dmad.model.patch_bank import PatchBank

        return PatchBank(config.model, deepcopy(self.teacher))

    def prepare(self, config: PatchConfig, train: LabelledFootage) -> PatchBank:
        """Return the finished model, with patches of the training images in its bank."""
        from dmad.forms.patches.bank import fill
        from dmad.model.teacher_weights import load_teacher

        model = self.network(config)
        load_teacher(model.teacher, config.model)
        return fill(model, config, train.footage)

    def outputs(
        self,
        model: PatchBank,
        config: PatchConfig,
        x: Tensor,
        target: Tensor,
        background: Tensor | None,
    ) -> dict[str, Tensor]:
        """Return scores and maps of a batch.

        The terms and maps of the deformation are zero, because this form does not deform images.

        There is one drawing (an array that is needed only for pictures): `deformed`, which is the
        input `x`.
        """
        import torch

        from dmad.model.scoring import scores_of_maps_plus

        distances = model(x)
        scores = scores_of_maps_plus(distances, torch.zeros_like(distances), config.score)
        return {**scores.outputs(), "deformed": x}

    def calibrate(
        self, detector: Detector, files: ModelFiles, request: CalibrationRequest
    ) -> Calibration:
        """Set the threshold from good images, and store it.

        If no images were held out, the threshold comes from a cross-validation.
        """
        from functools import partial

        from dmad.forms.images.threshold import calibrate
        from dmad.forms.patches.bank import held_out_or_folds
        from dmad.runs import read_card

        known = read_card(files)["data"]["sha256"]
        return calibrate(detector, files, request, partial(held_out_or_folds, known))
