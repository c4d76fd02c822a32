import gzip
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from dmad import recipes
from dmad.config import VideoDataConfig
from dmad.data.cache import load_footage
from dmad.data.footage import Clip
from dmad.data.labels import Split, align, read_masks
from dmad.data.label_files import read_clip_labels
from dmad.data.layouts.describe import describe
from dmad.data.layouts.videos import find_split
from dmad.data.masks import Mask
from dmad.data.splits import load_split
from dmad.data.layouts.videos import tests_on_training_clips
from dmad.errors import DmadError

DATA = Path(os.environ.get("DMAD_DATA", Path(__file__).parents[2] / ".." / "shared" / "data"))


def stripe(abnormal: bool, height: int = 20, width: int = 40) -> np.ndarray:
    """A mask whose right quarter is abnormal."""
    mask = np.zeros((height, width), np.uint8)
    mask[:, 3 * width // 4 :] = abnormal
    return mask


def write_masks(folder: Path, labels: list[int], name: str = "{}.png") -> None:
    folder.mkdir(parents=True)
    for i, label in enumerate(labels):
        Image.fromarray(stripe(bool(label)) * 255).save(folder / name.format(i))


def names(split) -> list[str]:
    return [source.name for source in split.sources]


def footage_of(split, tmp_path, minimum: int = 1):
    return load_footage(split.sources, 16, 1, tmp_path / "cache", minimum)


@pytest.mark.parametrize("inner", ["", "UCSDped2"])
def test_raw_ped2(write_frames, tmp_path, inner):
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
    assert test.labels[0].tolist() == [0, 1, 1, 0]
    assert test.label_name == "ped2 pixel masks"
    masks = masks_of(test, 0, 4)
    assert masks.shape == (4, 16, 16)
    assert masks.dtype == np.bool_
    assert masks.sum(axis=(1, 2)).tolist() == [0, 64, 64, 0]


def test_ped2_frame_folders(write_benchmark, tmp_path):
    root = write_benchmark(tmp_path / "ped2", {"01": 5}, {"01": 4, "02": 3})
    write_masks(root / "testing" / "masks" / "01", [0, 0, 1, 1])
    write_masks(root / "testing" / "masks" / "02", [1, 0, 0])
    from_masks = find_split("ped2", root, "test")
    assert [labels.tolist() for labels in from_masks.labels] == [[0, 0, 1, 1], [1, 0, 0]]
    np.save(root / "frame_labels.npy", np.array([[0, 1, 1, 1, 0, 0, 1]], np.int64))
    test = find_split("ped2", root, "test")
    assert [labels.tolist() for labels in test.labels] == [[0, 1, 1, 1], [0, 0, 1]]
    assert test.label_name == "ped2 frame_labels.npy"
    footage = footage_of(test, tmp_path)
    assert align(test, footage).tolist() == [0, 1, 1, 1, 0, 0, 1]
    train = find_split("ped2", root, "train")
    assert align(train, footage_of(train, tmp_path)) is None


def test_labels_follow_their_clip_when_others_are_left_out(truncate, write_benchmark, tmp_path):
    root = write_benchmark(tmp_path / "ped2", {"01": 5}, {"01": 4, "02": 2, "03": 3})
    np.save(root / "frame_labels.npy", np.array([0, 1, 0, 1, 0, 0, 1, 1, 0]))
    truncate(root / "testing" / "frames" / "03" / "1.jpg", 0.3)
    test = find_split("ped2", root, "test")
    footage = footage_of(test, tmp_path, minimum=3)
    assert [clip.name for clip in footage.clips] == ["01", "03"]
    assert align(test, footage).tolist() == [0, 1, 0, 1, 1, 1, 0]


@pytest.mark.parametrize("length", [6, 8])
def test_labels_of_wrong_length(write_benchmark, tmp_path, length):
    root = write_benchmark(tmp_path / "ped2", {"01": 5}, {"01": 4, "02": 3})
    np.save(root / "frame_labels.npy", np.zeros(length))
    with pytest.raises(DmadError, match=rf"frame_labels\.npy labels {length} .* have 7"):
        find_split("ped2", root, "test")


@pytest.mark.parametrize("values", [[0, 2, 0, 0], [0.5, 0, 0, 0]])
def test_labels_are_zero_or_one(write_benchmark, tmp_path, values):
    root = write_benchmark(tmp_path / "ped2", {"01": 5}, {"01": 4})
    np.save(root / "frame_labels.npy", np.array(values))
    with pytest.raises(DmadError, match="expected 0"):
        find_split("ped2", root, "test")


def test_a_label_file_that_is_none(write_benchmark, tmp_path):
    root = write_benchmark(tmp_path / "ped2", {"01": 5}, {"01": 4})
    (root / "frame_labels.npy").write_bytes(b"not numpy")
    with pytest.raises(DmadError, match="not a NumPy array"):
        find_split("ped2", root, "test")


def masks_of(split: Split, index: int, frames: int, size: int = 16, cut: bool = False) -> Mask:
    return read_masks(split, Clip(split.sources[index].name, "", 0, frames, 0.0, cut), size)


def test_masks_not_one_a_frame(write_benchmark, tmp_path):
    root = write_benchmark(tmp_path / "ped2", {"01": 5}, {"01": 4})
    write_masks(root / "testing" / "masks" / "01", [0, 1, 0])
    with pytest.raises(DmadError, match="labels 3 frames of clip 01, which has 4"):
        find_split("ped2", root, "test")
    np.save(root / "frame_labels.npy", np.zeros(4))
    with pytest.raises(DmadError, match="3 masks, but clip 01 has 4 frames"):
        masks_of(find_split("ped2", root, "test"), 0, 4)


def write_volume(path: Path, labels: list[int]) -> None:
    cells = np.empty((1, len(labels)), object)
    for i, label in enumerate(labels):
        cells[0, i] = stripe(bool(label))
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, {"volLabel": cells})


@pytest.fixture
def avenue(write_video, tmp_path):
    root = tmp_path / "avenue"
    for i in (1, 2, 10):
        write_video(root / "training_videos" / f"{i:02}.avi", 3)
        write_video(root / "testing_videos" / f"{i:02}.avi", 4)
        labels = [0, i % 2, 1, 0]
        write_volume(root / "ground_truth_demo" / "testing_label_mask" / f"{i}_label.mat", labels)
    return root


def test_original_avenue(avenue, tmp_path):
    assert names(find_split("avenue", avenue, "train")) == ["01", "02", "10"]
    test = find_split("avenue", avenue, "test")
    assert test.label_name == "avenue .mat masks"
    footage = footage_of(test, tmp_path)
    assert align(test, footage).tolist() == [0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0]
    assert masks_of(test, 0, 4).sum(axis=(1, 2)).tolist() == [0, 64, 64, 0]
    with pytest.raises(DmadError, match="holds 4 masks, but clip 01 has 3 frames"):
        masks_of(test, 0, 3)
    assert masks_of(test, 0, 3, cut=True).sum(axis=(1, 2)).tolist() == [0, 64, 64]


def test_video_and_labels_of_different_length(write_video, avenue, tmp_path):
    video = write_video(avenue / "testing_videos" / "02.avi", 6)
    test = find_split("avenue", avenue, "test")
    with pytest.raises(DmadError, match=r"2_label\.mat labels 4 frames of clip 02, which has 6"):
        align(test, footage_of(test, tmp_path))
    video.unlink()
    align(test := find_split("avenue", avenue, "test"), footage_of(test, tmp_path))


def test_damaged_video_keeps_the_labels_of_what_is_left(write_video, truncate, avenue, tmp_path):
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


@pytest.mark.parametrize("content", ["rubbish", "other"])
def test_broken_volume(avenue, content):
    path = avenue / "ground_truth_demo" / "testing_label_mask" / "2_label.mat"
    path.write_bytes(b"rubbish" * 50)
    if content == "other":
        savemat(path, {"other": np.zeros(3)})
    with pytest.raises(DmadError, match=r"2_label\.mat"):
        find_split("avenue", avenue, "test")


def test_some_clips_without_labels(avenue, tmp_path):
    (avenue / "ground_truth_demo" / "testing_label_mask" / "2_label.mat").unlink()
    test = find_split("avenue", avenue, "test")
    with pytest.raises(DmadError, match="clip 02 has no labels"):
        align(test, footage_of(test, tmp_path))
    with pytest.raises(DmadError, match="clip 02 has no pixel masks"):
        masks_of(test, 1, 4)


@pytest.mark.parametrize("file", ["frame_labels.npy", "frame_labels_avenue.npy"])
def test_avenue_frame_folders(write_benchmark, tmp_path, file):
    root = write_benchmark(tmp_path / "avenue", {"01": 5}, {"01": 2, "02": 3})
    np.save(root / file, np.array([0, 1, 1, 0, 1]))
    test = find_split("avenue", root, "test")
    assert [labels.tolist() for labels in test.labels] == [[0, 1], [1, 0, 1]]


def test_avenue_labels_for_each_clip(write_benchmark, tmp_path):
    root = write_benchmark(tmp_path / "avenue", {"01": 5}, {"01": 2})
    (root / "testing" / "test_frame_mask").mkdir()
    np.save(root / "testing" / "test_frame_mask" / "01.npy", np.array([False, True]))
    test = find_split("avenue", root, "test")
    assert test.labels[0].tolist() == [0, 1]
    assert test.label_name == "avenue test_frame_mask/*.npy"


@pytest.mark.parametrize("videos", [True, False])
def test_shanghaitech(write_video, write_benchmark, tmp_path, videos):
    root = write_benchmark(
        tmp_path / "st", {"01_001": 3, "02_001": 2}, {"01_0014": 3, "02_0128": 2}
    )
    if videos:
        for name in ("01_001", "01_002", "13_007"):
            write_video(root / "training" / "videos" / f"{name}.avi", 3)
    for name, labels in {"01_0014": [0, 1, 1], "02_0128": [0, 0]}.items():
        for kind, values in {
            "test_frame_mask": np.array(labels, np.int8),
            "test_pixel_mask": np.stack([stripe(bool(label)) for label in labels]),
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
    assert masks_of(test, 0, 3).sum(axis=(1, 2)).tolist() == [0, 64, 64]


def test_any_videos_and_folders(write_frames, write_video, tmp_path):
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


def test_videos_of_one_stem_keep_apart(write_video, tmp_path):
    write_video(tmp_path / "a.avi", 2)
    write_video(tmp_path / "a.mp4", 2)
    assert names(find_split("video", tmp_path, "train")) == ["a.avi", "a.mp4"]


@pytest.mark.parametrize("train", ["train", "Training", "normal"])
def test_video_splits(write_video, tmp_path, train):
    write_video(tmp_path / train / "a.avi", 2)
    with pytest.raises(DmadError, match="no test clips"):
        find_split("video", tmp_path, "test")
    write_video(tmp_path / "test" / "b.avi", 2)
    assert names(find_split("video", tmp_path, "train")) == ["a"]
    assert names(find_split("video", tmp_path, "test")) == ["b"]


def test_one_video_file(write_video, tmp_path):
    video = write_video(tmp_path / "a.avi", 4)
    (tmp_path / "a.csv").write_text("1,2\n")
    assert names(find_split("video", video, "train")) == ["a"]
    test = find_split("video", video, "test")
    assert align(test, footage_of(test, tmp_path)).tolist() == [0, 1, 1, 0]


def test_one_folder_of_frames(write_frames, tmp_path):
    folder = write_frames(tmp_path / "clip", 4)
    assert names(find_split("video", folder, "train")) == ["clip"]


@pytest.fixture
def mine(write_frames, write_video, tmp_path):
    root = tmp_path / "mine"
    write_video(root / "train" / "a.avi", 2)
    write_video(root / "test" / "a.avi", 3)
    write_frames(root / "test" / "b", 4)
    return root


@pytest.mark.parametrize("place", ["", "test"])
def test_joined_labels_are_cut_by_decoded_lengths(mine, tmp_path, place):
    np.save(mine / place / "labels.npy", np.array([0, 1, 1, 0, 0, 0, 1]))
    test = find_split("video", mine, "test")
    assert test.label_name == "labels.npy"
    assert align(test, footage_of(test, tmp_path)).tolist() == [0, 1, 1, 0, 0, 0, 1]
    with pytest.raises(DmadError, match="a could not be read in full"):
        align(test, footage_of(test, tmp_path, minimum=4))
    np.save(mine / place / "labels.npy", np.zeros(8))
    test = find_split("video", mine, "test")
    with pytest.raises(DmadError, match=r"labels\.npy labels 8 .* have 7"):
        align(test, footage_of(test, tmp_path))


def test_labels_beside_and_inside_clips(mine, tmp_path):
    np.save(mine / "test" / "a.npy", np.array([1, 0, 0]))
    (mine / "test" / "b" / "b.csv").write_text("start,end\n0,0\n2,3\n")
    test = find_split("video", mine, "test")
    assert align(test, footage_of(test, tmp_path)).tolist() == [1, 0, 0, 1, 0, 1, 1]


@pytest.mark.parametrize("header", ["clip,start,end\n", ""])
def test_table_of_intervals(mine, tmp_path, header):
    (mine / "labels.csv").write_text(header + "a.avi, 1, 1\nb,0,1\n\nb,3,3\n")
    test = find_split("video", mine, "test")
    assert align(test, footage_of(test, tmp_path)).tolist() == [0, 1, 0, 1, 1, 0, 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("c,0,1\n", "labels c, but there is no such clip"),
        ("a,2,1\n", "row 'a,2,1'"),
        ("a,0,1\nb,x,1\n", "row 'b,x,1'"),
        ("0,1\n", "expected clip,start,end"),
        ("clip,start\na,0,1\n", "row 'clip,start'"),
        ("a,0.5,1.5\n", "row 'a,0.5,1.5'"),
        ("a,0:01,0:02\nb,0,1\n", "row 'a,0:01,0:02'"),
        ("a;0;1\n", "row 'a;0;1'"),
        ("a,-1,1\n", "row 'a,-1,1'"),
        ("b,0,4\n", "labels 5 frames of clip b, which has 4"),
    ],
)
def test_bad_tables(mine, text, message):
    (mine / "labels.csv").write_text(text)
    with pytest.raises(DmadError, match=message):
        find_split("video", mine, "test")


def test_a_bad_first_row_is_no_header(tmp_path):
    (tmp_path / "a.csv").write_text("0,x\n2,3\n")
    with pytest.raises(DmadError, match="row '0,x'"):
        read_clip_labels(tmp_path / "a.csv")


def test_a_table_of_a_spreadsheet_begins_with_a_mark(tmp_path):
    (tmp_path / "a.csv").write_text("1,1\n", encoding="utf-8-sig")
    assert read_clip_labels(tmp_path / "a.csv").over("a", 3).tolist() == [0, 1, 0]


def test_a_row_that_may_be_of_several_clips(write_frames, tmp_path):
    for scene in ("gate", "yard"):
        write_frames(tmp_path / "mine" / scene / "clip1", 6)
    (tmp_path / "mine" / "labels.csv").write_text("clip1,0,1\n")
    with pytest.raises(DmadError, match="labels clip1, which may be any of gate/clip1, yard/clip1"):
        find_split("video", tmp_path / "mine", "test")
    (tmp_path / "mine" / "labels.csv").write_text("yard/clip1,0,1\n")
    test = find_split("video", tmp_path / "mine", "test")
    assert align(test, footage_of(test, tmp_path)).tolist() == [*[0] * 6, 1, 1, *[0] * 4]


def test_interval_beyond_a_video(mine, tmp_path):
    (mine / "labels.csv").write_text("a,0,3\n")
    test = find_split("video", mine, "test")
    with pytest.raises(DmadError, match="labels 4 frames of clip a, which has 3"):
        align(test, footage_of(test, tmp_path))


def test_one_folder_for_both_trains_on_what_holds_nothing_abnormal(write_frames, tmp_path, logged):
    for name in "abc":
        write_frames(tmp_path / "mine" / name, 6)
    (tmp_path / "mine" / "labels.csv").write_text("a,2,3\n")
    data = VideoDataConfig(root=tmp_path / "mine", size=16, channels=1, cache=tmp_path, held_out=0)
    found = load_split(data, "train")
    assert [clip.name for clip in found.footage.clips] == ["b", "c"]
    assert found.labels is None
    assert "clip a holds labelled anomalies: not trained on" in logged()
    assert load_split(data, "test").labels.tolist() == [0, 0, 1, 1, *[0] * 14]
    assert tests_on_training_clips(data)
    (tmp_path / "mine" / "labels.csv").write_text("a,2,3\nb,0,0\nc,5,5\n")
    with pytest.raises(DmadError, match="every clip holds labelled anomalies"):
        load_split(data, "train")


def test_masks_of_own_clips(mine, tmp_path):
    write_masks(mine / "test" / "masks" / "a", [0, 1, 0])
    write_masks(mine / "test" / "masks" / "b", [0, 0, 1, 1])
    test = find_split("video", mine, "test")
    assert names(test) == ["a", "b"]
    assert align(test, footage_of(test, tmp_path)).tolist() == [0, 1, 0, 0, 0, 1, 1]
    assert masks_of(test, 1, 4).any(axis=(1, 2)).tolist() == [False, False, True, True]
    (mine / "test" / "masks" / "b" / "1.png").write_bytes(b"rubbish")
    with pytest.raises(DmadError, match=r"1\.png is not a readable mask"):
        masks_of(test, 1, 4)


@pytest.mark.parametrize("layout", ["ped2", "avenue", "shanghaitech", "video"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_missing_and_empty_folders(tmp_path, layout, split):
    with pytest.raises(DmadError, match="does not exist"):
        find_split(layout, tmp_path / "missing", split)
    with pytest.raises(DmadError, match="found nothing; expected") as caught:
        find_split(layout, tmp_path, split)
    assert "\n" not in str(caught.value)


def test_unknown_layout(tmp_path):
    with pytest.raises(DmadError, match="unknown layout 'street'; known: ped2"):
        find_split("street", tmp_path, "train")


def test_describe_names_what_is_missing(avenue):
    text = describe(avenue)
    assert "avenue: CUHK Avenue" in text
    assert "train: 3 clips, 9 frames" in text
    assert "test: 3 clips, 12 frames, 3 of fewer than 5; labels: avenue .mat masks" in text
    assert "16 training and 21 test clips" in text
    assert "cuhk.edu.hk" in text
    assert "ped2" not in text


def test_describe_shanghaitech_by_its_names(write_benchmark, tmp_path):
    text = describe(write_benchmark(tmp_path, {"01_001": 2}, {"01_0014": 3}))
    assert "shanghaitech" in text
    assert "ped2" not in text
    assert "labels: none" in text


def test_describe_says_what_is_wrong_with_labels(write_benchmark, tmp_path):
    root = write_benchmark(tmp_path, {"01": 2}, {"01": 3})
    np.save(root / "frame_labels.npy", np.zeros(9))
    assert "labels 9 frames" in describe(root)


def test_describe_own_videos_and_nothing(mine, tmp_path):
    assert "video: videos or folders" in describe(mine)
    assert "to evaluate, give labels.csv" in describe(mine)
    (tmp_path / "void").mkdir()
    text = describe(tmp_path / "void")
    assert "svcl.ucsd.edu" in text
    assert "svip-lab" in text
    assert "mnist" in text
    with pytest.raises(DmadError, match="does not exist"):
        describe(tmp_path / "missing")


def test_describe_mnist(tmp_path):
    (tmp_path / "sets" / "MNIST" / "raw").mkdir(parents=True)
    (tmp_path / "sets" / "MNIST" / "raw" / "train-images-idx3-ubyte.gz").write_bytes(b"")
    assert "mnist: MNIST" in describe(tmp_path / "sets")
    assert "mnist: MNIST" in describe(tmp_path)  # the folder around it
    assert "no data known here" in describe(tmp_path / "sets" / "MNIST")


def test_describe_counts_frames_that_no_header_tells(write_video, tmp_path):
    write_video(tmp_path / "a.mkv", 40)
    write_video(tmp_path / "b.ts", 40)
    (tmp_path / "c.mkv").write_bytes(b"no film")
    assert "3 clips, 80 frames; 1 unreadable" in describe(tmp_path)
    Image.new("L", (32, 32)).save(tmp_path / "d.png")
    assert "give the folder that it lies in" in describe(tmp_path / "d.png")


@pytest.mark.data
def test_ped2_itself():
    root = DATA / "ped2"
    if not root.is_dir():
        pytest.skip(f"no Ped2 in {root}; set $DMAD_DATA")
    train, test = find_split("ped2", root, "train"), find_split("ped2", root, "test")
    assert (len(train.sources), len(test.sources)) == (16, 12)
    frames = [len(list(source.path.glob("*.jpg"))) for source in train.sources]
    assert sum(frames) == 2550
    assert sum(len(labels) for labels in test.labels) == 2010
    for i in (0, 11):
        assert (
            masks_of(test, i, len(test.labels[i]), 256).any(axis=(1, 2)) <= test.labels[i]
        ).all()
    text = describe(root)
    assert "16 clips, 2550 frames" in text
    assert "12 clips, 2010 frames" in text


def idx(array: np.ndarray) -> bytes:
    head = bytes((0, 0, 8, array.ndim))
    return head + b"".join(size.to_bytes(4, "big") for size in array.shape) + array.tobytes()


@pytest.mark.parametrize("pack", [gzip.compress, bytes])
def test_mnist_packed_or_not(tmp_path, pack):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    classes = np.arange(10, dtype=np.uint8)
    images = np.full((10, 28, 28), 7, np.uint8) * classes[:, None, None]
    for part in ("train", "t10k"):
        for name, array in (("images-idx3", images), ("labels-idx1", classes)):
            end = ".gz" if pack is gzip.compress else ""
            (raw / f"{part}-{name}-ubyte{end}").write_bytes(pack(idx(array)))
    data = replace(recipes.mnist().data, root=tmp_path)
    train, test = load_split(data, "train"), load_split(data, "test")
    assert train.footage.frames[:, 16, 16, 0].tolist() == [7, 21, 35, 49, 63]
    assert test.labels.tolist() == [1, 0] * 5


def test_half_an_archive_of_mnist_is_one_line(tmp_path):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    (raw / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(bytes(1000))[:20])
    with pytest.raises(DmadError, match="the four IDX files"):
        load_split(replace(recipes.mnist().data, root=tmp_path), "train")
