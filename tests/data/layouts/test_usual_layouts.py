"""A miniature of each usual data set: which images are trained on and tested, and their masks."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dmad.data.layouts.describe import describe_images
from dmad.errors import DmadError

CORNER, EDGE = (slice(0, 10), slice(0, 10)), (slice(30, 40), slice(0, 40))
Write = Callable[..., Path]


@pytest.fixture
def write_marked(tmp_path) -> Write:
    """Writes a mask of 40 x 40 pixels with a value at some places; without places it is black."""

    def write(name: str, *places: tuple[slice, slice], value: int = 255) -> Path:
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        mask = np.zeros((40, 40), np.uint8)
        for place in places:
            mask[place] = value
        Image.fromarray(mask).save(path)
        return path

    return write


@pytest.fixture
def check(load_images, tmp_path) -> Callable[..., None]:
    """Compares the splits of the data with the expected numbers."""

    def compare(train: int, good: int, abnormal: int, shares: dict[str, float]) -> None:
        assert len(load_images("train").footage.clips) == train
        test = load_images("test")
        assert (test.labels == 0).sum() == good
        assert test.labels.sum() == abnormal
        labelled = zip(test.footage.clips, test.labels, strict=True)
        found = {clip.name: test.masks(clip.name) for clip, label in labelled if label}
        found = {name: float(mask[0].mean()) for name, mask in found.items() if len(mask)}
        assert found == pytest.approx(shares, abs=0.01)
        assert len(describe_images(tmp_path / "data")) == 1

    return compare


def test_mvtec_ad_2(write_image, write_marked, load_images, check, logged) -> None:
    for folder, count in (("train", 4), ("validation", 3), ("test_public", 2)):
        for i in range(count):
            write_image(f"{folder}/good/{i:03d}_regular.png", i)
    for i in range(2):
        write_image(f"test_public/bad/{i:03d}_regular.png", i)
        write_marked(f"test_public/ground_truth/bad/{i:03d}_regular_mask.png", CORNER)
        write_image(f"test_private/{i:03d}_regular.png", i)
    shares = {f"test_public/bad/{i:03d}_regular.png": 1 / 16 for i in range(2)}
    check(4, 2, 2, shares)
    held_out = load_images("held_out", held_out=0.1).footage
    assert [clip.name.split("/")[0] for clip in held_out.clips] == ["validation"] * 3
    assert len(load_images("train", held_out=0.5).footage.clips) == 4
    assert "2 images in test_private left out" in logged()


def test_mvtec_loco(write_image, write_marked, check) -> None:
    for i in range(3):
        write_image(f"train/good/{i:03d}.png", i)
        write_image(f"test/good/{i:03d}.png", i)
        write_image(f"test/logical_anomalies/{i:03d}.png", i)
    truth = "ground_truth/logical_anomalies"
    write_marked(f"{truth}/000/000.png", CORNER, value=254)
    write_marked(f"{truth}/000/001.png", EDGE, value=253)
    write_marked(f"{truth}/001/000.png", EDGE, value=254)
    names = [f"test/logical_anomalies/{i:03d}.png" for i in range(2)]
    check(3, 3, 3, {names[0]: 5 / 16, names[1]: 1 / 4})


def test_visa(write_image, write_marked, load_images, tmp_path) -> None:
    for i in range(5):
        write_image(f"candle/Data/Images/Normal/{i:04d}.JPG", i)
    for i in range(2):
        write_image(f"candle/Data/Images/Anomaly/{i:03d}.JPG", i)
        write_marked(f"candle/Data/Masks/Anomaly/{i:03d}.png", CORNER, value=1 + i)
    rows = ["object,split,label,image,mask"]
    rows += [f"candle,train,normal,candle/Data/Images/Normal/{i:04d}.JPG," for i in range(3)]
    rows += [f"candle,test,normal,candle/Data/Images/Normal/{i:04d}.JPG," for i in (3, 4)]
    rows += [f"candle,test,anomaly,candle/Data/Images/Anomaly/{i:03d}.JPG," for i in range(2)]
    table = tmp_path / "data/split_csv/1cls.csv"
    table.parent.mkdir()
    table.write_text("\n".join(rows))
    for root, layout in (("data", "mvtec"), ("data/candle", "images")):
        settings = {"root": tmp_path / root, "layout": layout}
        train, test = (load_images(split, **settings) for split in ("train", "test"))
        assert len(train.footage.clips) == 3
        assert test.labels.tolist() == [0, 0, 1, 1]
        assert test.masks("Data/Images/Anomaly/001.JPG").mean() == pytest.approx(1 / 16, abs=0.01)
    assert (
        "3 good images to train on; to test, 2 good and 2" in describe_images(tmp_path / "data")[0]
    )
    table.write_text("object,image\ncandle,x")
    with pytest.raises(DmadError, match="is not the table of splits"):
        load_images("train", root=tmp_path / "data/candle")


def test_btad(write_image, write_marked, check) -> None:
    for i in range(3):
        write_image(f"train/ok/{i:04d}.bmp", i)
        write_image(f"test/ok/{i:04d}.bmp", i)
    for i, suffix in enumerate((".bmp", ".png")):
        write_image(f"test/ko/{i:04d}.bmp", i)
        write_marked(f"ground_truth/ko/{i:04d}{suffix}", CORNER)
    check(3, 3, 2, {f"test/ko/{i:04d}.bmp": 1 / 16 for i in range(2)})


def test_kolektor_sdd(write_image, write_marked, check) -> None:
    for item in range(3):
        for part in range(4):
            name = f"kos{item:02d}/Part{part}"
            write_image(f"{name}.jpg", item + part)
            write_marked(f"{name}_label.bmp", *([CORNER] if part == 3 else []))
    check(8, 1, 3, {f"kos{item:02d}/Part3.jpg": 1 / 16 for item in range(3)})


def test_kolektor_sdd_2(write_image, write_marked, check) -> None:
    for split, marked in (("train", 2), ("test", 1)):  # names of images repeat
        for i in range(5):
            write_image(f"{split}/{10000 + i}.png", i)
            write_marked(f"{split}/{10000 + i}_GT.png", *([EDGE] if i < marked else []))
    check(3, 4, 1, {"test/10000.png": 1 / 4})


def test_real_iad(write_image, write_marked, check) -> None:
    for i in range(5):
        write_image(f"OK/S{i:04d}/x_{i:04d}_OK_C1.jpg", i)
    for i in range(2):
        write_image(f"NG/HS/S{i:04d}/x_{i:04d}_NG_C1.jpg", i)
        write_marked(f"NG/HS/S{i:04d}/x_{i:04d}_NG_C1.png", CORNER)
    check(4, 1, 2, {f"NG/HS/S{i:04d}/x_{i:04d}_NG_C1.jpg": 1 / 16 for i in range(2)})


def test_magnetic_tile(write_image, write_marked, check) -> None:
    for i in range(5):
        write_image(f"MT_Free/Imgs/exp1_num_{i}.jpg", i)
        write_marked(f"MT_Free/Imgs/exp1_num_{i}.png")
    for i in range(2):
        write_image(f"MT_Crack/Imgs/exp2_num_{i}.jpg", i)
        write_marked(f"MT_Crack/Imgs/exp2_num_{i}.png", CORNER)
    check(4, 1, 2, {f"MT_Crack/Imgs/exp2_num_{i}.jpg": 1 / 16 for i in range(2)})


def test_mpdd(write_image, write_marked, check) -> None:
    for i in range(3):
        write_image(f"train/good/{i:03d}.png", i)
        write_image(f"test/good/{i:03d}.png", i)
        write_image(f"test/hole/{i:03d}.png", i)
        write_marked(f"ground_truth/hole/{i:03d}_mask.png", EDGE)
    check(3, 3, 3, {f"test/hole/{i:03d}.png": 1 / 4 for i in range(3)})


def test_a_plain_folder_with_masks_of_the_defects_alone(
    write_image, write_marked, check, logged
) -> None:
    for i in range(7):
        write_image(f"good/{i}.png", i)
    for i in range(2):
        write_image(f"bad/{i}.png", i)
        write_marked(f"bad/{i}_defect.png", CORNER)
        write_marked(f"bad/{i}_defect_2.png", EDGE)
    check(6, 1, 2, {f"bad/{i}.png": 5 / 16 for i in range(2)})


def test_shapes_of_labelme_are_masks_and_are_reported(write_image, load_images, tmp_path, logged):
    for i in range(6):
        write_image(f"{i}.jpg", i)
    corners = "[[0, 0], [39, 0], [39, 9], [0, 9]]"
    shapes = f'[{{"label": "dent", "shape_type": "polygon", "points": {corners}}}]'
    for i in range(2):
        text = f'{{"shapes": {shapes}, "imageHeight": 40, "imageWidth": 40}}'
        (tmp_path / f"data/{i}.json").write_text(text)
    assert len(load_images("train").footage.clips) == 4
    assert "2 files of labelme: their shapes mark defects" in logged()
    test = load_images("test")
    assert test.labels.sum() == 2
    assert test.masks("0.jpg").mean() == pytest.approx(1 / 4, abs=0.02)
