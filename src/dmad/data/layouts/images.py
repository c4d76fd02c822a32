"""Images on disk: MVTec's layout, folders named normal, abnormal, masks, or good images alone."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from dmad.config import DataConfig
from dmad.data.layouts.videos import SplitName
from dmad.data.masks import read_mask
from dmad.data.reading.image_files import open_image
from dmad.data.reading.paths import is_image, natural
from dmad.errors import require

NORMAL = frozenset(("normal", "good", "ok", "pass", "passed"))

ABNORMAL = frozenset(("abnormal", "anomaly", "anomalies", "anomalous", "bad", "defect", "defects",
                      "defective", "ng", "nok", "fail", "failed", "reject", "rejects",
                      "rejected"))  # fmt: skip

MASKS = frozenset(("ground_truth", "masks", "mask", "gt"))

SPLITS: dict[str, SplitName] = {
    "train": "train", "training": "train", "test": "test", "testing": "test"
}  # fmt: skip

KEPT = 5  # of the normal images every fifth is kept for testing, where there is no test folder

ENDINGS = ("_mask", "_gt", "-mask")  # of a mask's name, behind that of its image

UNREAD = (".heic", ".heif", ".avif", ".gif", ".jxl", ".jp2", ".psd", ".dng", ".cr2", ".cr3",
          ".nef", ".arw", ".raw", ".pgm", ".ppm", ".pnm", ".tga", ".jpe", ".exr", ".dcm",
          ".svg")  # fmt: skip

DRAWN = frozenset(("overlays", "maps", "fields"))  # folders that `dmad predict` writes

TURNED = (5, 6, 7, 8)  # EXIF orientations that swap width and height

Kind = Literal["normal", "abnormal", "mask", "unnamed"]


@dataclass(frozen=True)
class ImageFile:
    """One image and what its place in the folder says of it."""

    path: Path
    name: str  # path below the root, unique
    kind: Kind
    split: SplitName | None  # None where no folder says
    mask: Path | None = None  # of its defect


@dataclass(frozen=True)
class Images:
    """Images, and one line for each thing that does not fit."""

    files: tuple[ImageFile, ...]
    notes: tuple[str, ...]


def categories(root: Path) -> list[str]:
    """Names of the folders that hold `train`, as MVTec's do, sorted; none of a file."""
    folders = [path for path in root.iterdir() if path.is_dir()] if root.is_dir() else []
    return sorted(path.name for path in folders if (path / "train").is_dir())


def chosen(data: DataConfig, root: Path) -> list[str]:
    """The categories that `data.categories` names, or all there are; none for a single one.

    Raises:
        DmadError: A name that is not there.
    """
    known = categories(root)
    asked = [name.strip() for name in data.categories.split(",") if name.strip()]
    missing = [name for name in asked if name not in known]
    if missing and root.name in asked and not known:  # the category's own folder
        return []
    require(
        not missing,
        f"{root} has no category {', '.join(missing)}; it has {', '.join(known) or 'none'}",
    )
    return asked or known


def find_images(data: DataConfig, root: Path, split: SplitName) -> Images:
    """The images of a split.

    Args:
        data: Layout and category.
        root: Folder of the data set.
        split: `train` takes normal images alone.

    Raises:
        DmadError: No image there, none of good parts, or several categories at once.
    """
    known = [] if data.layout == "mvtec" else categories(root)
    require(
        len(known) < 2,
        f"{root} holds the categories {', '.join(known)}, and a model is for one: give --data.root "
        "one of them, or train all with the recipe mvtec",
    )
    if data.layout == "mvtec" and (names := chosen(data, root)):
        require(
            len(names) == 1,
            f"{root} holds {len(names)} categories and a model is for one; name it with "
            f"--data.categories {names[0]}",
        )
        root = root / names[0]
    there = scan(root)
    if split == "train":
        found = normal_images(there.files, root)
        apart = sum(file.kind == "unnamed" for file in there.files)
        places, told = {file.path.parent.name for file in found}, ""
        if found[0].kind != "unnamed" and apart:
            told = f"{apart} images left out that lie in no folder named normal or train"
        elif found[0].kind == "unnamed" and len(places) > 1:
            told = f"all {len(found)} images of the folders {', '.join(sorted(places))} are taken "
            told += "as good; call folders normal and abnormal where they are not"
        notes = [f"{root}: {told}"] if told else []
        return Images(tuple(found), (*there.notes, *notes))
    tested = test_images(there.files, root)
    masks = [file for file in there.files if file.kind == "mask"]
    judged = matched(tested, masks) if masks else Images(tuple(tested), ())
    return replace(judged, notes=(*judged.notes, *there.notes))


def scan(root: Path) -> Images:
    """Every image under a folder, in natural order, with what its folders are called.

    Args:
        root: The folder, or one image.

    Raises:
        DmadError: No image is there.
    """
    inside = [root] if root.is_file() else list(files_under(root))
    there = (path for path in inside if is_image(path) and path.exists())
    paths = sorted(there, key=lambda path: (path.parent, natural(path)))
    base = root.parent if root.is_file() else root
    stems = {path.with_suffix("") for path in paths}
    found = tuple(_placed(path, path.relative_to(base), stems) for path in paths)
    left = unread(inside)
    require(
        bool(found),
        f"{root} holds no images; expected .png, .jpg, .tif, .bmp or .webp files"
        + "".join(f"; {note}" for note in left),
    )
    return Images(found, tuple(f"{root}: {note}" for note in left))


def files_under(root: Path) -> Iterator[Path]:
    """Every file under a folder: nothing hidden, and none of the pictures of `predict`.

    Links are followed, but not to what lies in the folder anyway.
    """
    home, seen = root.resolve(), set[Path]()
    for place, folders, files in os.walk(root, followlinks=True):
        written = DRAWN if {*folders} >= DRAWN else frozenset()
        inside = [Path(place, name) for name in sorted({*folders} - written) if name[0] != "."]
        folders.clear()
        for path in inside:
            real = path.resolve()
            twice = path.is_symlink() and (real in seen or real.is_relative_to(home))
            folders += [] if twice else [path.name]
            seen.add(real)
        yield from (Path(place, name) for name in files if not name.startswith("."))


def unread(files: Sequence[Path]) -> list[str]:
    """What is said of pictures that cannot be taken; nothing where there are none."""
    kinds = Counter(path.suffix.lower() for path in files)
    other = {kind: kinds[kind] for kind in UNREAD if kinds[kind]}
    lost = sum(is_image(path) and not path.exists() for path in files)
    told = []
    if other:
        kinds_told = f"{sum(other.values())} pictures of other kinds left out ({', '.join(other)})"
        told.append(f"{kinds_told}: save them as .png or .jpg")
    if lost:
        told.append(f"{lost} broken links left out")
    return told


def _placed(path: Path, below: Path, stems: set[Path]) -> ImageFile:
    parts = [part.lower() for part in below.parts[:-1]]
    split = next((SPLITS[part] for part in parts if part in SPLITS), None)
    kinds: list[tuple[frozenset[str], Kind]] = [
        (MASKS, "mask"), (NORMAL, "normal"), (ABNORMAL, "abnormal")
    ]  # fmt: skip
    named = next((kind for names, kind in kinds if names & set(parts)), None)
    usual: dict[SplitName | None, Kind] = {"train": "normal", "test": "abnormal", None: "unnamed"}
    beside = _bare(path) != path.stem and path.with_name(_bare(path)) in stems  # its image
    return ImageFile(path, below.as_posix(), "mask" if beside else named or usual[split], split)


def _bare(mask: Path) -> str:
    """The name of a mask's image."""
    return next((mask.stem.removesuffix(e) for e in ENDINGS if mask.stem.endswith(e)), mask.stem)


def called_good(files: Sequence[ImageFile]) -> list[ImageFile]:
    """Those in folders called good; where there are none, those in folders called nothing."""
    normal = [file for file in files if file.kind == "normal"]
    return normal or [file for file in files if file.kind == "unnamed"]


def normal_images(files: Sequence[ImageFile], root: Path) -> list[ImageFile]:
    """Images to train on: those of `train`, or all normal ones but those kept for testing."""
    normal = called_good([file for file in files if file.split != "test"])
    require(
        len(normal) > 1,
        f"{root} holds {len(normal)} images of good parts among {len(files)}, and training needs "
        "two, better thirty; put them into a folder named normal or train/good",
    )
    inside = [file for file in normal if file.split == "train"]
    kept = {file.name for file in _kept(files, normal)}
    return inside or [file for file in normal if file.name not in kept]


def _kept(files: Sequence[ImageFile], normal: Sequence[ImageFile]) -> list[ImageFile]:
    """Normal images kept for testing: where there are abnormal ones, and no normal ones of it."""
    own = any(file.kind == "normal" and file.split == "test" for file in files)
    abnormal = any(file.kind == "abnormal" for file in files)
    return [] if own or not abnormal else list(normal[KEPT - 1 :: KEPT])


def test_images(files: Sequence[ImageFile], root: Path) -> list[ImageFile]:
    """Abnormal images, and normal ones that are not trained on."""
    normal = [file for file in files if file.kind == "normal" and file.split == "test"]
    if not normal:
        free = [file for file in files if file.kind in ("normal", "unnamed") and not file.split]
        normal = _kept(files, [f for f in free if f.kind == "normal"] or free)
    found = normal + [file for file in files if file.kind == "abnormal"]
    require(
        bool(found),
        f"{root} holds no images to test on; expected a folder test, or one named abnormal",
    )
    return found


def matched(files: Sequence[ImageFile], masks: Sequence[ImageFile]) -> Images:
    """Abnormal images with their masks, by folder and name; each mismatch is noted."""
    given, notes, out = _masks_of(files, masks), [], []
    for file in files:
        mask = given.get(file.name)
        trouble = _trouble(file.path, mask) if file.kind == "abnormal" else ""
        if trouble:
            notes.append(f"{file.name}: {trouble}: left out of the pixel figures")
        out.append(replace(file, mask=None if trouble else mask))
    taken = set(given.values())
    notes += [f"mask {m.name} belongs to no image" for m in masks if m.path not in taken]
    return Images(tuple(out), tuple(notes))


def _by_name(masks: Sequence[ImageFile]) -> dict[tuple[str, str], list[Path]]:
    """Masks by folder and name, and by name alone (folder empty)."""
    places = defaultdict(list)
    for mask in masks:
        inner, outer = mask.path.parent.name, mask.path.parent.parent.name
        for folder in (outer if inner.lower() in MASKS else inner, ""):
            places[folder, _bare(mask.path)].append(mask.path)
    return places


def _masks_of(files: Sequence[ImageFile], masks: Sequence[ImageFile]) -> dict[str, Path]:
    """Of abnormal images the only mask of that folder and name, else the only one of that name.

    By its name alone a mask is of one image, or of none where several could have it.
    """
    places, found = _by_name(masks), dict[str, Path]()
    abnormal = [file for file in files if file.kind == "abnormal"]
    for named in (True, False):
        lacking = [file for file in abnormal if file.name not in found]
        alike = Counter(file.path.stem for file in lacking)
        taken = set(found.values())
        for file in lacking:
            fitting = places.get((file.path.parent.name if named else "", file.path.stem), [])
            if len(fitting) == 1 and (
                named or (alike[file.path.stem] == 1 and fitting[0] not in taken)
            ):
                found[file.name] = fitting[0]
    return found


def _trouble(image: Path, mask: Path | None) -> str:
    """Why a mask cannot be used; empty where it can."""
    if mask is None:
        return "no mask of that name"
    try:
        (a, b), drawn = image_size(image), read_mask(mask)
    except Exception:  # Pillow raises many kinds on broken files
        return f"the mask {mask.name} is unreadable"
    d, c = drawn.shape
    if (a, b) != (c, d):
        return f"its mask is {c} x {d} pixels, the image {a} x {b}"
    return "" if drawn.any() else f"the mask {mask.name} is empty"


def image_size(path: Path) -> tuple[int, int]:
    """Width and height of an image once it is upright."""
    with open_image(path) as image:
        turned = image.getexif().get(0x0112) in TURNED
        return image.size[::-1] if turned else image.size
