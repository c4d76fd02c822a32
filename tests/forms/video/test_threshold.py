import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from dmad import thresholds
from dmad.calibration.held_out import HeldOut
from dmad.calibration.alarms import find_events
from dmad.calibration.threshold import choose_threshold
from dmad.calibration.calibration import read_calibration
from dmad.data.zones import Zone
from dmad.drawing.video_writer import VideoWriter
from dmad.errors import DmadError
from dmad.inference.detector import load
from dmad.predict.video import predict
from dmad.runs import find_model, read_card, read_config, save_model
from dmad.thresholds import calibrate
from dmad.training.train import train


@pytest.fixture
def own(trained, tmp_path):
    """A copy of the trained run, to write a threshold into."""
    from shutil import copytree

    return copytree(trained, tmp_path / "run")


@pytest.fixture
def clips(write_odd_clip, tmp_path):
    """Two calm clips, and one with a checkerboard for a second."""

    def write(name, seed, odd=range(0)):
        return write_odd_clip(tmp_path / name, seed, 60, odd, range(16, 32))

    return write("calm1", 3), write("calm2", 4), write("odd", 3, range(30, 40))


def events(run, calibration, frames):
    found = load(run)(frames)
    return find_events(
        calibration.score(found.reconstruction, found.deformation), calibration.rule
    )


def test_a_false_alarm_is_taken_back_without_training(own, clips, frames_of):
    *calm, odd = clips
    frames = frames_of(3, 60).copy()
    frames[30:40, 16:32, 16:32, 0] = 255 * (np.indices((16, 16)).sum(0) % 2)
    first = calibrate(own, calm, "2/hour", {"gap": 0.5}, fps=10, weight=0.3)
    assert events(own, first, frames)
    weights = find_model(own).weights.read_bytes()
    second = calibrate(own, fps=10, more=[odd])
    assert not events(own, second, frames)
    assert find_model(own).weights.read_bytes() == weights
    assert (second.budget, second.scorer.weight) == (first.budget, 0.3)
    assert (second.rule.gap, second.rule.minimum) == (first.rule.gap, first.rule.minimum)
    assert (second.clips, second.frames) == (3, 3 * 56)
    assert load(own).calibration == second
    third = calibrate(own, budget="1/day", alarm={"minimum": 1.0})
    assert (third.clips, third.scorer, third.rule.gap) == (3, second.scorer, second.rule.gap)
    assert third.rule.minimum == 10


def test_the_rate_of_the_footage_counts_before_one_that_is_told(own, tmp_path, frames_of, logged):
    for name, fps in (("slow", 10), ("fast", 25)):
        with VideoWriter(tmp_path / f"{name}.mp4", fps) as film:
            for frame in frames_of(3, 40):
                film.write(frame)
    assert calibrate(own, [tmp_path / "fast.mp4"], fps=5).fps == 25
    assert not logged()
    calibrate(own, [tmp_path / "slow.mp4", tmp_path / "fast.mp4"])
    assert "the clips run at 10 to 25 frames a second; 10 counts" in logged()


def test_a_camera_keeps_its_threshold_in_a_file_of_its_own(own, clips, tmp_path):
    before, out = read_card(find_model(own)), tmp_path / "yard.json"
    found = calibrate(own, clips[:1], "6/hour", fps=10, out=out)
    assert read_calibration(out) == found
    assert HeldOut.read(tmp_path / "yard.npz").frames == 56
    more = calibrate(own, fps=10, more=clips[1:2], out=out)
    assert (more.clips, more.budget) == (2, found.budget)
    assert read_card(find_model(own)) == before
    (folder,) = predict(own, clips[:1], tmp_path / "found", panels=0, video=False, calibration=out)
    assert (folder / "events.csv").is_file()  # the model itself has no threshold


def test_terms_of_before_there_were_digests_are_read(own, clips):
    calibrate(own, clips[:1], fps=10)
    with np.load(own / "model.npz") as file:
        kept = {name: file[name] for name in file if name != "digests"}
    np.savez(own / "model.npz", **kept)
    assert calibrate(own, fps=10, more=clips[1:2]).clips == 2


def test_a_clip_counts_once(own, clips, logged):
    calm, other, odd = clips
    assert calibrate(own, [calm, calm], fps=10).clips == 1
    assert "1 of 2 clips are there already; each counts once" in logged()
    assert calibrate(own, fps=10, more=[other, odd]).clips == 3
    twice = calibrate(own, fps=10, more=[other, odd])
    assert (twice.clips, twice.frames) == (3, 3 * 56)


def test_a_trained_view_keeps_its_name_in_a_file_of_its_own(tmp_path, tiny, frames_of, clips):
    for name in ("01_001", "01_002", "01_003", "02_001", "02_002", "02_003"):
        with VideoWriter(tmp_path / "data" / "training" / "videos" / f"{name}.avi", 10) as film:
            for frame in frames_of(int(name[-1]), 20):
                film.write(frame)
    data = {"layout": "shanghaitech", "held_out": 0.3}
    run = train(tiny(tmp_path / "data", data), tmp_path / "runs").folder
    assert calibrate(run, fps=10).scene == ""
    assert calibrate(run, fps=10, more=clips[:1], scene="02").scene == ""  # of all views
    out = tmp_path / "two.json"
    assert calibrate(run, fps=10, more=clips[1:2], scene="02", out=out).scene == "02"
    again = calibrate(run, clips[:1], fps=10, out=out)
    assert (again.scene, again.clips) == ("02", 1)


def test_a_view_never_trained_on_has_no_footage_but_its_own(own, clips, tmp_path):
    out = tmp_path / "yard.json"
    calibrate(own, clips[:1], "6/hour", fps=10)
    first = calibrate(own, fps=10, more=clips[1:2], out=out, scene="yard")
    assert (first.scene, first.clips, first.budget.amount) == ("yard", 1, 6)
    assert calibrate(own, fps=10, more=clips[:1], out=out, scene="yard").clips == 2
    with pytest.raises(DmadError, match="view yard was not trained on; keep its threshold"):
        calibrate(own, fps=10, more=clips[1:2], scene="yard")


UPPER = Zone.parse("0,0 1,0 1,0.45 0,0.45", [])


def test_a_threshold_is_of_a_part_of_the_view(own, clips, tmp_path):
    *calm, odd = clips
    out = tmp_path / "gate.json"
    whole = calibrate(own, odd_too := [*calm, odd], fps=10, out=tmp_path / "whole.json")
    part = calibrate(own, odd_too, fps=10, out=out, zone=UPPER)
    assert part.threshold < whole.threshold  # the checkerboard is in the lower half
    assert read_calibration(out).zone == UPPER
    more = calibrate(own, fps=10, more=calm[:1], out=out)
    assert (more.zone, more.clips) == (UPPER, 3)
    (folder,) = predict(own, [odd], tmp_path / "found", panels=0, video=False, calibration=out)
    assert len((folder / "events.csv").read_text().splitlines()) == 1
    with pytest.raises(DmadError, match="looked at in another zone"):
        calibrate(own, fps=10, more=calm[:1], out=tmp_path / "whole.json", zone=UPPER)
    again = calibrate(own, calm, fps=10, out=out)
    assert (again.zone, again.clips) == (UPPER, 2)
    (tmp_path / "gate.npz").unlink()
    with pytest.raises(DmadError, match=r"gate\.npz is not there any more"):
        calibrate(own, fps=10, more=[odd], out=out)
    with pytest.raises(DmadError, match="a zone is of one camera"):
        calibrate(own, calm, fps=10, zone=UPPER)


def test_new_weights_keep_nothing_that_was_calibrated_with_old_ones(own, clips):
    calibrate(own, clips[:1], "6/hour", fps=10)
    save_model(own, torch.nn.Linear(1, 1), {"scenes": [""]}, read_config(own))
    assert "calibration" not in read_card(find_model(own))
    assert not (own / "model.npz").exists()


def test_a_model_that_ships_with_the_project_stays_as_it_is(clips, tmp_path):
    with pytest.raises(DmadError, match=r"ped2 ships with the project .* --out FILE"):
        calibrate("ped2", clips, fps=10)
    kept = calibrate("ped2", clips[:1], fps=10, out=tmp_path / "mine.json")
    assert read_calibration(tmp_path / "mine.json") == kept


def test_a_view_without_clips_is_refused(own):
    with pytest.raises(DmadError, match="--scene is the view of the clips named"):
        calibrate(own, scene="yard")


def test_a_threshold_is_of_the_view_that_is_named(own, clips, frames_of, tmp_path):
    calibrate(own, clips[:1], fps=10, out=tmp_path / "own.json")
    calibrate(own, clips[:1], fps=10, out=tmp_path / "yard.json", scene="yard")
    own_terms, yard = (HeldOut.read(tmp_path / f"{name}.npz") for name in ("own", "yard"))
    seen = load(own)(frames_of(3, 60), "yard").reconstruction
    np.testing.assert_allclose(yard.reconstruction, seen, rtol=1e-4)
    assert not np.allclose(own_terms.reconstruction[5:], yard.reconstruction[5:], rtol=1e-2)


def test_clips_of_another_rate_and_damaged_terms_are_refused(own, clips, tmp_path):
    out = tmp_path / "yard.json"
    calibrate(own, clips[:1], "6/hour", fps=10, out=out)
    with pytest.raises(DmadError, match="25 frames a second beside footage of 10"):
        calibrate(own, fps=25, more=clips[1:2], out=out)
    with pytest.raises(DmadError, match="--fps 25 is for clips that are named"):
        calibrate(own, fps=25, out=out)
    (tmp_path / "yard.npz").write_bytes(b"no zip")
    with pytest.raises(DmadError, match=r"yard\.npz is damaged"):
        calibrate(own, fps=10, more=clips[1:2], out=out)
    out.write_text(json.dumps({}))
    with pytest.raises(DmadError, match="holds no calibration"):
        calibrate(own, fps=10, more=clips[1:2], out=out)


def test_a_threshold_is_of_its_view(own, clips, tmp_path):
    out = tmp_path / "yard.json"
    calibrate(own, clips[:1], "6/hour", fps=10, out=out, scene="yard")
    assert calibrate(own, budget="1/day", fps=10, out=out).scene == "yard"
    with pytest.raises(DmadError, match="was set for view yard"):
        calibrate(own, fps=10, more=clips[1:2], out=out)
    with pytest.raises(DmadError, match="is for images"):
        calibrate(own, clips[:1], "0.01/image", fps=10)
    with pytest.raises(DmadError, match="is a folder"):
        calibrate(own, clips[:1], fps=10, out=tmp_path)


@pytest.mark.parametrize(
    ("wrong", "told"), [({"fps": -3}, "--fps is -3"), ({"weight": float("nan")}, "--weight is nan")]
)
def test_numbers_below_zero_are_refused(own, wrong, told):
    with pytest.raises(DmadError, match=told):
        calibrate(own, **wrong)


@pytest.fixture
def asked(trained, tmp_path, monkeypatch):
    """A run of two views whose terms are drawn; of which view they were asked for is noted."""
    seen, random = [], np.random.default_rng(0)
    terms = HeldOut(random.random(50), random.random(50), np.array([50]), 10.0)
    detector = load(trained)
    detector.scenes = ("01", "02")
    files = SimpleNamespace(shipped=False, card=tmp_path / "model.json")

    def held_out(*given):
        seen.append(given[-1].scene)
        return terms

    monkeypatch.setattr(thresholds, "find_model", lambda run: files)
    monkeypatch.setattr(thresholds, "load", lambda run: detector)
    monkeypatch.setattr(thresholds, "held_out", held_out)
    monkeypatch.setattr(thresholds, "_keep", lambda *_: None)
    return seen


def test_a_weight_of_nothing_counts(asked):
    assert calibrate("run", weight=0.0).scorer.weight == 0


def test_more_footage_is_seen_in_the_view_it_is_of(asked, monkeypatch):
    last = choose_threshold(HeldOut(np.arange(9.0), np.zeros(9), np.array([9]), 10.0), "1/hour")
    monkeypatch.setattr(thresholds, "_last", lambda *_: last)
    calibrate("run", more=["clip"], scene="02")
    assert asked == ["02"]
