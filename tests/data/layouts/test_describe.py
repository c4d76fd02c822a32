"""`dmad data` says what a folder holds, what is missing and where to get it."""

import numpy as np
import pytest
from PIL import Image

from dmad.data.layouts.describe import describe, describe_images, describe_loose_images
from dmad.errors import DmadError


def test_missing_parts_of_a_data_set_are_named(avenue):
    text = describe(avenue)
    assert "avenue: CUHK Avenue" in text
    assert "train: 3 clips, 9 frames" in text
    assert "test: 3 clips, 12 frames, 3 clips with fewer than 5; labels: avenue .mat masks" in text
    assert "16 training and 21 test clips" in text
    assert "cuhk.edu.hk" in text
    assert "ped2" not in text


def test_shanghaitech_is_known_by_the_names_of_its_clips(write_benchmark, tmp_path):
    text = describe(write_benchmark(tmp_path, {"01_001": 2}, {"01_0014": 3}))
    assert "shanghaitech" in text
    assert "ped2" not in text
    assert "labels: none" in text


def test_labels_that_do_not_fit_are_reported(write_benchmark, tmp_path):
    root = write_benchmark(tmp_path, {"01": 2}, {"01": 3})
    np.save(root / "frame_labels.npy", np.zeros(9))
    assert "labels 9 frames" in describe(root)


def test_own_videos_and_empty_folders_are_described(mine, tmp_path):
    assert "video: videos or folders" in describe(mine)
    assert "to evaluate, give labels.csv" in describe(mine)
    (tmp_path / "void").mkdir()
    text = describe(tmp_path / "void")
    assert "svcl.ucsd.edu" in text
    assert "svip-lab" in text
    assert "mnist" in text
    with pytest.raises(DmadError, match="does not exist"):
        describe(tmp_path / "missing")


def test_mnist_is_recognised(tmp_path):
    (tmp_path / "sets" / "MNIST" / "raw").mkdir(parents=True)
    (tmp_path / "sets" / "MNIST" / "raw" / "train-images-idx3-ubyte.gz").write_bytes(b"")
    assert "mnist: MNIST" in describe(tmp_path / "sets")
    assert "mnist: MNIST" in describe(tmp_path)  # the folder around it
    assert "no known data set" in describe(tmp_path / "sets" / "MNIST")


def test_frames_are_counted_even_if_no_header_states_them(write_video, tmp_path):
    write_video(tmp_path / "a.mkv", 40)
    write_video(tmp_path / "b.ts", 40)
    (tmp_path / "c.mkv").write_bytes(b"no film")
    assert "3 clips, 80 frames; 1 unreadable" in describe(tmp_path)
    Image.new("L", (32, 32)).save(tmp_path / "d.png")
    assert "a single image: give its folder" in describe(tmp_path / "d.png")


def test_folders_of_images_are_described(write_mvtec, write_image, tmp_path) -> None:
    write_mvtec()
    said = "3 good images to train on; to test, 3 good and 6 abnormal ones, 6 of them with masks"
    assert describe_images(tmp_path / "data") == [f"mvtec: bottle: {said}"]
    assert describe_images(tmp_path / "data" / "bottle") == [f"images: bottle: {said}"]
    write_image("frames/clip/000.png")
    assert describe_images(tmp_path / "data" / "frames") == []
    assert describe_loose_images(tmp_path / "data" / "frames") == []
    loose = describe_loose_images(tmp_path / "data" / "frames" / "clip")
    assert loose == ["or, for recipe images: 1 good images to train on"]


def test_images_in_a_plain_folder_are_described_as_photographs_first(write_image, tmp_path) -> None:
    for name in range(6):
        write_image(f"photos/{name}.png")
    photos = tmp_path / "data" / "photos"
    (photos / "7.HEIC").write_bytes(b"other")
    first, *others = describe(photos).splitlines()[1:]
    assert first == "  images: 6 photographs in no known layout, taken as good images to train on"
    text = "\n".join(others)
    assert f"dmad train patches --data.root {photos}" in text
    assert "or, for recipe video: one clip of 6 frames" in text
    assert "1 images of other formats" in text


def test_a_hundred_photographs_are_enough_to_train(write_image, tmp_path) -> None:
    first = write_image("photos/0.png")
    for name in range(1, 100):
        (tmp_path / f"data/photos/{name}.png").hardlink_to(first)
    assert "dmad train images --data.root" in describe(tmp_path / "data" / "photos")


def test_images_with_labels_of_frames_or_beside_clips_are_video(write_image, tmp_path) -> None:
    for name in range(6):
        write_image(f"clip/{name}.png")
        write_image(f"more/{name}.png")
    assert describe(tmp_path / "data").splitlines()[1].startswith("  video:")
    (tmp_path / "data/clip/labels.csv").write_text("clip,start,end\nclip,1,2\n")
    assert describe(tmp_path / "data/clip").splitlines()[1].startswith("  video:")


def test_images_that_cannot_be_read_are_counted(write_image, tmp_path):
    write_image("normal/0.png")
    write_image("normal/1.png")
    (tmp_path / "data/normal/2.HEIC").write_bytes(b"other")
    assert "1 images of other formats" in describe_images(tmp_path / "data")[0]
    assert "1 images of other formats" in describe_loose_images(tmp_path / "data/normal")[1]


@pytest.mark.data
def test_ped2_is_complete(data_root):
    if not (data_root / "ped2").is_dir():
        pytest.skip(f"no Ped2 in {data_root}; set $DMAD_DATA")
    text = describe(data_root / "ped2")
    assert "16 clips, 2550 frames" in text
    assert "12 clips, 2010 frames" in text
