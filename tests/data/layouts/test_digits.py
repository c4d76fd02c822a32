"""Normal digits are for training, and all digits are for testing."""

import gzip
from dataclasses import replace

import numpy as np
import pytest

from dmad import recipes
from dmad.data.layouts.digits import is_mnist, load_digits, load_mnist, read_idx, resize_digits
from dmad.errors import DmadError


def idx(array: np.ndarray) -> bytes:
    """An array in the format of MNIST's files."""
    head = bytes((0, 0, 8, array.ndim))
    return head + b"".join(size.to_bytes(4, "big") for size in array.shape) + array.tobytes()


@pytest.mark.parametrize("pack", [gzip.compress, bytes])
def test_mnist_is_read_packed_or_not(tmp_path, pack):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    classes = np.arange(10, dtype=np.uint8)
    images = np.full((10, 28, 28), 7, np.uint8) * classes[:, None, None]
    for part in ("train", "t10k"):
        for name, array in (("images-idx3", images), ("labels-idx1", classes)):
            end = ".gz" if pack is gzip.compress else ""
            (raw / f"{part}-{name}-ubyte{end}").write_bytes(pack(idx(array)))
    data = replace(recipes.mnist().data, root=tmp_path)
    train, test = load_mnist(data, "train"), load_mnist(data, "test")
    assert train.footage.frames[:, 16, 16, 0].tolist() == [7, 21, 35, 49, 63]
    assert test.labels.tolist() == [1, 0] * 5
    assert is_mnist(tmp_path)


DIGITS = np.zeros((3, 28, 28), np.uint8)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gzip.compress(idx(DIGITS))[:20], "is damaged"),
        (gzip.compress(idx(DIGITS))[:10] + bytes(100), "is damaged"),
        (b"no archive", "is damaged"),
        (gzip.compress(b""), "is no IDX file of 3 dimensions"),
        (gzip.compress(idx(DIGITS)[:-1]), "is no IDX file of 3 dimensions"),
        (gzip.compress(idx(DIGITS[0, 0])), "is no IDX file of 3 dimensions"),
    ],
)
def test_a_damaged_archive_is_an_error_of_one_line(tmp_path, content, message):
    (tmp_path / "images.gz").write_bytes(content)
    with pytest.raises(DmadError, match=message) as caught:
        read_idx(tmp_path / "images", 3)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DmadError, match="train-images-idx3-ubyte is missing; put the four IDX"):
        load_mnist(replace(recipes.mnist().data, root=tmp_path), "train")


def test_every_third_digit_of_scikit_learn_is_for_testing():
    data = replace(recipes.digits().data, size=16, normal=(1, 3))
    train, test = load_digits(data, "train"), load_digits(data, "test")
    assert len(test.classes) == 599
    assert set(train.classes) == {1, 3}
    assert not train.labels.any()
    assert (test.labels == ~np.isin(test.classes, (1, 3))).all()
    assert train.label_name == "digits, normal: 1 3"
    assert train.footage.frames.shape[1:] == (16, 16, 1)


def test_digits_are_padded_by_a_few_pixels_or_resized():
    images = np.full((2, 28, 28), 200, np.uint8)
    padded = resize_digits(images, 32)
    assert padded.shape == (2, 32, 32)
    assert (padded[:, 2:-2, 2:-2] == 200).all()
    assert padded[:, :2].max() == 0
    assert (resize_digits(images, 64) == 200).all()
