"""Each abnormal image gets its own mask, and masks that cannot be used are reported."""

from pathlib import Path

from PIL import Image

from dmad.data.footage import LabelledFootage


def names(images: LabelledFootage) -> list[str]:
    return [clip.name for clip in images.footage.clips]


def test_a_mask_belongs_to_one_image_and_never_to_a_good_one(
    write_image, write_mask, load_images
) -> None:
    for i in range(10):
        write_image(f"{i:03d}.png", i)
    write_image("abnormal/scratch/000.png")
    write_image("abnormal/dent/000.png")
    write_mask("masks/scratch/000.png")
    write_image("abnormal/dent/001.png")
    write_image("abnormal/cut/002.png")
    write_image("abnormal/hole/002.png")
    for name in ("001.png", "002.png"):
        write_mask(f"masks/{name}")
    test = load_images("test")
    assert test.masks("abnormal/scratch/000.png").mean() == 0.25
    assert test.masks("abnormal/dent/001.png").mean() == 0.25
    for name in ("dent/000.png", "cut/002.png", "hole/002.png"):
        assert len(test.masks(f"abnormal/{name}")) == 0
    assert not test.masks("004.png").any()
    assert len(test.masks("004.png")) == 1


def test_masks_without_an_image_and_of_another_size_are_reported(
    write_mvtec, write_image, write_mask, load_images, logged
) -> None:
    write_mvtec()
    write_mask("bottle/ground_truth/crack/000_mask.png", (20, 20))
    write_mask("bottle/ground_truth/crack/999_mask.png")
    write_image("bottle/test/crack/777.png")
    broken = write_mask("bottle/ground_truth/scratch/001_mask.png")
    broken.write_bytes(b"not a picture")
    test = load_images("test", "mvtec")
    told = logged().splitlines()
    assert len(told) == 4
    assert any("its mask is 20 x 20 pixels, the image 40 x 40" in line for line in told)
    assert any("777.png: no mask has its name" in line for line in told)
    assert any("999_mask.png belongs to no image" in line for line in told)
    assert any("the mask 001_mask.png is unreadable" in line for line in told)
    shapes = {name: len(test.masks(name)) for name in names(test)}
    left_out = {"test/crack/000.png", "test/crack/777.png", "test/scratch/001.png"}
    assert {name for name, count in shapes.items() if count == 0} == left_out


def test_masks_are_found_beside_their_images_and_in_folders_of_their_kind(
    write_image, write_mask, load_images
) -> None:
    for i in range(5):
        write_image(f"good/{i}.png", i)
    for place in ("abnormal/dent/masks", "abnormal/scratch/masks"):
        write_image(f"{Path(place).parent}/7.png")
        write_mask(f"{place}/7.png")
    write_image("abnormal/8.jpg")
    write_mask("abnormal/8_mask.png")
    test = load_images("test")
    abnormal = [name for name, label in zip(names(test), test.labels, strict=True) if label]
    assert sorted(abnormal) == ["abnormal/8.jpg", "abnormal/dent/7.png", "abnormal/scratch/7.png"]
    assert all(len(test.masks(name)) == 1 for name in abnormal)


def test_an_empty_mask_is_reported(write_image, write_mask, load_images, logged) -> None:
    for i in range(5):
        write_image(f"good/{i}.png", i)
    write_image("abnormal/0.png")
    Image.new("L", (40, 40)).save(write_mask("masks/0.png"))
    test = load_images("test")
    assert "the mask 0.png is empty" in logged()
    assert test.masks is None or not len(test.masks("abnormal/0.png"))
