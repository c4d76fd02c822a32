import json
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from dmad.calibration.alarms import find_events
from dmad.cli import main as cli
from dmad.data.reading.source_frames import Shot, Source
from dmad.data.zones import Zone
from dmad.drawing.video_writer import VideoWriter
from dmad.errors import DmadError
from dmad.inference.detector import Detector
from dmad.inference.warnings import unjudged
from dmad.watch.camera_worker import Wanted
from dmad.watch.cameras import Camera
from dmad.watch.events import Recent
from dmad.watch.watch import watch


class Kept:
    """A sink that keeps what it gets."""

    def __init__(self):
        self.lines, self.closed = [], False

    def put(self, line):
        self.lines.append(json.loads(line))

    def close(self):
        self.closed = True

    def of(self, kind, **wanted):
        found = [line for line in self.lines if line["kind"] == kind]
        return [line for line in found if wanted.items() <= line.items()]


@pytest.fixture
def detector(random_model, tiny, monkeypatch, calibration_of, frames_of) -> Detector:
    """Its threshold lies where a bright flash in `frames_of` rises far above."""
    monkeypatch.setattr("dmad.inference.detector.has_fast_bf16", lambda _: False)
    plain = Detector(random_model, tiny(None), device="cpu")
    usual = plain(frames_of(3, 40))
    level = float(np.nanmax(usual.reconstruction + 0.5 * usual.deformation))
    return Detector(random_model, tiny(None), device="cpu", calibration=calibration_of(1.3 * level))


@pytest.fixture
def clip(write_odd_clip, tmp_path):
    """40 frames, of which 20 to 26 hold a checkerboard in the lower right corner."""

    def write(name="gate", seed=3, odd=range(20, 27)):
        return str(write_odd_clip(tmp_path / name, seed, 40, odd, range(20, 30)))

    return write


def seen(detector, *cameras, wanted=None):
    kept = Kept()
    count = watch(detector, cameras, [kept], wanted or Wanted())
    assert kept.closed
    return count, kept


def test_an_event_becomes_lines_a_film_and_a_thumbnail(detector, clip, tmp_path):
    out = tmp_path / "found"
    count, kept = seen(detector, Camera(clip()), wanted=Wanted(out, before=0.5, after=0.5))
    assert count == 1
    assert {line["source"] for line in kept.lines} == {"gate"}
    states = [line["state"] for line in kept.of("event")]
    assert (states[0], states[-1]) == ("new", "end")
    end = kept.of("event", state="end")[0]
    assert 1.9 <= end["start"] <= 2.1
    assert 2.6 <= end["end"] <= 3.1
    left, top, right, bottom = end["box"]
    assert left < 25 / 32 < right
    assert top < 25 / 32 < bottom
    assert end["term"] == "reconstruction"
    assert end["clip"] == str(out / "clips" / f"{end['id']}.mp4")
    assert (out / "clips" / f"{end['id']}.mp4").stat().st_size > 0
    assert np.asarray(Image.open(end["thumbnail"])).shape == (32, 64, 3)
    (last,) = kept.of("count")
    assert (last["frames"], last["scored"], last["events"]) == (40, 36, 1)
    assert (last["dropped"], last["gaps"]) == (0, 0)


def test_the_events_are_those_of_the_batch(detector, clip, frames_of):
    _, kept = seen(detector, Camera(clip()))
    frames = frames_of(3, 40).copy()
    frames[20:27, 20:30, 20:30, 0] = 255 * (np.indices((10, 10)).sum(0) % 2)
    found, calibration = detector(frames), detector.calibration
    scores = calibration.score(found.reconstruction, found.deformation)
    expected = find_events(scores, calibration.rule)
    ends = kept.of("event", state="end")
    assert [line["start"] for line in ends] == pytest.approx([e.start / 10 for e in expected])
    assert [line["score"] for line in ends] == pytest.approx([e.score for e in expected], abs=1e-4)


def test_cameras_are_judged_together_each_with_its_own_settings(detector, clip):
    lower = Zone.parse([], "0.5,0.5 1,0.5 1,1 0.5,1")
    path = clip()
    count, kept = seen(
        detector,
        Camera(path, "all"),
        Camera(path, "without", zone=lower),
        Camera(path, "own past", scene="elsewhere"),
        Camera(clip("calm", odd=()), "calm"),
    )
    assert {line["source"] for line in kept.of("event", state="new")} >= {"all"}
    assert not {line["source"] for line in kept.of("event")} & {"without", "calm"}
    assert len(kept.of("count")) == 4
    assert count == len(kept.of("event", state="new"))


def test_scoring_pauses_for_a_fault_and_says_so(detector, frames_of, tmp_path):
    ground = np.random.default_rng(5)
    with VideoWriter(tmp_path / "dark.mp4", 10) as film:
        for index in range(60):
            frame = frames_of(3, 60)[index].copy()
            if 20 <= index < 40:
                frame[:] = ground.integers(0, 5, frame.shape)
            film.write(frame)
    count, kept = seen(detector, Camera(str(tmp_path / "dark.mp4")))
    assert count == 0
    told = kept.of("health")
    assert [line["state"] for line in told] == ["black", "ok"]
    assert [line["scoring"] for line in told] == [False, True]
    assert told[0]["time"] == pytest.approx(3.0)
    assert kept.of("count")[0]["scored"] < 40


def test_one_bad_file_among_good_ones_is_told(detector, clip, tmp_path):
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    _, kept = seen(detector, Camera(str(tmp_path / "bad.mp4")), Camera(clip()))
    (line,) = kept.of("health", state="unreadable")
    assert line["source"] == "bad"
    assert len(kept.of("event", state="end")) == 1


def test_what_cannot_be_watched_is_refused(detector, random_model, tiny, clip, tmp_path):
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    with pytest.raises(DmadError, match=r"bad\.mp4 is not a readable video"):
        seen(detector, Camera(str(tmp_path / "bad.mp4")))
    with pytest.raises(DmadError, match="no threshold for gate"):
        seen(Detector(random_model, tiny(None), device="cpu"), Camera(clip()))


def test_a_full_disk_is_no_reason_to_stop(detector, clip, tmp_path, monkeypatch, logged):
    """Neither lines nor films nor pictures that cannot be kept end the watch."""

    class Full(Kept):
        def put(self, line):
            raise OSError(28, "No space left on device")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(VideoWriter, "write", full)
    kept = Kept()
    count = watch(detector, [Camera(clip())], [Full(), kept], Wanted(out=tmp_path))
    assert count == len(kept.of("event", state="end")) > 0
    told = logged()
    assert told.count("a line could not be written: No space left on device") == 1
    assert "gate: no film or picture" in told


def test_why_a_camera_is_lost_is_told(detector):
    """Also where it never came: with the time of now, and again where the reason is another."""
    kept, looks = Kept(), iter(["connecting", "connecting", "refused", "refused"])

    class Away(Source):
        live = True

        def take(self):
            self.lost = next(looks, "")
            self.done = not self.lost
            return None

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dmad.watch.camera_worker.open_source", lambda _, form, *more: Away(form))
        watch(detector, [Camera("rtsp://host/gate")], [kept], Wanted())
    lost = kept.of("health", state="lost")
    assert [line["why"] for line in lost] == ["connecting", "refused"]
    assert all(abs(line["time"] - time.time()) < 60 for line in lost)


def test_a_machine_that_is_too_slow_says_so(detector, frames_of, logged, monkeypatch):
    frames = iter(frames_of(3, 8))

    class Fast(Source):
        live = True

        def __init__(self, form):
            super().__init__(form)
            self.dropped = 2

        def take(self):
            frame = next(frames, None)
            self.done = frame is None
            return None if self.done else Shot(frame, np.repeat(frame, 3, 2), time.time())

    monkeypatch.setattr("dmad.watch.camera_worker.open_source", lambda _, form, *more: Fast(form))
    seen(detector, Camera("rtsp://host", "gate"))
    assert "had time for 8 of 10 frames" in logged()


def test_a_slower_recording_is_told(detector, frames_of, tmp_path, logged):
    with VideoWriter(tmp_path / "slow.mp4", 4) as film:
        for frame in frames_of(3, 12):
            film.write(frame)
    seen(detector, Camera(str(tmp_path / "slow.mp4")))
    told = logged()
    assert "slow: the threshold was set at 10 frames a second, this footage has 4" in told


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ("ok", "no frame was judged of 9: 5 in a row are needed"),
        ("black", "no frame was judged of 9: the camera looked black at the end"),
        ("blocked", "is it another view than that trained on? give it a scene of its own then"),
    ],
)
def test_why_nothing_was_judged(state, told):
    assert unjudged(state, 9, 5).endswith(told)


def test_drift_is_a_line(detector, clip):
    _, kept = seen(detector, Camera(clip(odd=())), wanted=Wanted(every=1e-9))
    line = kept.of("count")[-1]
    assert line["drifted"] is None  # a few seconds tell nothing
    recent = Recent()
    for second in range(60):
        assert recent.drifted is None
        recent.push(SimpleNamespace(time=float(second), calibrated=2.5))
    assert recent.drifted
    assert len(kept.of("count")) > 30


def test_the_verb_prints_json_and_errors_are_one_line(trained, clip, tmp_path, monkeypatch, capsys):
    from dmad.thresholds import calibrate

    own = tmp_path / "own.json"
    folder = clip()
    calibrate(trained, [folder], "30/hour", fps=10, out=own)
    out = tmp_path / "found"
    command = ["dmad", "watch", str(trained), folder, "--calibration", str(own), "--out", str(out)]
    monkeypatch.setattr(sys, "argv", [*command, "--exclude", '["0,0 1,0 1,0.1"]'])
    cli.main()
    printed = capsys.readouterr().out.splitlines()
    assert printed == (out / "events.jsonl").read_text().splitlines()
    assert json.loads(printed[-1])["kind"] == "count"
    (tmp_path / "cameras.yaml").write_text("gate: gate.mp4")
    for wrong, told in (
        (["--webhook", "host"], "is no webhook"),
        (["--fps", "-1"], "fps is -1"),
        (["--calibration", str(own)], "--calibration would count for no camera"),
    ):
        command[3] = str(tmp_path / "cameras.yaml") if "--calibration" in wrong else folder
        monkeypatch.setattr(sys, "argv", [*command, *wrong])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        assert caught.value.code == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert told in line
