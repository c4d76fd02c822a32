"""The threshold of video: which footage, view, zone and settings it is chosen for."""

import json
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
import torch

from dmad.api import calibrate, load, train_network
from dmad.calibration.alarms import highest_alarm_level
from dmad.calibration.calibration import Calibration, read_calibration
from dmad.calibration.held_out import HeldOut
from dmad.calibration.request import AlarmChanges
from dmad.data.footage import footage_from_arrays
from dmad.data.zones import Zone
from dmad.drawing.video_writer import VideoWriter
from dmad.errors import DmadError
from dmad.forms.video.threshold import read_clips, terms_file, terms_of
from dmad.runs import find_model, read_card, read_config, save_model

UPPER = Zone.parse("0,0 1,0 1,0.45 0,0.45", [])


@pytest.fixture
def run(trained, tmp_path) -> Path:
    """A copy of the trained run, to store a threshold in."""
    return copytree(trained, tmp_path / "run")


@pytest.fixture
def clips(write_odd_clip, tmp_path) -> tuple[Path, Path, Path]:
    """Two calm clips, and one with a checkerboard for a second."""

    def write(name, seed, odd=range(0)):
        return write_odd_clip(tmp_path / name, seed, 60, odd, range(16, 32))

    return write("calm1", 3), write("calm2", 4), write("odd", 3, range(30, 40))


def write_video(path: Path, frames: np.ndarray, fps: float) -> Path:
    with VideoWriter(path, fps) as video:
        for frame in frames:
            video.write(frame)
    return path


@pytest.fixture(scope="module")
def two_views(tmp_path_factory, tiny, frames_of) -> Path:
    """A run that was trained on the views 01 and 02."""
    root = tmp_path_factory.mktemp("two-views")
    for name in ("01_001", "01_002", "01_003", "02_001", "02_002", "02_003"):
        path = root / "data" / "training" / "videos" / f"{name}.avi"
        write_video(path, frames_of(int(name[-1]), 20), 10)
    config = tiny(root / "data", {"layout": "shanghaitech", "held_out": 0.3})
    return train_network(config, root / "runs").folder


def events(run: Path, calibration: Calibration, frames: np.ndarray) -> list:
    result = load(run)(frames)
    return calibration.events(calibration.score(result.reconstruction, result.deformation))


def test_the_threshold_is_stored_in_the_card_of_the_model(run, write_clip, tmp_path) -> None:
    clips = [write_clip(tmp_path / "normal" / str(seed), seed, 40) for seed in (3, 4)]
    calibration = calibrate(run, footage=clips, false_alarms="30/hour", fps=10)
    assert load(run).calibration == calibration
    assert (calibration.clips, calibration.frames) == (2, 2 * 36)
    assert read_card(find_model(run))["config"]  # the rest of the card is still there
    assert terms_file(find_model(run).card) == run / "model.npz"
    assert HeldOut.read(run / "model.npz").scored_frames == 2 * 36


def test_without_footage_the_clips_that_training_held_out_are_used(train_held_out) -> None:
    run = train_held_out(60)
    calibration = calibrate(run)
    assert (calibration.clips, calibration.frames, calibration.fps) == (1, 56, 10)
    assert str(calibration.budget) == "1/hour"


def test_an_unknown_frame_rate_is_refused(run, write_clip, tmp_path) -> None:
    with pytest.raises(DmadError, match="the frame rate of the footage is unknown; give it"):
        calibrate(run, footage=[write_clip(tmp_path / "normal", 3, 40)])


def test_a_false_alarm_named_as_normal_raises_no_alarm_again(run, clips, frames_of) -> None:
    *calm, odd = clips
    frames = frames_of(3, 60).copy()
    frames[30:40, 16:32, 16:32, 0] = 255 * (np.indices((16, 16)).sum(0) % 2)
    alarm = AlarmChanges(gap=0.5)
    first = calibrate(run, footage=calm, false_alarms="2/hour", alarm=alarm, fps=10, weight=0.3)
    assert events(run, first, frames)
    weights = find_model(run).weights.read_bytes()
    second = calibrate(run, normal=[odd], fps=10, force=True)
    assert not events(run, second, frames)
    assert second.threshold > first.threshold
    assert find_model(run).weights.read_bytes() == weights  # nothing was trained
    assert (second.budget, second.scorer.weight) == (first.budget, 0.3)
    assert (second.rule.gap, second.rule.minimum) == (first.rule.gap, first.rule.minimum)
    assert (second.scorer, second.clips) == (first.scorer, 2)
    assert load(run).calibration == second
    again = calibrate(run, false_alarms="3/hour")
    assert again.threshold >= second.threshold  # what was marked stays silent
    assert calibrate(run, undo=True) == second
    assert calibrate(run, undo=True) == load(run).calibration == first


def test_a_normal_clip_that_raises_no_alarm_changes_nothing(run, clips, logged) -> None:
    first = calibrate(run, footage=clips, false_alarms="1/day", fps=10)
    assert calibrate(run, normal=clips[:1], fps=10) == first
    assert "raises no alarm; the threshold" in logged()


def test_a_marked_clip_that_would_hide_much_must_be_forced(run, clips) -> None:
    *calm, odd = clips
    first = calibrate(run, footage=calm, fps=10)
    low = calibrate(run, threshold=first.largest / 10)
    with pytest.raises(DmadError, match=r"the threshold must rise from .* or use --force"):
        calibrate(run, normal=[odd], fps=10)
    assert load(run).calibration == low


def test_places_that_would_hide_much_must_be_forced(run, clips) -> None:
    *calm, odd = clips
    first = calibrate(run, footage=calm, fps=10)
    with pytest.raises(DmadError, match=r"times stronger in \d+% of the view.* or use --force"):
        calibrate(run, normal=[odd], only_here=True, fps=10)
    assert load(run).calibration == first
    forced = calibrate(run, normal=[odd], only_here=True, force=True, fps=10)
    assert (forced.threshold, bool(forced.places)) == (first.threshold, True)


def test_an_event_is_marked_by_its_id(run, clips, tmp_path, logged) -> None:
    first = calibrate(run, footage=clips[:2], fps=10)
    score = 1.2 * first.threshold
    message = {"kind": "event", "id": "gate-7.000", "state": "end", "score": score}
    (tmp_path / "events.jsonl").write_text(json.dumps(message) + "\n")
    second = calibrate(run, normal=["gate-7.000"], events=tmp_path)
    assert second.threshold == pytest.approx(1.05 * score)
    assert "1 of 1 past events would raise no alarm now: gate-7.000" in logged()


def test_normal_is_given_alone(run, clips) -> None:
    calibrate(run, footage=clips[:2], fps=10)
    with pytest.raises(DmadError, match="normal allows no other change; give false_alarms"):
        calibrate(run, normal=clips[2:], false_alarms="1/day", fps=10)


def test_a_clip_is_marked_only_where_a_threshold_is_set(run, clips) -> None:
    with pytest.raises(DmadError, match="there is no threshold yet"):
        calibrate(run, normal=clips[2:], fps=10)


def test_a_threshold_is_set_by_hand(run, clips) -> None:
    first = calibrate(run, footage=clips[:2], false_alarms="2/hour", fps=10)
    second = calibrate(run, threshold=2.5)
    assert (second.threshold, second.by_hand, second.scorer) == (2.5, True, first.scorer)
    assert len(second.options) == 5
    assert load(run).calibration == second
    assert calibrate(run, footage=clips[:1], threshold=3.5, fps=10).threshold == 3.5


def test_synthetic_anomalies_show_what_a_threshold_finds(run, clips) -> None:
    found = [option.found for option in calibrate(run, footage=clips[:2], fps=10).options]
    assert found == sorted(found, reverse=True)
    again = [option.found for option in calibrate(run, false_alarms="60/hour").options]
    assert None not in again  # their scores are stored with those of the footage


def test_a_percentage_is_a_share_of_the_frames(run, clips) -> None:
    assert str(calibrate(run, footage=clips, false_alarms="5%", fps=10).budget) == "0.05/frame"


def test_what_is_not_asked_for_stays_as_in_the_last_calibration(run, clips) -> None:
    alarm = AlarmChanges(gap=0.5)
    first = calibrate(run, footage=clips, false_alarms="2/hour", alarm=alarm, fps=10, weight=0.3)
    second = calibrate(run, false_alarms="1/day", alarm=AlarmChanges(minimum=1.0))
    assert (second.clips, second.scorer, second.rule.gap) == (3, first.scorer, first.rule.gap)
    assert second.rule.minimum == 10
    assert str(second.budget) == "1/day"


def test_a_weight_of_zero_is_a_weight(run, clips) -> None:
    calibrate(run, footage=clips[:1], fps=10, weight=0.3)
    assert calibrate(run, weight=0.0).scorer.weight == 0
    assert calibrate(run).scorer.weight == 0


def test_the_rate_of_the_footage_counts_before_the_rate_that_is_given(
    run, tmp_path, frames_of, logged
) -> None:
    slow, fast = (
        write_video(tmp_path / f"{name}.mp4", frames_of(3, 40), fps)
        for name, fps in (("slow", 10), ("fast", 25))
    )
    assert calibrate(run, footage=[fast], fps=5).fps == 25
    assert "frames per second" not in logged()
    calibrate(run, footage=[slow, fast])
    assert "the clips have 10 to 25 frames per second; 10 is used" in logged()


def test_a_camera_has_its_threshold_in_a_file_of_its_own(run, clips, tmp_path) -> None:
    before, out = read_card(find_model(run)), tmp_path / "yard.json"
    first = calibrate(run, footage=clips[:1], false_alarms="6/hour", fps=10, out=out)
    assert read_calibration(out) == first
    assert HeldOut.read(tmp_path / "yard.npz").scored_frames == 56
    second = calibrate(run, threshold=7.5, out=out)
    assert (second.clips, second.budget) == (1, first.budget)
    assert read_card(find_model(run)) == before
    assert load(run).calibration is None
    assert load(run, calibration=out).calibration == second


def test_a_file_of_terms_without_digests_is_read(run, clips) -> None:
    """Files that an earlier version wrote have none."""
    calibrate(run, footage=clips[:1], fps=10)
    with np.load(run / "model.npz") as file:
        kept = {name: file[name] for name in file if name != "digests"}
    np.savez(run / "model.npz", **kept)
    assert calibrate(run, false_alarms="6/hour").clips == 1


def test_a_clip_counts_once(run, clips, logged) -> None:
    calm, other, odd = clips
    assert calibrate(run, footage=[calm, calm], fps=10).clips == 1
    assert "1 of 2 clips" in logged()
    assert calibrate(run, footage=[calm, other, odd, calm], fps=10).clips == 3


def test_a_view_has_its_name_in_a_file_of_its_own(two_views, clips, tmp_path) -> None:
    run, out = copytree(two_views, tmp_path / "run"), tmp_path / "two.json"
    assert calibrate(run, fps=10).scene == ""
    assert calibrate(run, normal=clips[:1], fps=10, scene="02").scene == ""  # of all views
    assert calibrate(run, normal=clips[1:2], fps=10, scene="02", out=out).scene == "02"
    again = calibrate(run, footage=clips[:1], fps=10, out=out)
    assert (again.scene, again.clips) == ("02", 1)


def test_normal_clips_are_scored_in_the_view_that_they_show(
    two_views, clips, frames_of, tmp_path
) -> None:
    run = copytree(two_views, tmp_path / "run")
    calibrate(run, fps=10)
    low = calibrate(run, threshold=-99.0)
    marked = calibrate(run, normal=clips[:1], fps=10, scene="02", force=True)
    levels = [
        highest_alarm_level(load(run)(frames_of(3, 60), view).calibrated, low.shape, 10)
        for view in ("02", "01")
    ]
    assert marked.lowest == pytest.approx(levels[0] + 0.05 * abs(levels[0]), rel=1e-3)
    assert levels[1] != pytest.approx(levels[0], rel=1e-2)


def test_a_new_view_is_calibrated_on_its_own_clips_alone(run, clips, tmp_path) -> None:
    out = tmp_path / "yard.json"
    calibrate(run, footage=clips[:1], false_alarms="6/hour", fps=10)
    first = calibrate(run, normal=clips[1:2], fps=10, out=out, scene="yard")
    assert (first.scene, first.clips, first.budget.amount) == ("yard", 1, 6)
    marked = calibrate(run, normal=clips[:1], fps=10, out=out, scene="yard", force=True)
    assert (marked.clips, marked.scorer) == (1, first.scorer)
    with pytest.raises(DmadError, match="view yard was not in the training; store its threshold"):
        calibrate(run, normal=clips[1:2], fps=10, scene="yard")


def test_a_threshold_may_be_for_a_part_of_the_view(run, clips, tmp_path) -> None:
    *calm, odd = clips
    out = tmp_path / "gate.json"
    whole = calibrate(run, footage=clips, fps=10, out=tmp_path / "whole.json")
    part = calibrate(run, footage=clips, fps=10, out=out, zone=UPPER)
    assert part.threshold < whole.threshold  # the checkerboard is in the lower half
    assert read_calibration(out).zone == UPPER
    more = calibrate(run, normal=calm[:1], fps=10, out=out)
    assert (more.zone, more.clips) == (UPPER, 3)
    assert not load(run, calibration=out)(stack_of(odd)).alarm.any()


def stack_of(clip: Path) -> np.ndarray:
    """The frames of a clip on disk, (N, 32, 32, 1)."""
    from PIL import Image

    frames = [np.asarray(Image.open(path)) for path in sorted(clip.iterdir())]
    return np.stack(frames)[..., None]


def test_the_zone_changes_only_with_all_clips(run, clips, tmp_path) -> None:
    *calm, _ = clips
    whole, part = tmp_path / "whole.json", tmp_path / "gate.json"
    calibrate(run, footage=clips, fps=10, out=whole)
    with pytest.raises(DmadError, match="the last footage was scored in another part of the view"):
        calibrate(run, normal=calm[:1], fps=10, out=whole, zone=UPPER)
    calibrate(run, footage=clips, fps=10, out=part, zone=UPPER)
    again = calibrate(run, footage=calm, fps=10, out=part)
    assert (again.zone, again.clips) == (UPPER, 2)
    with pytest.raises(DmadError, match="include and exclude are for one camera"):
        calibrate(run, footage=calm, fps=10, zone=UPPER)


def test_missing_terms_of_a_camera_are_reported(run, clips, tmp_path) -> None:
    out = tmp_path / "gate.json"
    calibrate(run, footage=clips[:1], fps=10, out=out)
    (tmp_path / "gate.npz").unlink()
    with pytest.raises(DmadError, match=r"gate\.npz is missing; put it back beside"):
        calibrate(run, false_alarms="1/day", out=out)
    assert calibrate(run, normal=clips[1:2], fps=10, out=out, force=True).options == ()
    assert calibrate(run, footage=clips[:1], fps=10, out=out).clips == 1


def test_new_weights_lose_the_threshold_of_the_old_ones(run, clips) -> None:
    calibrate(run, footage=clips[:1], false_alarms="6/hour", fps=10)
    save_model(run, torch.nn.Linear(1, 1), {"scenes": [""]}, read_config(run))
    assert "calibration" not in read_card(find_model(run))
    assert not (run / "model.npz").exists()


def test_a_scene_without_clips_is_refused(run) -> None:
    with pytest.raises(DmadError, match="scene yard is given without clips"):
        calibrate(run, scene="yard")


def test_clips_are_scored_in_the_view_that_is_named(run, clips, frames_of, tmp_path) -> None:
    calibrate(run, footage=clips[:1], fps=10, out=tmp_path / "own.json")
    calibrate(run, footage=clips[:1], fps=10, out=tmp_path / "yard.json", scene="yard")
    own, yard = (HeldOut.read(tmp_path / f"{name}.npz") for name in ("own", "yard"))
    expected = load(run)(frames_of(3, 60), "yard").reconstruction
    np.testing.assert_allclose(yard.reconstruction, expected, rtol=1e-4)
    assert not np.allclose(own.reconstruction[5:], yard.reconstruction[5:], rtol=1e-2)


def test_clips_of_another_rate_are_refused(run, clips, tmp_path) -> None:
    out = tmp_path / "yard.json"
    calibrate(run, footage=clips[:1], false_alarms="6/hour", fps=10, out=out)
    with pytest.raises(DmadError, match="25 frames per second, the footage has 10"):
        calibrate(run, normal=clips[1:2], fps=25, out=out)
    with pytest.raises(DmadError, match="fps 25 is given without clips; the last footage"):
        calibrate(run, fps=25, out=out)


def test_damaged_files_of_a_camera_are_refused(run, clips, tmp_path) -> None:
    out = tmp_path / "yard.json"
    calibrate(run, footage=clips[:1], fps=10, out=out)
    (tmp_path / "yard.npz").write_bytes(b"no zip")
    with pytest.raises(DmadError, match=r"yard\.npz is damaged"):
        calibrate(run, normal=clips[1:2], fps=10, out=out)
    out.write_text(json.dumps({}))
    with pytest.raises(DmadError, match="holds no calibration"):
        calibrate(run, normal=clips[1:2], fps=10, out=out)


def test_a_threshold_keeps_its_view(run, clips, tmp_path) -> None:
    out = tmp_path / "yard.json"
    calibrate(run, footage=clips[:1], false_alarms="6/hour", fps=10, out=out, scene="yard")
    assert calibrate(run, false_alarms="1/day", fps=10, out=out).scene == "yard"
    with pytest.raises(DmadError, match="was set for view yard"):
        calibrate(run, normal=clips[1:2], fps=10, out=out)


def test_a_budget_of_images_is_refused(run, clips) -> None:
    with pytest.raises(DmadError, match=r"0\.01/image is for images; for video give 1/day"):
        calibrate(run, footage=clips[:1], false_alarms="0.01/image", fps=10)


def test_a_folder_as_the_file_to_store_in_is_refused(run, clips, tmp_path) -> None:
    with pytest.raises(DmadError, match="is a folder; give --out a file"):
        calibrate(run, footage=clips[:1], fps=10, out=tmp_path)


def test_clips_of_one_view_are_read_with_unique_names(clips, tiny, tmp_path, frames_of) -> None:
    inner = tmp_path / "more" / "calm1.mp4"
    write_video(inner, frames_of(4, 9), 10)
    footage = read_clips([clips[0], inner.parent], tiny(None).data, "yard")
    assert [clip.name for clip in footage.clips] == ["calm1", "calm1-2"]
    assert {clip.scene for clip in footage.clips} == {"yard"}
    assert [clip.fps for clip in footage.clips] == [0, 10]


def test_an_unreadable_clip_is_left_out_with_a_warning(clips, tiny, tmp_path, logged) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    footage = read_clips([clips[0], tmp_path / "broken.mp4"], tiny(None).data)
    assert [clip.name for clip in footage.clips] == ["calm1"]
    assert "broken.mp4" in logged()


def test_terms_are_those_of_each_clip(random_model, tiny, make_detector, frames_of) -> None:
    detector = make_detector(random_model, tiny(None))
    held = terms_of(detector, footage_from_arrays([frames_of(1, 9), frames_of(2, 12)]), fps=10)
    assert (held.clip_lengths.tolist(), held.fps) == ([9, 12], 10)
    assert len(set(held.digests.tolist())) == 2
    whole = np.concatenate([detector(frames_of(1, 9)).deformation,
                            detector(frames_of(2, 12)).deformation])  # fmt: skip
    np.testing.assert_allclose(held.deformation, whole, rtol=1e-4)
