"""Which normal footage is trained on, and which is held out for a threshold."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, get_args

import numpy as np

from dmad.config import DataConfig
from dmad.console import warn_about
from dmad.data.cache import read
from dmad.data.footage import Clip, ClipSource, Footage, stack
from dmad.data.labels import align, normal_clips, read_masks
from dmad.data.layouts.images import find_images
from dmad.data.layouts.videos import SplitName, find_split
from dmad.data.masks import read_mask, shrink
from dmad.errors import DmadError, require

logger = logging.getLogger(__name__)

MIXED = "mixed-"  # begins the names of abnormal events that a contamination test trains on

FEW, LEAST = 6, 3  # images from which on so many are held out at least


def hold_out(
    footage: Footage, share: float, history: int, tiles: int = 1
) -> tuple[Footage, Footage]:
    """Footage to train on, and footage kept from training: of each view whole clips, evenly spread.

    Where the share makes less than one clip of a view, or all, each of its clips gives its end
    instead. Of six images or more three are kept, so that each is compared with two others.
    Clips whose names begin with `MIXED` are all trained on.

    Args:
        footage: Normal clips.
        share: Share to hold out; 0 holds out none.
        history: Past frames T of a window.
        tiles: Of an image, tiles x tiles frames, which stay together.
    """
    kept = [clip for clip in footage.clips if clip.name.startswith(MIXED)]
    normal = [clip for clip in footage.clips if not clip.name.startswith(MIXED)]
    held: list[Clip] = []
    least = max(history + 1, tiles**2)
    for scene in {clip.scene for clip in normal}:
        clips = [clip for clip in normal if clip.scene == scene]
        count = round(share * len(clips))
        if share and not history and len(clips) >= FEW:
            count = max(count, LEAST)
        chosen = {int((i + 0.5) * len(clips) / count) for i in range(count)}
        for i, clip in enumerate(clips):
            whole = ((), (clip,)) if i in chosen else ((clip,), ())
            ours, theirs = whole if 0 < count < len(clips) else cut(clip, share, least)
            kept += ours
            held += theirs
    first, second = (
        replace(footage, clips=tuple(sorted(part, key=lambda clip: clip.start)))
        for part in (kept, held)
    )
    return first, second


def cut(clip: Clip, share: float, least: int) -> tuple[tuple[Clip, ...], tuple[Clip, ...]]:
    """A clip and its end; no end where a part would have less than `least` frames."""
    first = round((1 - share) * clip.length)
    if min(first, clip.length - first) < least:
        return (clip,), ()
    end = replace(clip, start=clip.start + first, length=clip.length - first)
    return (replace(clip, length=first),), (end,)


Part = Literal["train", "held_out", "test"]

STREET_CLIPS = {"train": 24, "test": 10}

STREET_PEOPLE = 2.0  # on view at a time: a quiet street


@dataclass(frozen=True)
class LabelledFootage:
    """A decoded split and what is known about it."""

    footage: Footage
    labels: np.ndarray | None  # (N,) uint8, 1 = abnormal; None where unlabelled
    label_name: str  # which label set, for the ledger
    masks: Callable[[str], np.ndarray] | None = None  # clip's name to (frames, H, W) bool
    classes: np.ndarray | None = None  # (N,) of images: which digit, which kind of defect

    @property
    def scenes(self) -> tuple[str, ...]:
        """Names of the fixed views, sorted."""
        return tuple(sorted({clip.scene for clip in self.footage.clips}))


def load_split(data: DataConfig, split: Part) -> LabelledFootage:
    """Frames and labels of one split; `DmadError` says what is missing.

    `train` is the normal footage without the clips that are kept for calibration; `held_out`
    is those.
    """
    built_in: dict[str, Callable[[DataConfig, SplitName], LabelledFootage]] = {
        "street": _street,
        "mnist": _mnist,
        "digits": _digits,
        "mvtec": _images,
        "images": _images,
    }
    load = built_in.get(data.layout, _from_disk)
    found = load(data, "test" if split == "test" else "train")
    if split != "held_out":  # of the same files as `train`, which has told of them
        warn_about(found.footage.skipped, logger)
    if split == "test":
        return found
    kept = hold_out(found.footage, data.held_out, data.history, data.tiles)
    part = kept[split == "held_out"]
    require(
        bool(part.clips),
        f"nothing normal is left for split {split} with --data.held_out {data.held_out:g}; give "
        "more normal clips, six good images or more, or another share",
    )
    return replace(found, footage=part)


def lying(data: DataConfig, root: Path | None, cache: Path | None) -> DataConfig:
    """The data's settings, with its places said anew."""
    root, cache = root or data.root, cache or data.cache
    return replace(
        data, root=root and Path(root).absolute(), cache=cache and Path(cache).absolute()
    )


def trained_on(data: DataConfig) -> bool:
    """Whether the clips of the test split that hold nothing abnormal are those of training too."""
    if data.layout != "video":
        return False
    train, test = (
        find_split(data.layout, needed_root(data), split) for split in get_args(SplitName)
    )
    return train.sources == test.sources


def needed_root(data: DataConfig) -> Path:
    """`data.root`, checked to be given and there."""
    require(data.root is not None, f"{data.layout} needs its data; give --data.root PATH")
    root = Path(data.root or "")
    require(root.exists(), f"--data.root {root} does not exist; give the folder of the data set")
    return root


def _from_disk(data: DataConfig, split: SplitName) -> LabelledFootage:
    found = find_split(data.layout, needed_root(data), split)
    footage = read(found.sources, data)
    clips = {clip.name: clip for clip in footage.clips}

    def masks(name: str) -> np.ndarray:
        return read_masks(found, clips[name], data.size)

    if split == "train" and found.label_name:
        return LabelledFootage(normal_clips(found, footage), None, "")
    have = all(found.masks)
    return LabelledFootage(
        footage, align(found, footage), found.label_name, masks if have else None
    )


def _images(data: DataConfig, split: SplitName) -> LabelledFootage:
    """Every image as a clip of one frame, or of one a tile."""
    found = find_images(data, needed_root(data), split)
    files = {file.name: file for file in found.files}
    sources = [ClipSource(file.name, file.path) for file in found.files]
    footage = read(sources, data)
    footage = replace(footage, skipped=(*footage.skipped, *found.notes))

    def masks(name: str) -> np.ndarray:
        """(1, H, W); (0, H, W) where an abnormal image has no mask."""
        if files[name].kind != "abnormal":
            return np.zeros((1, data.canvas, data.canvas), bool)
        mask = files[name].mask
        read = [] if mask is None else [shrink(read_mask(mask), data.canvas)]
        return np.array(read, bool).reshape(-1, data.canvas, data.canvas)

    labels = [files[clip.name].kind == "abnormal" for clip in footage.clips]  # one an image
    have = any(file.mask for file in found.files)
    name = f"{data.layout} {data.categories}".strip()
    kinds = np.array([Path(clip.name).parent.name for clip in footage.clips])
    return LabelledFootage(
        footage, np.array(labels, np.uint8), name, masks if have else None, kinds
    )


def _street(data: DataConfig, split: SplitName) -> LabelledFootage:
    from dmad.data.synthetic.street import Street, abnormal_clip, normal_clip

    street = Street(size=data.size, channels=data.channels, people=STREET_PEOPLE)
    render = normal_clip if split == "train" else abnormal_clip
    clips = [render(street, index) for index in range(STREET_CLIPS[split])]
    footage = stack([clip.frames for clip in clips], street.fps)
    labels = np.concatenate([clip.labels for clip in clips])
    masks = [clip.masks for clip in clips]
    return LabelledFootage(footage, labels, "street script", lambda name: masks[int(name)])


def _mnist(data: DataConfig, split: SplitName) -> LabelledFootage:
    """From the four IDX files, packed (.gz) or not."""
    from torchvision.datasets import MNIST
    from torchvision.datasets.utils import extract_archive

    root = needed_root(data)
    packed = sorted((root / "MNIST" / "raw").glob("*.gz"))
    try:
        with TemporaryDirectory() as scratch:
            unpacked = Path(scratch) / "MNIST" / "raw"
            unpacked.mkdir(parents=True)
            for archive in packed:
                extract_archive(archive, unpacked)
            found = MNIST(scratch if packed else str(root), train=split == "train")
    except (RuntimeError, OSError, EOFError, ValueError) as error:
        told = f"no MNIST under {root}; expected {root}/MNIST/raw with the four IDX files"
        raise DmadError(told) from error
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
    return LabelledFootage(stack([frames]), labels, name, classes=classes[keep])


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
