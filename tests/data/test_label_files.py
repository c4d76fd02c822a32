"""Label files of every form are read, and wrong ones are refused in one line."""

import numpy as np
import pytest
from scipy.io import savemat

from dmad.data.cache import load_footage
from dmad.data.footage import Footage
from dmad.data.label_files import (
    ClipLabels,
    read_clip_labels,
    read_joined_labels,
    split_joined_labels,
)
from dmad.data.labels import Split, align
from dmad.data.layouts.videos import find_split
from dmad.data.reading.frame_format import FrameFormat
from dmad.errors import DmadError


def footage_of(split: Split, tmp_path, minimum: int = 1) -> Footage:
    return load_footage(split.sources, FrameFormat(16, 1), tmp_path / "cache", minimum)


def test_intervals_label_their_first_to_last_frame(tmp_path):
    labels = ClipLabels(tmp_path, intervals=((1, 2), (4, 4)))
    assert labels.for_clip("a", 6).tolist() == [0, 1, 1, 0, 1, 0]
    assert labels.for_clip("a", 3, cut=True).tolist() == [0, 1, 1]
    with pytest.raises(DmadError, match="labels 5 frames of clip a, which has 3"):
        labels.for_clip("a", 3)


def test_joined_labels_are_split_by_length(tmp_path):
    np.save(tmp_path / "labels.npy", np.array([0, 1, 1, 0, 1]))
    parts = split_joined_labels(read_joined_labels(tmp_path / "labels.npy"), [2, 3])
    assert [part.values.tolist() for part in parts] == [[0, 1], [1, 0, 1]]


def test_a_frame_is_abnormal_if_its_mask_is_not_empty(write_masks, tmp_path):
    folder = write_masks(tmp_path / "masks", [0, 1, 0])
    assert read_clip_labels(folder).values.tolist() == [0, 1, 0]
    np.save(tmp_path / "masks.npy", np.eye(3)[:, None] * [[1], [0]])
    assert read_clip_labels(tmp_path / "masks.npy").values.tolist() == [1, 1, 1]


@pytest.mark.parametrize("values", [[0, 2, 0, 0], [0.5, 0, 0, 0]])
def test_labels_must_be_0_or_1(write_benchmark, tmp_path, values):
    root = write_benchmark(tmp_path / "ped2", {"01": 5}, {"01": 4})
    np.save(root / "frame_labels.npy", np.array(values))
    with pytest.raises(DmadError, match="expected 0"):
        find_split("ped2", root, "test")


def test_a_file_that_is_not_an_array_is_refused(write_benchmark, tmp_path):
    root = write_benchmark(tmp_path / "ped2", {"01": 5}, {"01": 4})
    (root / "frame_labels.npy").write_bytes(b"not numpy")
    with pytest.raises(DmadError, match="not a NumPy array"):
        find_split("ped2", root, "test")


@pytest.mark.parametrize("content", ["rubbish", "other"])
def test_a_damaged_mat_file_is_refused(avenue, content):
    path = avenue / "ground_truth_demo" / "testing_label_mask" / "2_label.mat"
    path.write_bytes(b"rubbish" * 50)
    if content == "other":
        savemat(path, {"other": np.zeros(3)})
    with pytest.raises(DmadError, match=r"2_label\.mat"):
        find_split("avenue", avenue, "test")


@pytest.mark.parametrize("header", ["clip,start,end\n", ""])
def test_a_table_of_intervals_may_have_a_header_and_spaces(mine, tmp_path, header):
    (mine / "labels.csv").write_text(header + "a.avi, 1, 1\nb,0,1\n\nb,3,3\n")
    test = find_split("video", mine, "test")
    assert align(test, footage_of(test, tmp_path)).tolist() == [0, 1, 0, 1, 1, 0, 1]


def test_columns_may_be_separated_by_semicolons(mine, tmp_path):
    (mine / "labels.csv").write_text("clip;start;end\na;1;1\nb;0;1\n")
    test = find_split("video", mine, "test")
    assert align(test, footage_of(test, tmp_path)).tolist() == [0, 1, 0, 1, 1, 0, 0]


@pytest.mark.parametrize("row", ["0:00:00.1,0:00:00.2", "00:00,1;00:00,2", "0.1 s,0.2s"])
def test_time_codes_are_converted_with_the_times_of_the_frames(mine, tmp_path, row):
    (mine / "test" / "a.csv").write_text(row + "\n")
    (mine / "test" / "b.csv").write_text("3,3\n")
    test = find_split("video", mine, "test")
    assert align(test, footage_of(test, tmp_path)).tolist() == [0, 1, 1, 0, 0, 0, 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,0:01,0:20\nb,0,1\n", "labels second 20 of clip a, which has 0.2 seconds"),
        ("a,0:01,0:01\n", "labels second 1 of clip a, which has 0.2 seconds"),
        ("b,0:00,0:01\n", "clip b does not state its frame rate; give it with --data.fps"),
    ],
)
def test_time_codes_that_fit_no_frame_are_refused(mine, tmp_path, text, message):
    (mine / "labels.csv").write_text(text)
    test = find_split("video", mine, "test")
    with pytest.raises(DmadError, match=message):
        align(test, footage_of(test, tmp_path))


def test_a_frame_rate_that_a_clip_does_not_state_may_be_given(mine, tmp_path):
    (mine / "labels.csv").write_text("a,0,0\nb,0:01,0:01\n")
    test = find_split("video", mine, "test")
    assert align(test, footage_of(test, tmp_path), fps=2).tolist() == [1, 0, 0, 0, 0, 1, 0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("c,0,1\n", "labels c, but there is no such clip"),
        ("a,2,1\n", "row 'a,2,1'"),
        ("a,0,1\nb,x,1\n", "row 'b,x,1'"),
        ("0,1\n", "expected clip,start,end"),
        ("clip,start\na,0,1\n", "row 'clip,start'"),
        ("a,0.5,1.5\n", "row 'a,0.5,1.5'"),
        ("a,0:02,0:01\nb,0,1\n", "row 'a,0:02,0:01'"),
        ("a,0:01,20\nb,0,1\n", "row 'a,0:01,20'"),
        ("a,-1,1\n", "row 'a,-1,1'"),
        ("b,0,4\n", "labels 5 frames of clip b, which has 4"),
    ],
)
def test_wrong_rows_are_refused(mine, text, message):
    (mine / "labels.csv").write_text(text)
    with pytest.raises(DmadError, match=message):
        find_split("video", mine, "test")


def test_a_wrong_first_row_is_not_taken_for_a_header(tmp_path):
    (tmp_path / "a.csv").write_text("0,x\n2,3\n")
    with pytest.raises(DmadError, match="row '0,x'"):
        read_clip_labels(tmp_path / "a.csv")


def test_the_byte_order_mark_of_a_spreadsheet_is_ignored(tmp_path):
    (tmp_path / "a.csv").write_text("1,1\n", encoding="utf-8-sig")
    assert read_clip_labels(tmp_path / "a.csv").for_clip("a", 3).tolist() == [0, 1, 0]


def test_a_name_of_several_clips_is_refused(write_frames, tmp_path):
    for scene in ("gate", "yard"):
        write_frames(tmp_path / "mine" / scene / "clip1", 6)
    (tmp_path / "mine" / "labels.csv").write_text("clip1,0,1\n")
    with pytest.raises(DmadError, match="give one of gate/clip1, yard/clip1"):
        find_split("video", tmp_path / "mine", "test")
    (tmp_path / "mine" / "labels.csv").write_text("yard/clip1,0,1\n")
    test = find_split("video", tmp_path / "mine", "test")
    assert align(test, footage_of(test, tmp_path)).tolist() == [*[0] * 6, 1, 1, *[0] * 4]


def test_an_interval_beyond_the_end_of_a_video_is_refused(mine, tmp_path):
    (mine / "labels.csv").write_text("a,0,3\n")
    test = find_split("video", mine, "test")
    with pytest.raises(DmadError, match="labels 4 frames of clip a, which has 3"):
        align(test, footage_of(test, tmp_path))
