"""The names of folders tell what an image is; files that cannot be read are counted."""

import pytest

from dmad.data.layouts.image_folders import scan
from dmad.errors import DmadError


@pytest.mark.parametrize(
    ("name", "kind", "split"),
    [
        ("train/good/0.png", "normal", "train"),
        ("train/0.png", "normal", "train"),
        ("test/good/0.png", "normal", "test"),
        ("test/crack/0.png", "abnormal", "test"),
        ("line 3/NG/0.png", "abnormal", None),
        ("ground_truth/crack/0_mask.png", "mask", None),
        ("photos/0.png", "unnamed", None),
    ],
)
def test_folders_tell_kind_and_split(write_image, tmp_path, name, kind, split):
    write_image(name)
    (file,) = scan(tmp_path / "data").files
    assert (file.name, file.kind, file.split) == (name, kind, split)


def test_a_mask_may_be_beside_its_image(write_image, tmp_path):
    for name in ("a.png", "a_mask.png", "b_gt.png"):
        write_image(name)
    kinds = {file.name: file.kind for file in scan(tmp_path / "data").files}
    assert kinds == {"a.png": "unnamed", "a_mask.png": "mask", "b_gt.png": "unnamed"}


def test_one_image_may_be_scanned(write_image):
    path = write_image("x/a.png")
    (file,) = scan(path).files
    assert file.name == "a.png"


def test_files_that_are_left_out_are_counted(write_image, tmp_path) -> None:
    for i in range(3):
        write_image(f"normal/{i}.png", i)
    for name in ("IMG_1.HEIC", "IMG_2.gif"):
        (tmp_path / "data/normal" / name).write_bytes(b"other")
    (tmp_path / "data/normal/lost.png").symlink_to("nowhere.png")
    write_image(".thumbs/0.png")
    for folder in ("overlays", "maps", "fields"):
        write_image(f"predictions/{folder}/0.png")
    (tmp_path / "data/predictions/scores.csv").write_text("image")
    write_image("elsewhere/3.png")
    (tmp_path / "data/elsewhere").rename(tmp_path / "elsewhere")
    (tmp_path / "data/normal/more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data/normal/loop").symlink_to(tmp_path / "data")
    (tmp_path / "data/latest").symlink_to(tmp_path / "data/normal")
    scanned = scan(tmp_path / "data")
    expected = [f"normal/{name}" for name in ("0.png", "1.png", "2.png", "more/3.png")]
    assert sorted(file.name for file in scanned.files) == expected
    notes = "\n".join(scanned.notes)
    assert "2 images of other formats left out (.heic, .gif): save them as .png or .jpg" in notes
    assert "1 broken links left out" in notes


def test_images_of_other_kinds_alone_are_an_error(tmp_path) -> None:
    (tmp_path / "IMG_1.HEIC").write_bytes(b"other")
    with pytest.raises(DmadError, match=r"holds no images; .* 1 images of other formats .*heic"):
        scan(tmp_path)
