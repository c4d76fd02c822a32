"""Normal images that are bent at random, and the AUROC beside abnormal ones."""

from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import pytest

from dmad.data.footage import Footage, LabelledFootage
from dmad.experiments.anomaly_like import BENDS, auroc_by_bend, bend

SIZE = 32


@pytest.fixture
def ramps() -> np.ndarray:
    """Images whose brightness is 4 times the column, so that a bend along x can be measured."""
    return np.tile((4 * np.arange(SIZE, dtype=np.uint8))[None, None, :, None], (50, SIZE, 1, 1))


def test_a_bend_of_zero_pixels_changes_nothing(ramps):
    np.testing.assert_array_equal(bend(ramps, 0.0), ramps)


def test_a_bend_moves_pixels_by_about_its_strength(ramps):
    inner = (slice(None), slice(8, 24), slice(8, 24))
    moved = (bend(ramps, 2.0)[inner].astype(float) - ramps[inner]) / 4
    # Between its knots a field is the mean of up to four draws, whose spread is smaller.
    assert 1.0 < moved.std() < 2.0
    assert abs(moved.mean()) < 0.5


def test_the_seed_decides_how_images_are_bent(ramps):
    np.testing.assert_array_equal(bend(ramps, 2.0), bend(ramps, 2.0))
    assert (bend(ramps, 2.0) != bend(ramps, 2.0, seed=1)).any()


def test_only_normal_images_are_bent(ramps):
    """A detector that scores every change calls more and more of them abnormal."""
    labels = np.repeat([0, 1], 25)

    def judge(frames: np.ndarray, batch: int) -> Iterator[SimpleNamespace]:
        change = np.abs(frames.astype(float) - ramps).mean((1, 2, 3))
        assert (change[labels == 1] == 0).all()
        for part in np.split(np.where(labels, 4.0, change), 2):
            yield SimpleNamespace(raw=part)

    detector = SimpleNamespace(judge=judge)
    found = list(
        auroc_by_bend(detector, LabelledFootage(Footage(ramps, (), ()), labels, "")).values()
    )
    assert len(found) == len(BENDS)
    assert found[0] == 1
    assert found == sorted(found, reverse=True)
    assert found[-1] < 1
