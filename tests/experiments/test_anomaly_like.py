"""Normal images bent at random: what a bend does, and that what it costs is told."""

from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import pytest

from dmad.data.footage import Footage
from dmad.data.splits import LabelledFootage
from dmad.experiments.anomaly_like import BENDS, areas, bent
from dmad.experiments.toy import toy
from dmad.recipes import recipe

SIZE = 32


@pytest.fixture
def ramps() -> np.ndarray:
    """Images whose brightness is the column, in steps of 4: a bend along x can be read off."""
    return np.tile((4 * np.arange(SIZE, dtype=np.uint8))[None, None, :, None], (50, SIZE, 1, 1))


def test_no_bend_changes_nothing(ramps):
    np.testing.assert_array_equal(bent(ramps, 0.0), ramps)


def test_a_bend_moves_by_what_it_says(ramps):
    inner = (slice(None), slice(8, 24), slice(8, 24))
    moved = (bent(ramps, 2.0)[inner].astype(float) - ramps[inner]) / 4
    # Between its knots a field is the mean of up to four draws, whose spread is smaller.
    assert 1.0 < moved.std() < 2.0
    assert abs(moved.mean()) < 0.5


def test_the_seed_decides(ramps):
    np.testing.assert_array_equal(bent(ramps, 2.0), bent(ramps, 2.0))
    assert (bent(ramps, 2.0) != bent(ramps, 2.0, seed=1)).any()


def test_only_the_normal_are_bent(ramps):
    """A detector that sees any change finds ever more of them abnormal."""
    labels = np.repeat([0, 1], 25)

    def explain(frames: np.ndarray, batch: int) -> Iterator[SimpleNamespace]:
        change = np.abs(frames.astype(float) - ramps).mean((1, 2, 3))
        assert (change[labels == 1] == 0).all()
        for part in np.split(np.where(labels, 4.0, change), 2):
            yield SimpleNamespace(columns=lambda part=part: [part])

    detector = SimpleNamespace(explain=explain)
    found = list(areas(detector, LabelledFootage(Footage(ramps, (), ()), labels, "")).values())
    assert len(found) == len(BENDS)
    assert found[0] == 1
    assert found == sorted(found, reverse=True)
    assert found[-1] < 1


def test_the_toy_tells_of_it(tmp_path, monkeypatch):
    monkeypatch.setattr("dmad.experiments.anomaly_like.BENDS", (0.0, 2.0))
    outcomes = toy(recipe("digits", epochs=1, limit=32), tmp_path)
    table = (tmp_path / "anomaly-like.md").read_text()
    for one in outcomes:
        whole = one.figures["AUROC (Eq. 14)"]
        assert f"| {one.variant} | 0 |" in table
        assert f"| {whole:.4f} |" in table  # unbent, it is the toy's own figure
    assert (tmp_path / "anomaly-like.png").exists()
