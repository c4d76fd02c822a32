"""Labels and masks belong to the right frames of the decoded clips."""

import numpy as np
import pytest

from dmad.data.cache import load_footage
from dmad.data.footage import Clip, Footage
from dmad.data.labels import Split, align, normal_clips, read_masks
from dmad.data.layouts.videos import find_split
from dmad.data.masks import Mask
from dmad.data.reading.frame_format import FrameFormat
from dmad.errors import DmadError


def footage_of(split: Split, tmp_path, minimum: int = 1) -> Footage:
    return load_footage(split.sources, FrameFormat(16, 1), tmp_path / "cache", minimum)


def masks_of(split: Split, index: int, frames: int, cut: bool = False) -> Mask:
    """The masks (frames, 16, 16) of a clip that has `frames` frames after decoding."""
    return read_masks(split, Clip(split.sources[index].name, "", 0, frames, 0.0, cut), 16)


def test_labels_follow_their_clip_when_others_are_left_out(truncate, write_benchmark, tmp_path):
    root = write_benchmark(tmp_path / "ped2", {"01": 5}, {"01": 4, "02": 2, "03": 3})
    np.save(root / "frame_labels.npy", np.array([0, 1, 0, 1, 0, 0, 1, 1, 0]))
    truncate(root / "testing" / "frames" / "03" / "1.jpg", 0.3)
    test = find_split("ped2", root, "test")
    footage = footage_of(test, tmp_path, minimum=3)
    assert [clip.name for clip in footage.clips] == ["01", "03"]
    assert align(test, footage).tolist() == [0, 1, 0, 1, 1, 1, 0]


@pytest.mark.parametrize("length", [6, 8])
def test_labels_of_a_wrong_length_are_refused(write_benchmark, tmp_path, length):
    root = write_benchmark(tmp_path / "ped2", {"01": 5}, {"01": 4, "02": 3})
    np.save(root / "frame_labels.npy", np.zeros(length))
    with pytest.raises(DmadError, match=rf"frame_labels\.npy labels {length} .* have 7"):
        find_split("ped2", root, "test")


def test_masks_of_a_wrong_number_are_refused(write_masks, write_benchmark, tmp_path):
    root = write_benchmark(tmp_path / "ped2", {"01": 5}, {"01": 4})
    write_masks(root / "testing" / "masks" / "01", [0, 1, 0])
    with pytest.raises(DmadError, match="labels 3 frames of clip 01, which has 4"):
        find_split("ped2", root, "test")
    np.save(root / "frame_labels.npy", np.zeros(4))
    with pytest.raises(DmadError, match="3 masks, but clip 01 has 4 frames"):
        masks_of(find_split("ped2", root, "test"), 0, 4)


def test_labels_of_a_video_of_another_length_are_refused(write_video, avenue, tmp_path):
    video = write_video(avenue / "testing_videos" / "02.avi", 6)
    test = find_split("avenue", avenue, "test")
    with pytest.raises(DmadError, match=r"2_label\.mat labels 4 frames of clip 02, which has 6"):
        align(test, footage_of(test, tmp_path))
    video.unlink()
    align(test := find_split("avenue", avenue, "test"), footage_of(test, tmp_path))


def test_a_damaged_video_keeps_the_labels_of_its_readable_frames(
    write_volume, write_video, truncate, avenue, tmp_path
):
    video = write_video(avenue / "testing_videos" / "02.avi", 40)
    mask = avenue / "ground_truth_demo" / "testing_label_mask" / "2_label.mat"
    write_volume(mask, [1] * 20 + [0] * 20)
    truncate(video, 0.7)
    test = find_split("avenue", avenue, "test")
    footage = footage_of(test, tmp_path)
    clip = footage.clips[1]
    assert clip.cut
    assert clip.length < 40
    labels = align(test, footage)[clip.start : clip.start + clip.length]
    assert (labels == (np.arange(clip.length) < 20)).all()


def test_labels_for_only_some_clips_are_refused(avenue, tmp_path):
    (avenue / "ground_truth_demo" / "testing_label_mask" / "2_label.mat").unlink()
    test = find_split("avenue", avenue, "test")
    with pytest.raises(DmadError, match="clip 02 has no labels"):
        align(test, footage_of(test, tmp_path))
    with pytest.raises(DmadError, match="clip 02 has no pixel masks"):
        masks_of(test, 1, 4)


@pytest.mark.parametrize("place", ["", "test"])
def test_joined_labels_are_split_by_the_decoded_lengths(mine, tmp_path, place):
    np.save(mine / place / "labels.npy", np.array([0, 1, 1, 0, 0, 0, 1]))
    test = find_split("video", mine, "test")
    assert test.label_name == "labels.npy"
    assert align(test, footage_of(test, tmp_path)).tolist() == [0, 1, 1, 0, 0, 0, 1]
    with pytest.raises(DmadError, match="a could not be read completely"):
        align(test, footage_of(test, tmp_path, minimum=4))
    np.save(mine / place / "labels.npy", np.zeros(8))
    test = find_split("video", mine, "test")
    with pytest.raises(DmadError, match=r"labels\.npy labels 8 .* have 7"):
        align(test, footage_of(test, tmp_path))


def test_labels_may_be_beside_or_inside_clips(mine, tmp_path):
    np.save(mine / "test" / "a.npy", np.array([1, 0, 0]))
    (mine / "test" / "b" / "b.csv").write_text("start,end\n0,0\n2,3\n")
    test = find_split("video", mine, "test")
    assert align(test, footage_of(test, tmp_path)).tolist() == [1, 0, 0, 1, 0, 1, 1]


def test_masks_of_own_clips_label_them(write_masks, mine, tmp_path):
    write_masks(mine / "test" / "masks" / "a", [0, 1, 0])
    write_masks(mine / "test" / "masks" / "b", [0, 0, 1, 1])
    test = find_split("video", mine, "test")
    assert [source.name for source in test.sources] == ["a", "b"]
    assert align(test, footage_of(test, tmp_path)).tolist() == [0, 1, 0, 0, 0, 1, 1]
    assert masks_of(test, 1, 4).any(axis=(1, 2)).tolist() == [False, False, True, True]
    (mine / "test" / "masks" / "b" / "1.png").write_bytes(b"rubbish")
    with pytest.raises(DmadError, match=r"1\.png is not a readable mask"):
        masks_of(test, 1, 4)


def test_clips_with_an_abnormal_frame_are_not_trained_on(mine, tmp_path):
    (mine / "labels.csv").write_text("a,1,1\n")
    test = find_split("video", mine, "test")
    footage = normal_clips(test, footage_of(test, tmp_path))
    assert [clip.name for clip in footage.clips] == ["b"]
    assert footage.skipped == ("clip a holds labelled anomalies: not trained on",)
