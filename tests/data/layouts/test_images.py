"""Which images are trained on and which are tested, in MVTec's layout and in own folders."""

import pytest

from dmad.config import ImageDataConfig
from dmad.data.footage import LabelledFootage
from dmad.data.layouts.images import categories, find_images
from dmad.errors import DmadError

SIZE = 32


def names(images: LabelledFootage) -> list[str]:
    return [clip.name for clip in images.footage.clips]


def test_the_layout_of_mvtec_gives_images_labels_and_masks(
    write_mvtec, load_images, logged
) -> None:
    write_mvtec()
    train, test = load_images("train", "mvtec"), load_images("test", "mvtec")
    assert names(train) == [f"train/good/00{i}.png" for i in range(3)]
    assert train.footage.frames.shape == (3, SIZE, SIZE, 3)
    assert names(test)[0] == "test/good/000.png"
    assert test.labels.tolist() == [0] * 3 + [1] * 6
    for name, label in zip(names(test), test.labels, strict=True):
        (found,) = test.masks(name)
        assert found.sum() == int(label) * SIZE * SIZE // 4
    assert logged() == ""


def test_one_of_several_categories_must_be_named(
    write_mvtec, write_image, load_images, tmp_path
) -> None:
    for category in ("bottle", "screw"):
        write_mvtec(category)
    write_image("licence.png")
    assert categories(tmp_path / "data") == ["bottle", "screw"]
    with pytest.raises(DmadError, match=r"holds 2 categories.*--data.categories bottle"):
        load_images("train", "mvtec")
    with pytest.raises(DmadError, match=r"holds the categories bottle, screw, and .* recipe mvtec"):
        load_images("train")
    with pytest.raises(DmadError, match="no category cable; it has bottle, screw"):
        load_images("train", "mvtec", categories="cable")
    found = load_images("test", "mvtec", categories="screw")
    assert len(names(found)) == 9
    assert found.label_name == "mvtec screw"


def test_the_root_may_be_the_folder_of_one_category(write_mvtec, tmp_path) -> None:
    write_mvtec()
    data = ImageDataConfig(root=tmp_path / "data" / "bottle", layout="mvtec", categories="bottle")
    assert len(find_images(data, data.root, "train").files) == 3


def test_folders_named_normal_and_abnormal_are_found_anywhere(
    write_image, write_mask, load_images
) -> None:
    for i in range(10):
        write_image(f"shift1/Normal/a{i}.png", i)
    for i in range(2):
        write_image(f"shift1/abnormal/b{i}.png", i)
        write_mask(f"masks/b{i}.png")
    write_image("overview.png")
    train, test = load_images("train"), load_images("test")
    assert len(names(train)) == 8
    assert set(names(train)).isdisjoint(names(test))
    assert test.labels.tolist() == [0, 0, 1, 1]
    assert test.masks("shift1/abnormal/b0.png").mean() == 0.25


def test_good_images_alone_are_trained_on(write_image, load_images) -> None:
    for i in range(16):
        write_image(f"IMG_{i}.jpg", i)
    assert len(names(load_images("train"))) == 16
    kept, held = load_images("train", held_out=0.125), load_images("held_out", held_out=0.125)
    assert (len(names(kept)), len(names(held))) == (13, 3)
    assert set(names(kept)).isdisjoint(names(held))
    with pytest.raises(DmadError, match="no images to test on"):
        load_images("test")


def test_folders_of_unknown_names_are_taken_as_good_and_reported(
    write_image, load_images, logged
) -> None:
    for i in range(4):
        write_image(f"gut/{i}.png", i)
        write_image(f"schlecht/{i}.png", 9 + i)
    assert len(names(load_images("train"))) == 8
    told = logged()
    assert "all 8 images of the folders gut, schlecht are taken as good" in told


def test_folders_named_pass_and_fail_are_known(write_image, load_images) -> None:
    for i in range(5):
        write_image(f"PASS/{i}.png", i)
        write_image(f"fail/{i}.png", 9 + i)
    assert names(load_images("train")) == [f"PASS/{i}.png" for i in range(4)]
    assert load_images("test").labels.sum() == 5


def test_images_outside_the_folders_of_good_ones_are_reported(
    write_image, load_images, logged
) -> None:
    for i in range(3):
        write_image(f"good/{i}.png", i)
    write_image("loose.png")
    assert len(names(load_images("train"))) == 3
    assert "1 images left out: their folders are not named normal" in logged()


def test_unusable_files_are_reported_and_skipped(write_image, load_images, logged) -> None:
    for i in range(3):
        write_image(f"good/{i}.png", i)
    write_image("good/corrupt.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing")
    write_image("good/empty.jpg").write_bytes(b"")
    write_image("good/dot.png", size=(1, 1))
    assert len(names(load_images("train"))) == 3
    told = logged().splitlines()
    assert len(told) == 3
    assert all("left out" in line for line in told)
    assert any("dot.png" in line and "1 x 1 pixels" in line for line in told)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([], "holds no images; expected .png"),
        (["good/a.png"], "holds 1 good images"),
        (["abnormal/a.png", "abnormal/b.png"], "holds 0 good images among 2"),
    ],
)
def test_too_few_images_are_an_error_of_one_line(
    write_image, load_images, tmp_path, files, message
) -> None:
    (tmp_path / "data").mkdir()
    for name in files:
        write_image(name)
    with pytest.raises(DmadError, match=message) as caught:
        load_images("train")
    assert "\n" not in str(caught.value)


def test_images_that_are_all_corrupt_are_an_error(write_image, load_images) -> None:
    for i in range(2):
        write_image(f"{i}.png").write_bytes(b"x")
    with pytest.raises(DmadError, match="none of 2 images"):
        load_images("train")


@pytest.mark.data
@pytest.mark.parametrize(("category", "good", "bad"), [("bottle", 209, 63), ("screw", 320, 119)])
def test_mvtec_has_the_published_images(data_root, category: str, good: int, bad: int) -> None:
    if not (data_root / "mvtec" / category).is_dir():
        pytest.skip(f"no mvtec/{category} under {data_root}")
    data = ImageDataConfig(root=data_root / "mvtec", layout="mvtec", categories=category)
    train, test = (find_images(data, data.root, split) for split in ("train", "test"))
    assert len(train.files) == good
    masks = [file for file in test.files if file.masks]
    assert len(masks) == bad
    assert test.notes == ()
