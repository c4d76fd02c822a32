"""What was normal at one place: the threshold stays, and scores of this place count less."""

import json
import tracemalloc
from dataclasses import replace
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
from PIL import Image

from dmad.api import calibrate, evaluate, load
from dmad.calibration.calibration import Calibration
from dmad.calibration.normal_places import NOWHERE
from dmad.data.footage import footage_from_arrays
from dmad.errors import DmadError
from dmad.forms.video.feedback import ClipMaps
from dmad.inference.streaming import Stream
from dmad.runs import find_model

MARKED, OTHER = range(16, 32), range(0, 12)  # rows and columns of a square
ODD = range(30, 40)  # frames that show a checkerboard


@pytest.fixture
def run(trained, write_clip, tmp_path) -> Path:
    """A trained run with a threshold from calm clips."""
    run = copytree(trained, tmp_path / "run")
    calm = [write_clip(tmp_path / f"calm{seed}", seed, 60) for seed in (3, 4)]
    calibrate(run, footage=calm, false_alarms="2/hour", fps=10)
    return run


@pytest.fixture
def clip_with(write_odd_clip, tmp_path):
    """Writes a clip with a checkerboard at a place."""
    return lambda place: write_odd_clip(tmp_path / f"odd{place.start}", 3, 60, ODD, place)


def frames_in(clip: Path) -> np.ndarray:
    return np.stack([np.array(Image.open(path))[..., None] for path in sorted(clip.iterdir())])


def alarms(run: Path, clip: Path) -> int:
    result = load(run)(frames_in(clip))
    return int(np.nansum(result.alarm))


def mark(run: Path, clip: Path) -> Calibration:
    return calibrate(run, normal=[clip], fps=10, only_here=True, force=True)


def test_what_was_marked_is_silent_and_another_place_still_raises_alarms(run, clip_with) -> None:
    marked, other = clip_with(MARKED), clip_with(OTHER)
    old = load(run).calibration
    assert alarms(run, marked)
    new = mark(run, marked)
    assert new.threshold == old.threshold
    assert alarms(run, marked) == 0
    assert alarms(run, other)
    assert load(run).calibration == new


def test_the_marked_place_counts_less_than_the_opposite_corner(run, clip_with) -> None:
    weights = mark(run, clip_with(MARKED)).places.weights(32)
    assert weights[20:28, 20:28].max() < weights[:6, :6].min()


def test_marks_add_up_and_each_can_be_undone(run, clip_with) -> None:
    first = load(run).calibration
    marked, other = clip_with(MARKED), clip_with(OTHER)
    second = mark(run, marked)
    third = mark(run, other)
    assert (third.places.weights() <= second.places.weights()).all()
    assert alarms(run, marked) == alarms(run, other) == 0
    assert calibrate(run, undo=True) == second
    assert calibrate(run, undo=True) == load(run).calibration == first


def test_marks_stay_if_only_the_budget_changes_and_end_with_new_footage(
    run, clip_with, write_clip, tmp_path
) -> None:
    marked = mark(run, clip_with(MARKED))
    assert calibrate(run, false_alarms="1/hour").places == marked.places
    new = [write_clip(tmp_path / "new", 6, 60)]
    assert calibrate(run, footage=new, fps=10).places == NOWHERE


def test_a_stream_scores_like_a_whole_clip(run, clip_with) -> None:
    marked = clip_with(MARKED)
    mark(run, marked)
    detector, frames = load(run), frames_in(marked)
    stream = Stream(detector)
    scores = [scored.score for frame in frames if (scored := stream.add_frame(frame))]
    np.testing.assert_allclose(scores, detector(frames).score[-len(scores) :], rtol=1e-4)


def test_a_clip_without_an_alarm_changes_nothing(run, write_clip, tmp_path, logged) -> None:
    old = load(run).calibration
    assert mark(run, write_clip(tmp_path / "calm", 3, 60)) == old
    assert "what was marked raises no alarm; the threshold" in logged()


def test_the_memory_for_the_highest_scores_does_not_grow_with_the_footage(run, write_clip) -> None:
    detector = load(run)
    footage = footage_from_arrays([frames_in(write_clip(run / "clip", 3, 40))])
    maps = ClipMaps.from_footage(detector, footage)
    needs = {1: [], 50: []}
    for repeats in (1, 50) * 3:  # the smallest counts: other parts of the process need memory too
        repeated = replace(maps, clips=[maps.clips[0] * repeats])
        tracemalloc.start()
        highest = repeated.highest(detector.calibration)
        needs[repeats].append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        np.testing.assert_array_equal(highest, maps.highest(detector.calibration))
    assert min(needs[50]) < 2 * min(needs[1])


def test_the_message_says_how_much_of_the_view_is_less_sensitive(run, clip_with, logged) -> None:
    mark(run, clip_with(MARKED))
    assert "% of the view, an anomaly must now be stronger, by a factor of up to" in logged()


def test_an_evaluation_says_that_it_covers_marked_places_too(
    run, clip_with, normal_data, logged
) -> None:
    mark(run, clip_with(MARKED))
    evaluate(run, root=normal_data)
    assert "places that were marked as normal count fully in the evaluation" in logged()


def test_an_id_has_no_places(run, tmp_path) -> None:
    event = {"kind": "event", "id": "gate-1", "score": 99.0}
    (tmp_path / "events.jsonl").write_text(json.dumps(event) + "\n")
    with pytest.raises(DmadError, match="an id does not show the places of an event"):
        calibrate(run, normal=["gate-1"], events=tmp_path, only_here=True)


def test_places_without_clips_are_refused(run) -> None:
    with pytest.raises(DmadError, match="only_here is for clips that were marked as normal"):
        calibrate(run, only_here=True)


def test_models_of_before_have_no_places(run) -> None:
    card = find_model(run).card
    tree = json.loads(card.read_text())
    del tree["calibration"]["places"]
    card.write_text(json.dumps(tree))
    assert load(run).calibration.places == NOWHERE
