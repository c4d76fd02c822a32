import zipfile

import numpy as np
import pytest

from dmad.errors import DmadError
from dmad.evaluation.score_file import ScoreSet, read_scores, write_scores

RANDOM = np.random.default_rng(0)


def test_a_frame_is_complete_if_every_channel_has_a_score():
    channels = {"score": np.array([np.nan, 1, 2, 3]), "gradient": np.array([0, 1, np.nan, 3])}
    scores = ScoreSet(channels, np.array([0, 1, 0, 1]), np.array([2, 2]))
    assert scores.frames_without_score == 2
    assert scores.complete_frames.clip_lengths.tolist() == [1, 1]
    assert scores.complete_frames.labels.tolist() == [1, 1]


def test_clips_shrink_by_their_frames_without_a_score(scores, with_gaps):
    assert with_gaps(scores).complete_frames.clip_lengths.tolist() == [10, 28, 5]


def test_scores_are_read_as_they_were_written(scores, with_gaps, tmp_path):
    gappy = with_gaps(scores)
    write_scores(gappy, tmp_path / "mine.npz")
    read = read_scores(tmp_path / "mine.npz")
    assert read.clip_lengths.tolist() == gappy.clip_lengths.tolist()
    assert read.labels.tolist() == gappy.labels.tolist()
    assert read.label_name == "mine"
    assert read.channels.keys() == gappy.channels.keys()
    for name, values in read.channels.items():
        np.testing.assert_array_equal(values, gappy.channels[name])


def arrays(**changes):
    """Arrays of a good file, with changes; None leaves an array out."""
    good = {
        "score": RANDOM.random(49),
        "labels": RANDOM.integers(0, 2, 49),
        "clip_lengths": np.array([12, 30, 7]),
    }
    return {name: value for name, value in (good | changes).items() if value is not None}


def test_other_arrays_are_ignored(tmp_path):
    np.savez(tmp_path / "scores.npz", **arrays(more=np.zeros(3)))
    assert list(read_scores(tmp_path / "scores.npz").channels) == ["score"]


BAD_ARRAYS = {
    "scores of another length": (arrays(score=np.zeros(48)), r"shape \(48,\)"),
    "scores with two dimensions": (arrays(score=np.zeros((49, 1))), r"shape \(49, 1\)"),
    "no labels": (arrays(labels=None), "no labels"),
    "no scores": (arrays(score=None), "none of score"),
    "labels from 0 to 9": (arrays(labels=np.arange(49) % 10), "must be 0 or 1"),
    "text": (arrays(score=np.array(["high"] * 49)), "not numbers"),
    "infinite lengths": (arrays(clip_lengths=np.array([49, np.inf])), "whole"),
    "fractional lengths": (arrays(clip_lengths=np.array([24.5, 24.5])), "whole"),
    "a clip without frames": (arrays(clip_lengths=np.array([49, 0])), "above 0"),
    "lengths with two dimensions": (arrays(clip_lengths=np.array([[49]])), "whole"),
}


@pytest.mark.parametrize("name", BAD_ARRAYS)
def test_arrays_that_do_not_fit_are_refused_in_one_line(name, tmp_path):
    content, message = BAD_ARRAYS[name]
    np.savez(tmp_path / "scores.npz", **content)
    refused(tmp_path / "scores.npz", message)


def refused(path, message):
    with pytest.raises(DmadError, match=message) as error:
        read_scores(path)
    assert path.name in str(error.value)
    assert "\n" not in str(error.value)


class Trap:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_a_pickled_array_is_refused_and_not_executed(tmp_path):
    trap = np.array([Trap(tmp_path / "executed")] * 49, dtype=object)
    np.savez(tmp_path / "scores.npz", **arrays(score=trap))
    refused(tmp_path / "scores.npz", "score holds Python objects, not numbers")
    assert not (tmp_path / "executed").exists()


def test_a_missing_file_is_refused(tmp_path):
    refused(tmp_path / "scores.npz", "is not a file")


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 half an archive"])
def test_a_file_that_is_no_archive_is_refused(content, tmp_path):
    (tmp_path / "scores.npz").write_bytes(content)
    refused(tmp_path / "scores.npz", "not a readable .npz")


def test_a_damaged_archive_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "scores.npz", "w") as archive:
        archive.writestr("score.npy", b"\x93NUMPY nonsense")
    refused(tmp_path / "scores.npz", "not a readable .npz")


def test_a_single_array_is_refused(tmp_path):
    np.save(tmp_path / "scores.npy", np.zeros(3))
    refused(tmp_path / "scores.npy", "not a readable .npz")
