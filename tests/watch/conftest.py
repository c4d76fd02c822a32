"""A model that finds a bright checkerboard, and clips that show one."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dmad.inference.detector import Detector


@pytest.fixture
def detector(random_model, tiny, make_detector, calibration_of, frames_of) -> Detector:
    """Its threshold is above ordinary frames and far below a checkerboard."""
    detector = make_detector(random_model, tiny(None))
    usual = detector(frames_of(3, 40))
    highest = float(np.nanmax(usual.reconstruction + 0.5 * usual.deformation))
    return detector.with_calibration(calibration_of(1.3 * highest))


@pytest.fixture
def clip(write_odd_clip, tmp_path) -> Callable[..., Path]:
    """Writes 40 frames. Frames 20 to 26 have a checkerboard in the lower right corner."""

    def write(name: str = "gate", seed: int = 3, odd: range = range(20, 27)) -> Path:
        return write_odd_clip(tmp_path / name, seed, 40, odd, range(20, 30))

    return write
