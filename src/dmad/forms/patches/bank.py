"""Fill the bank of a model with patches of good images, and cross-validate it.

The bank is the set of patches that the model stores.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from copy import copy
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from dmad.config import DataConfig, PatchConfig
from dmad.console import progress_bar
from dmad.data.footage import Footage, fingerprint, without_repeats
from dmad.data.splits import load_split
from dmad.data.windows import Windows, to_model
from dmad.errors import DmadError, require
from dmad.forms.images.threshold import Part, held_out_images
from dmad.hardware import default_device
from dmad.inference.detector import Detector
from dmad.inference.torch_backend import TorchBackend
from dmad.model.patch_bank import PatchBank, distances_to_nearest

BATCH = 8  # number of images
SPREADS_FROM = 16  # number of images from which the spreads of the channels are measured
CANDIDATES = 500_000  # about this many patches of all images; the bank is chosen from them
PROJECTED = 64  # number of channels to which patches are projected before the choice
UPDATED = 256  # number of patches whose distances are updated after each choice
SAME = 5e-3  # patches closer than this share of the longest patch vector count as equal
FOLDS = 5
FEW = 6  # with this number of good images or fewer, a warning is given

logger = logging.getLogger(__name__)


def fill(model: PatchBank, config: PatchConfig, footage: Footage) -> PatchBank:
    """Return a copy of the model whose bank holds patches of the good images in `footage`.

    The patches are stored in 16 bit.
    """
    device = default_device()
    model.to(device)
    sample = Windows(footage, 0, limit=SPREADS_FROM)
    x, _ = to_model(sample.__getitems__(list(range(len(sample)))).frames)
    model.teacher.measure_spreads(x.to(device))
    return model.with_patches(patches_of(model, config, without_repeats(footage))).cpu()


@torch.inference_mode()
def patches_of(model: PatchBank, config: PatchConfig, footage: Footage) -> Tensor:
    """Return the patches of good images that are stored in the bank, (N, D) in 16 bit.

    N is at most the setting `model.patches`. If the images have more than `CANDIDATES` patches, the
    bank is chosen from patches that are drawn at random: the same number from each image.
    """
    generator = torch.Generator().manual_seed(config.train.seed)
    windows = Windows(footage, 0, limit=config.data.limit)
    most = max(1, CANDIDATES // len(windows))  # patches of one image
    drawn = []
    for start in progress_bar(range(0, len(windows), BATCH), "features of the images"):
        batch = list(range(start, min(start + BATCH, len(windows))))
        x, _ = to_model(windows.__getitems__(batch).frames)
        for image in model.patches_of(x.to(model.patches.device)).cpu():
            patches = image.flatten(1).T
            drawn.append(patches[torch.randperm(len(patches), generator=generator)[:most]])
    patches = torch.cat(drawn)
    return patches[choose(patches, config.model.patches, generator)].half()


def choose(patches: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Choose patches that differ as much as possible: a greedy k-centre coreset.

    The next chosen patch is always the patch whose distance to the nearest chosen patch is largest.
    Patches that are nearly equal to a chosen patch are left out. If N is at most `UPDATED`, the
    patches are not compared: the first `count` patches are chosen.

    For speed, distances are measured after a random projection. Also for speed, only the distances
    of the `UPDATED` farthest patches are updated after most choices. The other patches can only
    have become nearer since the last full update. All distances are updated as soon as one of these
    other patches could be the farthest. So the choice is the same as with full updates only.

    Args:
        patches: (N, D).
        count: Number of patches to choose. If N is at most `count`, all are chosen.
        generator: Random numbers for the projection and the first patch.

    Returns:
        At most `count` different indices.
    """
    if len(patches) <= max(count, UPDATED):
        return torch.arange(len(patches))[:count]
    points = patches @ torch.randn(patches.shape[1], PROJECTED, generator=generator)
    same = SAME * float(points.norm(dim=1).max())
    distances = torch.full((len(points),), torch.inf)  # to the nearest chosen patch
    new = torch.randint(len(points), (1,), generator=generator)
    chosen = new
    while len(chosen) < count:
        distances = torch.minimum(distances, distances_to_nearest(points, points[new]))
        largest, farthest = distances.topk(UPDATED)
        if largest[0] <= same:
            break
        new = farthest[farther_than(max(float(largest[-1]), same), largest, points[farthest])]
        chosen = torch.cat((chosen, new))
    return chosen[:count]


def farther_than(limit: float, distances: Tensor, points: Tensor) -> list[int]:
    """Choose points one after another: always the point that is farthest from all chosen points.

    The choice ends when no other point is farther than `limit` from its nearest chosen point.

    Args:
        limit: A point is chosen only if its distance is larger than this. The first point is always
            chosen.
        distances: (N,) distance of each point to the nearest point that was chosen before the call.
        points: (N, D).

    Returns:
        Indices of the chosen points, at least one.
    """
    between = torch.cdist(points, points).fill_diagonal_(0)  # cdist may round the zeros
    chosen = [int(distances.argmax())]
    while True:
        distances = torch.minimum(distances, between[chosen[-1]])
        index = int(distances.argmax())
        if distances[index] <= limit:
            return chosen
        chosen.append(index)


def held_out_or_folds(known: str, detector: Detector, data: DataConfig) -> Iterable[Part]:
    """Return pairs of a detector and good images that are not in the detector's bank.

    The threshold is computed from the scores of these images. If images were held out from the
    bank, there is one pair: the model and these images. If no images were held out, the pairs are
    the `folds` of a cross-validation.

    Args:
        known: The fingerprint of the images that the patches of the bank come from.
        detector: The model.
        data: The settings that say where the images of the bank and the held-out images are.

    Raises:
        DmadError: The images have changed since the model was made. An image of the bank could then
            be taken for a held-out image.
    """
    require(
        fingerprint(load_split(data, "train").footage) == known,
        f"the good images in {data.root} are not those that the model was made from; name good "
        "images that it has not seen, or train again",
    )
    try:
        return held_out_images(detector, data)
    except DmadError:  # none are held out
        return folds(detector, data)


def folds(detector: Detector, data: DataConfig) -> Iterator[Part]:
    """Yield the training images in groups (folds) for a cross-validation.

    Each entry is a pair: a detector, and the images of one fold. The patches of this detector come
    only from the images of the other folds.

    Args:
        detector: A model whose patches come from all training images.
        data: Where the training images are.

    Raises:
        DmadError: The training images are missing or all the same, or the model is an exported
            model.
    """
    backend: Any = detector.backend
    require(
        isinstance(backend, TorchBackend),
        "no images were held out from this model, and an exported model cannot be cross-validated; "
        "calibrate the run that was exported, or give good images",
    )
    footage = without_repeats(load_split(data, "train").footage)
    clips = footage.clips
    require(
        len(clips) > 1,
        "all good images are the same; a threshold needs at least three different ones, "
        "better thirty",
    )
    if len(clips) <= FEW:
        logger.warning(
            "%d good images show little of how good parts differ, so new good parts may be called "
            "anomalous; take ten or more",
            len(clips),
        )
    count = min(FOLDS, len(clips))
    for fold in range(count):
        own = clips[fold::count]
        others = replace(footage, clips=tuple(clip for clip in clips if clip not in own))
        patches = patches_of(backend.model, detector.config, others)
        yield with_patches(detector, patches), replace(footage, clips=own)


def with_patches(detector: Detector, patches: Tensor) -> Detector:
    """Return a detector with the same teacher and other patches (N, D)."""
    other = copy(detector)
    backend: Any = copy(detector.backend)
    backend.model = backend.model.with_patches(patches.to(backend.device))
    other.backend = backend
    return other
