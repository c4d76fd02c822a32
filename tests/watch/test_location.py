import numpy as np
import pytest

from dmad.inference.result import JudgedFrames
from dmad.inference.streaming import JudgedFrame
from dmad.watch.location import locate


@pytest.mark.parametrize(
    ("deformation", "term", "left"), [(1.9, "reconstruction", 10), (2.1, "deformation", 20)]
)
def test_the_term_that_contributes_more_gives_the_place(calibration_of, deformation, term, left):
    maps = np.zeros((1, 20, 40), np.float32)
    maps[0, 5:10, 10:20] = 1
    batch = JudgedFrames(
        index=np.array([0]),
        frames=np.zeros((1, 20, 40, 1), np.uint8),
        raw=np.zeros(1),
        reconstruction=np.ones(1),
        deformation=np.array([deformation]),
        released={},
        reconstruction_map=maps,
        deformation_map=maps[..., ::-1].copy(),
        drawings={},
    )
    judged = JudgedFrame(0.0, 1.0, deformation, 0.0, batch)
    scorer = calibration_of(1.0).scorer  # the deformation has half the weight
    name, box = locate(judged, scorer, kernel=(3, 3))
    assert name == term
    assert 40 * box[0] == pytest.approx(left, abs=1.5)
