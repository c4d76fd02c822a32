"""Clips, labels and masks are found in every form of the published data sets and in own folders."""

import numpy as np
import pytest

from dmad.config import VideoDataConfig
from dmad.data.cache import load_footage
from dmad.data.footage import Clip, Footage
from dmad.data.labels import Split, align, read_masks
from dmad.data.layouts.videos import find_split, load_videos, splits_share_clips
from dmad.data.masks import Mask
from dmad.data.reading.frame_format import FrameFormat
from dmad.errors import DmadError


def names(split: Split) -> list[str]:
    return [source.name for source in split.sources]


def footage_of(split: Split, tmp_path, minimum: int = 1) -> Footage:
    return load_footage(split.sources, FrameFormat(16, 1), tmp_path / "cache", minimum)


def masks_of(split: Split, index: int, frames: int, cut: bool = False) -> Mask:
    """The masks (frames, 16, 16) of a clip that has `frames` frames after decoding."""
    return read_masks(split, Clip(split.sources[index].name, "", 0, frames, 0.0, cut), 16)


@pytest.mark.parametrize("inner", ["", "UCSDped2"])
def test_ped2_is_found_in_its_original_form(write_masks, write_frames, tmp_path, inner):
    base = tmp_path / "data" / inner
    for i in (1, 2, 10):
        write_frames(base / "Train" / f"Train{i:03}", 4, "{:03}.tif")
    write_frames(base / "Test" / "Test001", 4, "{:03}.tif")
    (base / "Test" / "Test001" / "._000.tif").write_bytes(b"mac")
    (base / "Test" / ".DS_Store").write_bytes(b"mac")
    write_masks(base / "Test" / "Test001_gt", [0, 1, 1, 0], "{:03}.bmp")
    assert names(find_split("ped2", tmp_path / "data", "train")) == [
        "Train001",
        "Train002",
        "Train010",
    ]
    test = find_split("ped2", tmp_path / "data", "test")
    assert names(test) == ["Test001"]
    assert test.labels[0].values.tolist() == [0, 1, 1, 0]
    assert test.label_name == "ped2 pixel masks"
    masks = masks_of(test, 0, 4)
    assert masks.shape == (4, 16, 16)
    assert masks.dtype == np.bool_
    assert masks.sum(axis=(1, 2)).tolist() == [0, 64, 64, 0]


def test_ped2_is_found_as_folders_of_frames(write_masks, write_benchmark, tmp_path):
    root = write_benchmark(tmp_path / "ped2", {"01": 5}, {"01": 4, "02": 3})
    write_masks(root / "testing" / "masks" / "01", [0, 0, 1, 1])
    write_masks(root / "testing" / "masks" / "02", [1, 0, 0])
    from_masks = find_split("ped2", root, "test")
    assert [labels.values.tolist() for labels in from_masks.labels] == [[0, 0, 1, 1], [1, 0, 0]]
    np.save(root / "frame_labels.npy", np.array([[0, 1, 1, 1, 0, 0, 1]], np.int64))
    test = find_split("ped2", root, "test")
    assert [labels.values.tolist() for labels in test.labels] == [[0, 1, 1, 1], [0, 0, 1]]
    assert test.label_name == "ped2 frame_labels.npy"
    footage = footage_of(test, tmp_path)
    assert align(test, footage).tolist() == [0, 1, 1, 1, 0, 0, 1]
    train = find_split("ped2", root, "train")
    assert align(train, footage_of(train, tmp_path)) is None


def test_avenue_is_found_in_its_original_form(avenue, tmp_path):
    assert names(find_split("avenue", avenue, "train")) == ["01", "02", "10"]
    test = find_split("avenue", avenue, "test")
    assert test.label_name == "avenue .mat masks"
    footage = footage_of(test, tmp_path)
    assert align(test, footage).tolist() == [0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0]
    assert masks_of(test, 0, 4).sum(axis=(1, 2)).tolist() == [0, 64, 64, 0]
    with pytest.raises(DmadError, match="holds 4 masks, but clip 01 has 3 frames"):
        masks_of(test, 0, 3)
    assert masks_of(test, 0, 3, cut=True).sum(axis=(1, 2)).tolist() == [0, 64, 64]


@pytest.mark.parametrize("file", ["frame_labels.npy", "frame_labels_avenue.npy"])
def test_avenue_is_found_as_folders_of_frames(write_benchmark, tmp_path, file):
    root = write_benchmark(tmp_path / "avenue", {"01": 5}, {"01": 2, "02": 3})
    np.save(root / file, np.array([0, 1, 1, 0, 1]))
    test = find_split("avenue", root, "test")
    assert [labels.values.tolist() for labels in test.labels] == [[0, 1], [1, 0, 1]]


def test_avenue_may_have_labels_for_each_clip(write_benchmark, tmp_path):
    root = write_benchmark(tmp_path / "avenue", {"01": 5}, {"01": 2})
    (root / "testing" / "test_frame_mask").mkdir()
    np.save(root / "testing" / "test_frame_mask" / "01.npy", np.array([False, True]))
    test = find_split("avenue", root, "test")
    assert test.labels[0].values.tolist() == [0, 1]
    assert test.label_name == "avenue test_frame_mask/*.npy"


@pytest.mark.parametrize("videos", [True, False])
def test_shanghaitech_is_found_with_the_view_of_each_clip(
    write_video, write_benchmark, tmp_path, videos
):
    root = write_benchmark(
        tmp_path / "st", {"01_001": 3, "02_001": 2}, {"01_0014": 3, "02_0128": 2}
    )
    if videos:
        for name in ("01_001", "01_002", "13_007"):
            write_video(root / "training" / "videos" / f"{name}.avi", 3)
    for name, labels in {"01_0014": [0, 1, 1], "02_0128": [0, 0]}.items():
        for kind, values in {
            "test_frame_mask": np.array(labels, np.int8),
            "test_pixel_mask": np.array(labels)[:, None, None] * np.repeat([[0, 0, 0, 1]], 4, 0),
        }.items():
            (root / "testing" / kind).mkdir(exist_ok=True)
            np.save(root / "testing" / kind / f"{name}.npy", values)
    train = find_split("shanghaitech", root, "train")
    expected = ["01_001", "01_002", "13_007"] if videos else ["01_001", "02_001"]
    assert names(train) == expected
    assert [source.scene for source in train.sources] == [name[:2] for name in expected]
    test = find_split("shanghaitech", root, "test")
    assert [source.scene for source in test.sources] == ["01", "02"]
    assert align(test, footage_of(test, tmp_path)).tolist() == [0, 1, 1, 0, 0]
    assert masks_of(test, 0, 3).any(axis=(1, 2)).tolist() == [False, True, True]


def test_own_videos_and_folders_of_frames_are_found(write_frames, write_video, tmp_path):
    root = tmp_path / "mine"
    write_video(root / "b10.mp4", 3)
    write_video(root / "b2.avi", 3)
    write_frames(root / "a", 3)
    write_video(root / "yard" / "b2.avi", 3)
    (root / "notes.txt").write_text("text")
    for split in ("train", "test"):
        found = find_split("video", root, split)
        assert names(found) == ["a", "b2", "b10", "yard/b2"]
        assert [source.scene for source in found.sources] == ["", "", "", "yard"]
        assert found.labels == (None,) * 4
        assert found.label_name == ""
        assert align(found, footage_of(found, tmp_path)) is None


def test_videos_of_one_name_keep_their_suffix(write_video, tmp_path):
    write_video(tmp_path / "a.avi", 2)
    write_video(tmp_path / "a.mp4", 2)
    assert names(find_split("video", tmp_path, "train")) == ["a.avi", "a.mp4"]


@pytest.mark.parametrize("train", ["train", "Training", "normal"])
def test_own_folders_may_be_named_train_and_test(write_video, tmp_path, train):
    write_video(tmp_path / train / "a.avi", 2)
    with pytest.raises(DmadError, match="no test clips"):
        find_split("video", tmp_path, "test")
    write_video(tmp_path / "test" / "b.avi", 2)
    assert names(find_split("video", tmp_path, "train")) == ["a"]
    assert names(find_split("video", tmp_path, "test")) == ["b"]


def test_one_video_file_is_a_data_set(write_video, tmp_path):
    video = write_video(tmp_path / "a.avi", 4)
    (tmp_path / "a.csv").write_text("1,2\n")
    assert names(find_split("video", video, "train")) == ["a"]
    test = find_split("video", video, "test")
    assert align(test, footage_of(test, tmp_path)).tolist() == [0, 1, 1, 0]


def test_one_folder_of_frames_is_a_data_set(write_frames, tmp_path):
    folder = write_frames(tmp_path / "clip", 4)
    assert names(find_split("video", folder, "train")) == ["clip"]


def test_without_train_and_test_folders_the_clips_without_anomalies_are_trained_on(
    write_frames, tmp_path
):
    for name in "abc":
        write_frames(tmp_path / "mine" / name, 6)
    (tmp_path / "mine" / "labels.csv").write_text("a,2,3\n")
    data = VideoDataConfig(root=tmp_path / "mine", size=16, channels=1, cache=tmp_path, held_out=0)
    found = load_videos(data, "train")
    assert [clip.name for clip in found.footage.clips] == ["b", "c"]
    assert found.labels is None
    assert "clip a holds labelled anomalies: not trained on" in found.footage.skipped[0]
    assert load_videos(data, "test").labels.tolist() == [0, 0, 1, 1, *[0] * 14]
    assert splits_share_clips(data)
    (tmp_path / "mine" / "labels.csv").write_text("a,2,3\nb,0,0\nc,5,5\n")
    with pytest.raises(DmadError, match="every clip holds labelled anomalies"):
        load_videos(data, "train")


@pytest.mark.parametrize("layout", ["ped2", "avenue", "shanghaitech", "video"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_missing_and_empty_folders_are_errors_of_one_line(tmp_path, layout, split):
    with pytest.raises(DmadError, match="does not exist"):
        find_split(layout, tmp_path / "missing", split)
    with pytest.raises(DmadError, match="found nothing; expected") as caught:
        find_split(layout, tmp_path, split)
    assert "\n" not in str(caught.value)


def test_an_unknown_layout_is_refused(tmp_path):
    with pytest.raises(DmadError, match="unknown layout 'street'; known: ped2"):
        find_split("street", tmp_path, "train")


def test_separate_test_clips_are_not_training_clips(mine):
    assert not splits_share_clips(VideoDataConfig(root=mine))


@pytest.mark.data
def test_ped2_has_the_published_clips(data_root):
    root = data_root / "ped2"
    if not root.is_dir():
        pytest.skip(f"no Ped2 in {root}; set $DMAD_DATA")
    train, test = find_split("ped2", root, "train"), find_split("ped2", root, "test")
    assert (len(train.sources), len(test.sources)) == (16, 12)
    frames = [len(list(source.path.glob("*.jpg"))) for source in train.sources]
    assert sum(frames) == 2550
    labels = [own.values for own in test.labels]
    assert sum(len(values) for values in labels) == 2010
    for i in (0, 11):
        assert (masks_of(test, i, len(labels[i])).any(axis=(1, 2)) <= labels[i]).all()
