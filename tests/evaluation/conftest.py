"""Scores of three clips that several tests share."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from dmad.evaluation.score_file import ScoreSet

LENGTHS = np.array([12, 30, 7])


@pytest.fixture(scope="session")
def scores() -> ScoreSet:
    random = np.random.default_rng(0)
    channels = {name: random.random(49) for name in ("deformation", "reconstruction", "gradient")}
    return ScoreSet(channels, random.integers(0, 2, 49), LENGTHS, 10.0)


@pytest.fixture(scope="session")
def with_gaps() -> Callable[[ScoreSet], ScoreSet]:
    """Removes the scores of the first two frames of each clip."""

    def remove(scores: ScoreSet) -> ScoreSet:
        missing = np.concatenate([np.arange(length) < 2 for length in scores.clip_lengths])
        channels = {
            name: np.where(missing, np.nan, values) for name, values in scores.channels.items()
        }
        return replace(scores, channels=channels)

    return remove
