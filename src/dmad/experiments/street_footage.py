"""Generates hours of normal street footage, and stores its scores in parts of ten minutes.

If the process was killed, the next process continues after the last stored part. Frames are scored
as soon as they are drawn. They are not kept, so longer footage does not need more memory.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import reduce
from hashlib import sha256
from pathlib import Path

import numpy as np

from dmad.calibration.held_out import HeldOut
from dmad.config import Weather
from dmad.console import progress_bar
from dmad.data.layouts.street import street_from_settings, weathers_from_settings
from dmad.data.synthetic.street import Street, normal_clip
from dmad.errors import DmadError, require
from dmad.files import make_folder
from dmad.inference.detector import Detector
from dmad.inference.result import AnomalyResult
from dmad.runs import find_model

CLIP_FRAMES = 600  # frames of a generated clip: one minute
PART_CLIPS = 10  # clips whose scores are stored together
SEED_CLIPS = 10_000  # clips of each seed; all clips of the training have a lower index
FIRST_COUNTED = SEED_CLIPS // 2  # clips before this one are for thresholds
BATCH = 32  # frames that are scored together

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class StreetFootage:
    """New normal clips of the street that a model was trained on. The weathers take turns.

    Args:
        detector: The model.
        folder: Folder for the scores.
        model: Checksum of the weights. Stored scores are used again only if they were computed with
            these weights.
        seed: Seed of the clips. Clips with another seed are independent.
    """

    detector: Detector
    folder: Path
    model: str
    seed: int = 0

    @classmethod
    def of_run(cls, detector: Detector, run: Path, folder: Path, seed: int) -> StreetFootage:
        """Return the footage for a run. Its scores are stored in `folder`."""
        require(seed >= 0, f"--seed is {seed}; give 0 or more")
        return cls(detector, folder, find_model(run).digest, seed)

    @property
    def street(self) -> Street:
        """The street of the model, with clips of one minute."""
        return replace(street_from_settings(self.detector.config.data), frames=CLIP_FRAMES)

    @property
    def weathers(self) -> tuple[Weather, ...]:
        """The n weathers of the training. Clip i has the weather with index i modulo n."""
        return weathers_from_settings(self.detector.config.data)

    def for_thresholds(self, hours: float) -> range:
        """Return the indices of the clips for thresholds: the same number of clips of each weather.

        Raises:
            DmadError: There are not enough clips for this number of hours.
        """
        return self._clips(0, hours, "--threshold-hours")

    def to_count(self, hours: float) -> range:
        """Return the indices of the clips for counting: the same number of clips of each weather.

        False alarms are counted in these clips.

        Raises:
            DmadError: There are not enough clips for this number of hours.
        """
        return self._clips(FIRST_COUNTED, hours, "--hours")

    def _clips(self, first: int, hours: float, option: str) -> range:
        clip_hours = CLIP_FRAMES / self.street.fps / 3600
        most = FIRST_COUNTED * clip_hours
        in_range = 0 < hours <= most  # False for NaN too
        require(in_range, f"{option} is {hours:g}; give more than 0 and at most {int(most)}")
        weathers = len(self.weathers)
        of_each = round(hours / clip_hours / weathers)
        of_each = min(max(of_each, 1), FIRST_COUNTED // weathers)
        return range(first, first + of_each * weathers)

    def weathers_of(self, clips: range) -> np.ndarray:
        """Return the names (K,) of the weathers of K clips."""
        return np.array([self._scene(index).weather for index in clips])

    def score(self, clips: range) -> HeldOut:
        """Return the raw terms of clips. Terms that are stored already are not computed again."""
        make_folder(self.folder)
        starts = range(clips.start, clips.stop, PART_CLIPS)
        parts = [range(start, min(start + PART_CLIPS, clips.stop)) for start in starts]
        return reduce(
            HeldOut.joined, [self._part(part) for part in progress_bar(parts, "generating footage")]
        )

    def _part(self, clips: range) -> HeldOut:
        """Read the terms of some clips, or compute and store them."""
        path = self.folder / f"seed-{self.seed}-clips-{clips.start:05}-{clips.stop:05}.npz"
        digests = np.array([self._digest(index) for index in clips])
        if path.exists():
            try:
                stored = HeldOut.read(path)
                if np.array_equal(stored.digests, digests):
                    return stored
            except DmadError:
                logger.warning("%s is damaged; it is computed again", path)
        results = [self._score_clip(index) for index in clips]
        joined = AnomalyResult.join(results)
        lengths = np.array([len(result.raw) for result in results])
        fps = self.street.fps
        part = HeldOut(joined.reconstruction, joined.deformation, lengths, fps, digests)
        part.write(path)
        logger.info("scored clips %d to %d of seed %d", clips.start, clips.stop - 1, self.seed)
        return part

    def _scene(self, index: int) -> Street:
        return replace(self.street, weather=self.weathers[index % len(self.weathers)])

    def _digest(self, index: int) -> str:
        """Return a checksum of everything that the scores of a clip depend on."""
        text = f"{self.model} {self._scene(index)} {self.seed} {index}"
        return sha256(text.encode()).hexdigest()

    def _score_clip(self, index: int) -> AnomalyResult:
        frames = normal_clip(self._scene(index), SEED_CLIPS * (1 + self.seed) + index).frames
        batches = self.detector.judge(frames, self.detector.scenes[0], BATCH)
        return AnomalyResult.from_batches(batches, self.detector.config.data.history)
