"""Measures what feedback hides: `python tests/forms/video/measure_feedback.py ped2 UCSDped2`.

Each event of the test split is marked as normal, once by a higher threshold and once only at its
places. The script prints how many events of the other clips are still found.
"""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from dmad.api import calibrate, load
from dmad.calibration.calibration import Calibration
from dmad.calibration.request import CalibrationRequest
from dmad.data.footage import Clip
from dmad.data.series import intervals
from dmad.data.splits import load_split
from dmad.inference.result import AnomalyResult, JudgedFrames

BEFORE = 20  # frames of a film before its event


def main(model: str, root: str) -> None:
    detector = load(model)
    test = load_split(replace(detector.config.data, root=root), "test")
    frames, clips = test.footage.frames, test.footage.clips
    judged = [list(detector.judge(frames[clip.span], clip.scene)) for clip in clips]

    def found(calibration: Calibration, clip: Clip, batches: list[JudgedFrames]) -> tuple[int, int]:
        """Number of events of a clip that raise an alarm, and number of all its events."""
        zone, places = calibration.zone, calibration.places
        weighted = [detector.inside(zone, batch, places) for batch in batches]
        result = AnomalyResult.from_batches(weighted, detector.config.data.history)
        alarm = result.with_threshold(calibration, "frames").alarm
        events = intervals(test.labels[clip.span])
        return sum(bool(alarm[start:end].any()) for start, end in events), len(events)

    totals = np.zeros((3, 2), int)  # at first, with a higher threshold, only here
    for number, clip in enumerate(clips):
        for start, end in intervals(test.labels[clip.span]):
            with tempfile.TemporaryDirectory() as folder:
                film = Path(folder, "film")
                film.mkdir()
                for index in range(clip.start + max(0, start - BEFORE), clip.start + end):
                    Image.fromarray(frames[index, ..., 0]).save(film / f"{index:05}.png")
                calibrations = [detector.calibration]
                for only_here in (False, True):
                    request = CalibrationRequest(
                        normal=[film],
                        fps=detector.fps,
                        only_here=only_here,
                        force=True,
                        out=Path(folder, f"{only_here}.json"),
                    )
                    calibrations.append(calibrate(model, request))
            others = [
                [
                    found(calibration, *other)
                    for k, other in enumerate(zip(clips, judged, strict=True))
                    if k != number
                ]
                for calibration in calibrations
            ]
            counts = np.array([np.sum(one, axis=0) for one in others])
            shown = ", ".join(f"{hits} of {all_events}" for hits, all_events in counts)
            weights = calibrations[-1].places.weights()
            print(
                f"{clip.name} from {start} to {end}: {shown}; threshold "
                f"{calibrations[1].threshold:.1f}; {(weights < 1).mean():.0%} of the view, weight "
                f"{weights.min():.2f}",
                flush=True,
            )
            totals += counts
    names = ("before", "higher threshold", "only here")
    for name, (hits, all_events) in zip(names, totals, strict=True):
        print(f"{name}: {hits / all_events:.1%} of the events of other clips are found")


if __name__ == "__main__":
    main(*sys.argv[1:])
