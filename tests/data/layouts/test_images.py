"""Folders of images: which are normal, whose mask is whose, and files that are not sound."""

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dmad.config import ImageDataConfig
from dmad.data.layouts.describe import describe_images, describe_loose_images
from dmad.data.layouts.images import categories, find_images
from dmad.data.reading.image_files import image_size
from dmad.data.layouts.image_folders import scan
from dmad.data.masks import read_mask
from dmad.data.splits import load_split
from dmad.data.footage import LabelledFootage
from dmad.errors import DmadError

SIZE = 32


@pytest.fixture
def put(tmp_path) -> Callable[..., Path]:
    """Writes a picture under the test's data folder."""

    def write(name: str, seed: int = 0, size: tuple[int, int] = (40, 40), **options) -> Path:
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(seed).integers(0, 255, (*size[::-1], 3), np.uint8)
        Image.fromarray(noise).save(path, **options)
        return path

    return write


@pytest.fixture
def mask(tmp_path) -> Callable[..., Path]:
    """Writes a mask, white in the upper left quarter."""

    def write(name: str, size: tuple[int, int] = (40, 40)) -> Path:
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        drawn = np.zeros(size[::-1], np.uint8)
        drawn[: size[1] // 2, : size[0] // 2] = 255
        Image.fromarray(drawn).save(path)
        return path

    return write


@pytest.fixture
def loaded(tmp_path) -> Callable[..., LabelledFootage]:
    def load(split: str, layout: str = "images", **data) -> LabelledFootage:
        settings = {"held_out": 0.0, "size": SIZE, **data}
        return load_split(
            ImageDataConfig(
                root=tmp_path / "data", layout=layout, cache=tmp_path / "cache", **settings
            ),
            split,
        )

    return load


def names(found: LabelledFootage) -> list[str]:
    return [clip.name for clip in found.footage.clips]


def mvtec(put, mask, category: str = "bottle") -> None:
    for i in range(3):
        put(f"{category}/train/good/00{i}.png", i)
        put(f"{category}/test/good/00{i}.png", 10 + i)
        put(f"{category}/test/crack/00{i}.png", 20 + i)
        put(f"{category}/test/scratch/00{i}.png", 20 + i)
        mask(f"{category}/ground_truth/crack/00{i}_mask.png")
        mask(f"{category}/ground_truth/scratch/00{i}_mask.png")


def test_layout_of_mvtec(put, mask, loaded, logged) -> None:
    mvtec(put, mask)
    train, test = loaded("train", "mvtec"), loaded("test", "mvtec")
    assert names(train) == [f"train/good/00{i}.png" for i in range(3)]
    assert train.footage.frames.shape == (3, SIZE, SIZE, 3)
    assert names(test)[0] == "test/good/000.png"
    assert test.labels.tolist() == [0] * 3 + [1] * 6
    for name, label in zip(names(test), test.labels, strict=True):
        (found,) = test.masks(name)
        assert found.sum() == int(label) * SIZE * SIZE // 4
    assert logged() == ""


def test_categories_are_chosen(put, mask, loaded, tmp_path) -> None:
    for category in ("bottle", "screw"):
        mvtec(put, mask, category)
    put("licence.png")
    assert categories(tmp_path / "data") == ["bottle", "screw"]
    with pytest.raises(DmadError, match=r"holds 2 categories.*--data.categories bottle"):
        loaded("train", "mvtec")
    with pytest.raises(DmadError, match=r"holds the categories bottle, screw, and .* recipe mvtec"):
        loaded("train")
    with pytest.raises(DmadError, match="no category cable; it has bottle, screw"):
        loaded("train", "mvtec", categories="cable")
    found = loaded("test", "mvtec", categories="screw")
    assert len(names(found)) == 9
    assert found.label_name == "mvtec screw"


def test_a_folder_is_described(put, mask, tmp_path) -> None:
    mvtec(put, mask)
    said = "3 good images to train on, 6 abnormal ones, 6 masks"
    assert describe_images(tmp_path / "data") == [f"mvtec: bottle: {said}"]
    assert describe_images(tmp_path / "data" / "bottle") == [f"images: bottle: {said}"]
    put("frames/clip/000.png")
    assert describe_images(tmp_path / "data" / "frames") == []
    assert describe_loose_images(tmp_path / "data" / "frames") == []
    loose = describe_loose_images(tmp_path / "data" / "frames" / "clip")
    assert loose == ["or, for recipe images: 1 good images to train on"]


def test_the_folder_of_one_category_will_do(put, mask, tmp_path) -> None:
    mvtec(put, mask)
    data = ImageDataConfig(root=tmp_path / "data" / "bottle", layout="mvtec", categories="bottle")
    assert len(find_images(data, data.root, "train").files) == 3


def test_named_folders_anywhere(put, mask, loaded) -> None:
    for i in range(10):
        put(f"shift1/Normal/a{i}.png", i)
    for i in range(2):
        put(f"shift1/abnormal/b{i}.png", i)
        mask(f"masks/b{i}.png")
    put("overview.png")
    train, test = loaded("train"), loaded("test")
    assert len(names(train)) == 8
    assert set(names(train)).isdisjoint(names(test))
    assert test.labels.tolist() == [0, 0, 1, 1]
    assert test.masks("shift1/abnormal/b0.png").mean() == 0.25


def test_a_mask_is_of_one_image_and_good_ones_have_none(put, mask, loaded) -> None:
    for i in range(10):
        put(f"{i:03d}.png", i)
    put("abnormal/scratch/000.png")
    put("abnormal/dent/000.png")
    mask("masks/scratch/000.png")
    put("abnormal/dent/001.png")
    put("abnormal/cut/002.png")
    put("abnormal/hole/002.png")
    for name in ("001.png", "002.png"):
        mask(f"masks/{name}")
    test = loaded("test")
    assert test.masks("abnormal/scratch/000.png").mean() == 0.25
    assert test.masks("abnormal/dent/001.png").mean() == 0.25
    for name in ("dent/000.png", "cut/002.png", "hole/002.png"):
        assert len(test.masks(f"abnormal/{name}")) == 0
    assert not test.masks("004.png").any()
    assert len(test.masks("004.png")) == 1


def test_good_images_alone(put, loaded) -> None:
    for i in range(16):
        put(f"IMG_{i}.jpg", i)
    assert len(names(loaded("train"))) == 16
    kept, held = loaded("train", held_out=0.125), loaded("held_out", held_out=0.125)
    assert (len(names(kept)), len(names(held))) == (13, 3)
    assert set(names(kept)).isdisjoint(names(held))
    with pytest.raises(DmadError, match="no images to test on"):
        loaded("test")


def test_folders_of_unknown_names_are_told(put, loaded, logged) -> None:
    for i in range(4):
        put(f"gut/{i}.png", i)
        put(f"schlecht/{i}.png", 9 + i)
    assert len(names(loaded("train"))) == 8
    told = logged()
    assert "all 8 images of the folders gut, schlecht are taken as good" in told


def test_what_passed_and_failed_is_known_by_its_folder(put, loaded) -> None:
    for i in range(5):
        put(f"PASS/{i}.png", i)
        put(f"fail/{i}.png", 9 + i)
    assert names(loaded("train")) == [f"PASS/{i}.png" for i in range(4)]
    assert loaded("test").labels.sum() == 5


def test_masks_without_partner_and_of_another_size(put, mask, loaded, logged) -> None:
    mvtec(put, mask)
    mask("bottle/ground_truth/crack/000_mask.png", (20, 20))
    mask("bottle/ground_truth/crack/999_mask.png")
    put("bottle/test/crack/777.png")
    broken = mask("bottle/ground_truth/scratch/001_mask.png")
    broken.write_bytes(b"not a picture")
    test = loaded("test", "mvtec")
    told = logged().splitlines()
    assert len(told) == 4
    assert any("its mask is 20 x 20 pixels, the image 40 x 40" in line for line in told)
    assert any("777.png: no mask of that name" in line for line in told)
    assert any("999_mask.png belongs to no image" in line for line in told)
    assert any("the mask 001_mask.png is unreadable" in line for line in told)
    shapes = {name: len(test.masks(name)) for name in names(test)}
    left_out = {"test/crack/000.png", "test/crack/777.png", "test/scratch/001.png"}
    assert {name for name, count in shapes.items() if count == 0} == left_out


def test_every_kind_of_picture_is_read(tmp_path, loaded) -> None:
    """Grey, 16 bit, RGBA, CMYK and palette, all of one colour, arrive alike."""
    folder = tmp_path / "data"
    folder.mkdir()
    grey = Image.new("L", (40, 40), 200)
    grey.save(folder / "grey.png")
    grey.convert("RGBA").save(folder / "alpha.png")
    grey.convert("CMYK").save(folder / "print.jpg", quality=100)
    grey.convert("P").save(folder / "palette.png")
    grey.convert("RGB").save(folder / "colour.bmp")
    Image.fromarray(np.full((40, 40), 200 * 257, np.uint16)).save(folder / "deep.tif")
    found = loaded("train").footage
    assert found.skipped == ()
    assert len(found.clips) == 6
    assert np.abs(found.frames.astype(int) - 200).max() <= 2


def test_pictures_of_twelve_bits_and_of_eight_in_sixteen(tmp_path, loaded) -> None:
    (tmp_path / "data").mkdir()
    for name, value in (("16", 200 * 257), ("12", 200 * 16), ("8", 200)):
        deep = Image.fromarray(np.full((40, 40), value, np.uint16))
        deep.save(tmp_path / "data" / f"{name}.png")
    assert (loaded("train").footage.frames == 200).all()


def test_what_is_transparent_is_black(tmp_path, loaded) -> None:
    (tmp_path / "data").mkdir()
    for i, hidden in enumerate(((255, 0, 255, 0), (120, 120, 120, 0))):
        Image.new("RGBA", (40, 40), hidden).save(tmp_path / "data" / f"{i}.png")
    assert (loaded("train").footage.frames == 0).all()


def test_masks_beside_their_images_and_under_their_kinds(put, mask, loaded) -> None:
    for i in range(5):
        put(f"good/{i}.png", i)
    for place in ("abnormal/dent/masks", "abnormal/scratch/masks"):
        put(f"{Path(place).parent}/7.png")
        mask(f"{place}/7.png")
    put("abnormal/8.jpg")
    mask("abnormal/8_mask.png")
    test = loaded("test")
    abnormal = [name for name, label in zip(names(test), test.labels, strict=True) if label]
    assert sorted(abnormal) == ["abnormal/8.jpg", "abnormal/dent/7.png", "abnormal/scratch/7.png"]
    assert all(len(test.masks(name)) == 1 for name in abnormal)


@pytest.mark.parametrize("kind", ["turned", "transparent", "jpeg"])
def test_masks_are_read_as_they_are_meant(tmp_path, kind) -> None:
    drawn = np.zeros((40, 20), np.uint8)
    drawn[:10, :10] = 255
    path = tmp_path / ("mask.jpg" if kind == "jpeg" else "mask.png")
    if kind == "turned":
        exif = Image.Exif()
        exif[0x0112] = 6  # to be turned by 90 degrees clockwise
        Image.fromarray(np.rot90(drawn)).save(path, exif=exif)
    elif kind == "transparent":
        white = Image.new("RGBA", (20, 40), "white")
        white.putalpha(Image.fromarray(drawn))
        white.save(path)
    else:
        Image.fromarray(drawn).save(path, quality=30)
    assert (read_mask(path) == (drawn > 0)).all()


def test_an_empty_mask_is_told(put, mask, loaded, logged) -> None:
    for i in range(5):
        put(f"good/{i}.png", i)
    put("abnormal/0.png")
    Image.new("L", (40, 40)).save(mask("masks/0.png"))
    test = loaded("test")
    assert "the mask 0.png is empty" in logged()
    assert test.masks is None or not len(test.masks("abnormal/0.png"))


def test_images_outside_the_folders_of_good_ones_are_counted(put, loaded, logged) -> None:
    for i in range(3):
        put(f"good/{i}.png", i)
    put("loose.png")
    assert len(names(loaded("train"))) == 3
    assert "1 images left out that lie in no folder named normal" in logged()


def test_pictures_are_turned_upright(tmp_path, put, loaded) -> None:
    picture = np.zeros((20, 40, 3), np.uint8)
    picture[:, :20] = 255  # white on the left; turned by a quarter, on top
    exif = Image.Exif()
    exif[0x0112] = 6
    path = put("b.png")
    Image.fromarray(picture).save(path.with_name("a.png"), exif=exif)
    assert image_size(path.with_name("a.png")) == (20, 40)
    deep = picture[..., 0].astype(np.uint16) * 257
    Image.fromarray(deep).save(path.with_name("c.png"), exif=exif)
    whole = loaded("train").footage.frames
    for upright in (whole[0], whole[2]):  # of 8 bits and of 16
        assert upright[: SIZE // 2 - 2].min() == 255
        assert upright[SIZE // 2 + 2 :].max() == 0


def test_what_is_left_out_is_counted(put, loaded, tmp_path, logged) -> None:
    for i in range(3):
        put(f"normal/{i}.png", i)
    for name in ("IMG_1.HEIC", "IMG_2.gif"):
        (tmp_path / "data/normal" / name).write_bytes(b"other")
    (tmp_path / "data/normal/lost.png").symlink_to("nowhere.png")
    put(".thumbs/0.png")
    for folder in ("overlays", "maps", "fields"):
        put(f"predictions/{folder}/0.png")
    (tmp_path / "data/predictions/scores.csv").write_text("image")
    put("elsewhere/3.png")
    (tmp_path / "data/elsewhere").rename(tmp_path / "elsewhere")
    (tmp_path / "data/normal/more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data/normal/loop").symlink_to(tmp_path / "data")
    (tmp_path / "data/latest").symlink_to(tmp_path / "data/normal")
    found = [f"normal/{name}" for name in ("0.png", "1.png", "2.png", "more/3.png")]
    assert sorted(names(loaded("train"))) == found
    told = logged()
    assert "2 pictures of other kinds left out (.heic, .gif): save them as .png or .jpg" in told
    assert "1 broken links left out" in told
    assert "2 pictures of other kinds" in describe_images(tmp_path / "data")[0]


def test_pictures_of_other_kinds_alone_are_named(tmp_path) -> None:
    (tmp_path / "IMG_1.HEIC").write_bytes(b"other")
    with pytest.raises(DmadError, match=r"holds no images; .* 1 pictures of other kinds .*heic"):
        scan(tmp_path)
    assert "1 pictures of other kinds" in describe_loose_images(tmp_path)[0]


def test_unusable_files_are_told_and_skipped(put, loaded, logged) -> None:
    for i in range(3):
        put(f"good/{i}.png", i)
    put("good/corrupt.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing")
    put("good/empty.jpg").write_bytes(b"")
    put("good/dot.png", size=(1, 1))
    assert len(names(loaded("train"))) == 3
    told = logged().splitlines()
    assert len(told) == 3
    assert all("left out" in line for line in told)
    assert any("dot.png" in line and "1 x 1 pixels" in line for line in told)


def test_a_hundred_megapixels(tmp_path, put, loaded) -> None:
    put("a.png")
    Image.new("L", (10_000, 10_000), 120).save(tmp_path / "data" / "b.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frames = loaded("train").footage.frames
    assert len(frames) == 2
    assert (frames[1] == 120).all()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([], "holds no images; expected .png"),
        (["good/a.png"], "holds 1 images of good parts"),
        (["abnormal/a.png", "abnormal/b.png"], "holds 0 images of good parts among 2"),
    ],
)
def test_too_little_is_said_in_one_line(put, loaded, tmp_path, files, message) -> None:
    (tmp_path / "data").mkdir()
    for name in files:
        put(name)
    with pytest.raises(DmadError, match=message) as caught:
        loaded("train")
    assert "\n" not in str(caught.value)


def test_all_corrupt_is_said_in_one_line(put, loaded) -> None:
    for i in range(2):
        put(f"{i}.png").write_bytes(b"x")
    with pytest.raises(DmadError, match="none of 2 images"):
        loaded("train")


@pytest.mark.data
@pytest.mark.parametrize(("category", "good", "bad"), [("bottle", 209, 63), ("screw", 320, 119)])
def test_real_mvtec(data_root, category: str, good: int, bad: int) -> None:
    if not (data_root / "mvtec" / category).is_dir():
        pytest.skip(f"no mvtec/{category} under {data_root}")
    data = ImageDataConfig(root=data_root / "mvtec", layout="mvtec", categories=category)
    train, test = (find_images(data, data.root, split) for split in ("train", "test"))
    assert len(train.files) == good
    masks = [file for file in test.files if file.mask]
    assert len(masks) == bad
    assert test.notes == ()
