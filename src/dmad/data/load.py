"""One call from configuration to decoded, labelled frames, whatever the data set."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal

import numpy as np

from dmad.config import DataConfig, require
from dmad.data.frames import Clip, Footage, load_footage
from dmad.data.layouts import align, find_split

SplitName = Literal["train", "test"]
TOLD = 10  # lines about damaged data
STREET_CLIPS = {"train": 12, "test": 10}
STREET_PEOPLE = 2.0  # on view at a time: a quiet street


@dataclass(frozen=True)
class LabelledFootage:
    """A decoded split and what is known about it."""

    footage: Footage
    labels: np.ndarray | None  # (N,) uint8, 1 = abnormal; None where unlabelled
    label_name: str  # which label set, for the ledger

    @property
    def scenes(self) -> tuple[str, ...]:
        """Names of the fixed views, sorted."""
        return tuple(sorted({clip.scene for clip in self.footage.clips}))


def load_split(data: DataConfig, split: SplitName) -> LabelledFootage:
    """Frames and labels of one split; `DmadError` says what is missing."""
    built_in: dict[str, Callable[[DataConfig, SplitName], LabelledFootage]] = {
        "street": _street,
        "mnist": _mnist,
        "digits": _digits,
    }
    return built_in.get(data.layout, _from_disk)(data, split)


def fingerprint(footage: Footage) -> str:
    """sha256 over clips and a sample of frames: which data a model saw."""
    digest = sha256(repr([(c.name, c.length) for c in footage.clips]).encode())
    for index in np.linspace(0, len(footage.frames) - 1, 64).astype(int):
        digest.update(footage.frames[index].tobytes())
    return digest.hexdigest()


def needed_root(data: DataConfig) -> Path:
    """`data.root`, checked to be given and there."""
    require(data.root is not None, f"{data.layout} needs its data; give --data.root PATH")
    root = Path(data.root or "")
    require(root.exists(), f"--data.root {root} does not exist; give the folder of the data set")
    return root


def _from_disk(data: DataConfig, split: SplitName) -> LabelledFootage:
    found = find_split(data.layout, needed_root(data), split)
    footage = load_footage(
        found.sources, data.size, data.channels, data.cache, minimum=data.history + 1
    )
    tell(footage.skipped)
    return LabelledFootage(footage, align(found, footage), found.label_name)


def tell(notes: Sequence[str]) -> None:
    """What was left out or mended, on standard error; the first few of many."""
    for note in notes[:TOLD]:
        print(f"note: {note}", file=sys.stderr)
    if len(notes) > TOLD:
        print(f"note: and {len(notes) - TOLD} more such lines", file=sys.stderr)


def _street(data: DataConfig, split: SplitName) -> LabelledFootage:
    from dmad.data.street import Street, abnormal_clip, normal_clip

    street = Street(size=data.size, channels=data.channels, people=STREET_PEOPLE)
    render = normal_clip if split == "train" else abnormal_clip
    clips = [render(street, index) for index in range(STREET_CLIPS[split])]
    footage = stack([clip.frames for clip in clips], street.fps)
    return LabelledFootage(footage, np.concatenate([c.labels for c in clips]), "street script")


def stack(clips: Sequence[np.ndarray], fps: float = 0.0) -> Footage:
    """Footage of clips (T, H, W, C) uint8 that are already in memory."""
    starts = np.cumsum([0, *(len(clip) for clip in clips)])
    made = [
        Clip(f"{index:03d}", "", int(starts[index]), len(clip), fps)
        for index, clip in enumerate(clips)
    ]
    return Footage(np.concatenate(clips), tuple(made), ())


def _mnist(data: DataConfig, split: SplitName) -> LabelledFootage:
    from torchvision.datasets import MNIST

    root = needed_root(data)
    try:
        found = MNIST(str(root), train=split == "train", download=False)
    except RuntimeError:
        require(False, f"no MNIST under {root}; expected {root}/MNIST/raw with the four IDX files")
    return _by_class(found.data.numpy(), found.targets.numpy(), data, split)


def _digits(data: DataConfig, split: SplitName) -> LabelledFootage:
    from sklearn.datasets import load_digits

    bundle = load_digits()
    chosen = (np.arange(len(bundle.target)) % 3 == 0) == (split == "test")
    images = (bundle.images[chosen] * (255 / 16)).astype(np.uint8)
    return _by_class(images, bundle.target[chosen], data, split)


def _by_class(
    images: np.ndarray, classes: np.ndarray, data: DataConfig, split: SplitName
) -> LabelledFootage:
    """Normal classes alone to train on; all of them, labelled, to test on."""
    normal = np.isin(classes, data.normal)
    keep = normal if split == "train" else np.ones_like(normal)
    frames = resize_all(images[keep], data.size)[..., None].repeat(data.channels, -1)
    labels = (~normal[keep]).astype(np.uint8)
    name = f"{data.layout}, normal: {' '.join(map(str, data.normal))}"
    return LabelledFootage(stack([frames]), labels, name)


def resize_all(images: np.ndarray, size: int) -> np.ndarray:
    """Grey images (N, h, w) uint8 to (N, size, size): padded where they nearly fit, else scaled."""
    import torch
    from torchvision.transforms import v2

    margin = size - images.shape[1]
    if 0 <= margin <= 4:
        pad = (margin // 2, margin - margin // 2)
        return np.pad(images, ((0, 0), pad, pad))
    resize = v2.Resize((size, size), antialias=True)
    scaled: np.ndarray = resize(torch.from_numpy(images)).numpy()
    return scaled
