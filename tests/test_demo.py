"""The pictures of `dmad demo`; its trainings are those of the recipes."""

from pathlib import Path

import numpy as np

from dmad import demo
from dmad.data.footage import stack
from dmad.data.splits import LabelledFootage
from dmad.forms.video.pictures import Limits
from dmad.inference.detector import Detector


def test_the_street_is_drawn_in_one_scale(
    random_model, tiny, frames_of, tmp_path, monkeypatch
) -> None:
    detector = Detector(random_model, tiny(None), device="cpu")
    clips = [frames_of(seed, 9) for seed in range(2)]
    labels = np.tile([0] * 6 + [1] * 3, 2).astype(np.uint8)
    test = LabelledFootage(stack(clips, 10.0), labels, "mine")
    found = [detector(frames) for frames in clips]
    first = np.concatenate([one.reconstruction for one in found])
    scores = {"eq12": first, "eq13": first, "score": first}
    usual = []

    class Noted(Limits):
        def __init__(self, config, peak=None) -> None:
            super().__init__(config, peak)
            usual.append(peak)

    monkeypatch.setattr(demo, "Limits", Noted)
    demo.draw(detector, test, scores, tmp_path)
    assert usual == [np.nanmedian(first)] * 2
    names = {"panel.png"}
    names |= {f"{kind}-{clip:03}.{end}" for clip in range(2)
              for kind, end in (("timeline", "png"), ("annotated", "mp4"))}  # fmt: skip
    assert {path.name for path in Path(tmp_path).iterdir()} == names
