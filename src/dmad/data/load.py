"""One call from configuration to decoded, labelled frames, whatever the data set."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, get_args

import numpy as np

from dmad.config import DataConfig
from dmad.data.frames import Clip, ClipSource, Footage, load_footage
from dmad.data.holding import hold_out
from dmad.data.images import find_images
from dmad.data.labels import align, normal_clips, read_masks
from dmad.data.layouts import SplitName, find_split
from dmad.data.masks import read_mask, shrink
from dmad.errors import DmadError, require

Part = Literal["train", "held_out", "test"]
TOLD = 10  # lines about damaged data
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
        tell(found.footage.skipped)
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


def fingerprint(footage: Footage) -> str:
    """sha256 over clips and a sample of frames: which data a model saw."""
    found = sha256(repr([(c.name, c.length) for c in footage.clips]).encode())
    for index in np.linspace(0, len(footage.frames) - 1, 64).astype(int):
        found.update(footage.frames[index].tobytes())
    return found.hexdigest()


def digest(footage: Footage, clip: Clip) -> str:
    """sha256 of a clip's frames: which clip it is, whatever it is called."""
    return sha256(np.ascontiguousarray(footage.frames[clip.span]).data).hexdigest()


def unseen(footage: Footage, known: Collection[str] = ()) -> Footage:
    """Without clips that show the same as another or, by its `digest`, as one that is known."""
    first: dict[str, Clip] = {}
    for clip in footage.clips:
        first.setdefault(digest(footage, clip), clip)
    fresh = tuple(clip for name, clip in first.items() if name not in known)
    if again := len(footage.clips) - len(fresh):
        tell([f"{again} of {len(footage.clips)} clips are there already; each counts once"])
    return replace(footage, clips=fresh)


def read(sources: Sequence[ClipSource], data: DataConfig) -> Footage:
    """Clips decoded as the settings say; those too short for a window are left out."""
    return load_footage(
        sources,
        data.size,
        data.channels,
        data.cache,
        minimum=data.history + 1,
        tiles=data.tiles,
        antialias=data.antialias,
    )


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
    labels = np.concatenate([clip.labels for clip in clips])
    masks = [clip.masks for clip in clips]
    return LabelledFootage(footage, labels, "street script", lambda name: masks[int(name)])


def stack(clips: Sequence[np.ndarray], fps: float = 0.0) -> Footage:
    """Footage of clips (T, H, W, C) uint8 that are already in memory."""
    starts = np.cumsum([0, *(len(clip) for clip in clips)])
    made = [
        Clip(f"{index:03d}", "", int(starts[index]), len(clip), fps)
        for index, clip in enumerate(clips)
    ]
    return Footage(np.concatenate(clips), tuple(made), ())


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
